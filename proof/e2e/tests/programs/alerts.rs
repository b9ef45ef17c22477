//! The alerts of `deploy/prometheus`, as Prometheus evaluates them.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::servers::daemon::find;
use harness::suite::test;
use libtest_mimic::Trial;

use crate::LIMIT;

pub fn tests() -> Vec<Trial> {
    vec![test(
        "each alert fires on its trouble, and on nothing else",
        LIMIT,
        alerts,
    )]
}

/// Prometheus's own tool, which Debian has in the package of the server.
fn promtool() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut tools = std::env::split_paths(&folders).map(|folder| folder.join("promtool"));
    tools.find(|tool| tool.is_file())
}

async fn alerts() {
    let promtool = find(promtool, "prometheus").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus");
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let done = Command::new(&promtool)
            .args(arguments)
            .current_dir(&folder)
            .output();
        let done = done.expect("promtool starts");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
}
