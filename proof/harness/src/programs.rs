//! The programs of the workspace, which lie beside the tests that run them.

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

    /// Its file, `target/<profile>/<name>`. Panics if it is not built.
    pub fn path(self) -> PathBuf {
        let ours = std::env::current_exe().expect("the system says where we are");
        // A test lies in target/<profile>/deps, a program in target/<profile>.
        let mut folders = ours.ancestors().skip(1);
        let folder = folders.find(|folder| !folder.ends_with("deps"));
        let path = folder.unwrap_or(&ours).join(self.name());
        assert!(
            path.is_file(),
            "{} is not there: the programs must be built before they are run here. scripts/test does \
             it, and so does `cargo build --workspace --bins`",
            path.display()
        );
        path
    }
}
