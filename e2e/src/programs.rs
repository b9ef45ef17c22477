//! Where the programs are: beside the tests that run them.

use std::path::PathBuf;

/// A program of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The HTTP side.
    Api,
    /// The queue side.
    Worker,
    /// Everything in one process.
    TaskCenter,
    /// The simulated upstream.
    Simulator,
}

impl Program {
    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::TaskCenter => "task-center",
            Self::Simulator => "suno-simulator",
        }
    }

    /// Its file, `target/<profile>/<name>`.
    pub fn path(self) -> PathBuf {
        let test = std::env::current_exe().expect("the system says where the test is");
        let folder = test.parent().and_then(|deps| deps.parent());
        let path = folder
            .expect("tests lie in target/<profile>/deps")
            .join(self.name());
        assert!(
            path.is_file(),
            "{} is not there: the programs must be built before these tests run. scripts/test does \
             it, and so does `cargo build --workspace --bins`",
            path.display()
        );
        path
    }
}
