//! The whole suite with small sizes: everything runs, whatever time it takes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use bench::figure::Figure;
use clap::ValueEnum as _;
use harness::folder::Folder;
use serde_json::Value;

#[test]
fn every_figure_is_measured_and_printed_as_markdown_and_json() {
    let folder = Folder::new();
    let json = folder.path().join("report.json");
    let markdown = folder.path().join("report.md");
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let ran = Command::new(bench)
        .arg("--short")
        .args([Path::new("--json"), &json])
        .args([Path::new("--report"), &markdown])
        // The same programs stand in for another build.
        .arg("--beside")
        .arg(bench.parent().expect("a program has a folder"))
        .output()
        .expect("bench starts");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    // Why it failed first: reports of tests are cut.
    let why = stderr.split("panicked at").nth(1).unwrap_or_default();
    assert!(ran.status.success(), "{why}\n\nall it said:\n{stderr}");
    let report = std::fs::read(&json).expect("bench writes the JSON");
    let report: Value = serde_json::from_slice(&report).expect("it is JSON");
    let markdown = std::fs::read_to_string(&markdown).expect("bench writes the Markdown");
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert!(markdown.starts_with("# Bench report\n"));
    assert!(markdown.contains(stdout.trim_end()));
    let mut figures = BTreeSet::new();
    for table in report["tables"].as_array().expect("a list") {
        let figure = table["figure"].as_str().expect("a text");
        let rows = table["rows"].as_array().expect("a list");
        assert!(!rows.is_empty(), "{figure}");
        assert!(stdout.contains(&format!("### {figure}\n")), "{figure}");
        figures.extend(figure.split([':', ',']).next().map(str::to_owned));
    }
    assert!(
        figures.len() >= Figure::value_variants().len(),
        "{figures:?}"
    );
    assert_limits_held(&report);
    for figure in ["polls", "submits", "cost", "scale-out"] {
        let compared = format!("### {figure}: two builds\n");
        assert!(stdout.contains(&compared), "{compared}");
    }
}

/// What flow says of limits must hold however slow the machine is.
fn assert_limits_held(report: &Value) {
    let exact = ["429s", "most tasks at once", "most tasks of a user at once"];
    let tables = report["tables"].as_array().expect("a list");
    let flow = tables.iter().find(|table| table["figure"] == "flow");
    let rows = flow.and_then(|table| table["rows"].as_array());
    let rows = rows.expect("flow has rows").iter();
    let of_limits: Vec<&Value> = rows
        .filter(|row| exact.iter().any(|what| row[2] == *what))
        .collect();
    // Of full and fair, on both kinds of servers.
    assert_eq!(of_limits.len(), 8, "{of_limits:?}");
    for row in of_limits {
        assert_eq!(row[5], "yes", "{row}");
    }
}
