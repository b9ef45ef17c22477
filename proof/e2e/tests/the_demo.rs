//! `task-center demo`, as a script or a build server runs it: without a terminal.

use std::process::ExitCode;
use std::time::Duration;

use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::Launch;
use harness::programs::Program;
use harness::suite::{run, test};

fn main() -> ExitCode {
    let limit = Duration::from_mins(2);
    run(vec![test(
        "the demo does the main job in plain lines and leaves nothing behind",
        limit,
        demo,
    )])
}

async fn demo() {
    let folder = Folder::new();
    let temporary = folder.path().display().to_string();
    let launch = Launch::new(Program::TaskCenter, folder.path()).env("TMPDIR", temporary);
    let done = Operator(launch).run(&["demo"]).await;
    let said = &done.stdout;
    assert_eq!(done.code, 0, "{said}\n{}", done.stderr);
    assert!(!said.contains('\u{1b}'), "no terminal, no colours: {said}");
    for words in [
        "Every task ended as it should",
        "GET /api/task/self",
        "total 6",
        "audit: balanced",
    ] {
        assert!(said.contains(words), "{words:?} is missing in:\n{said}");
    }
    for status in ["NOT_START", "SUCCESS", "FAILURE"] {
        assert!(said.contains(status), "{status} was never shown:\n{said}");
    }
    let left = std::fs::read_dir(folder.path()).expect("the folder is there");
    let left: Vec<_> = left.filter_map(Result::ok).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
