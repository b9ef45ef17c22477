//! The whole suite in its short form, so that it can't rot. No threshold on any time.

use std::collections::BTreeSet;
use std::process::Command;

use bench::figure::Figure;
use clap::ValueEnum as _;
use harness::folder::Folder;
use serde_json::Value;

#[test]
fn every_figure_is_measured_and_told_as_markdown_and_json() {
    let folder = Folder::new();
    let json = folder.path().join("report.json");
    let ran = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--short", "--json"])
        .arg(&json)
        .output()
        .expect("it starts");
    let complaints = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{complaints}");
    let report = std::fs::read(&json).expect("it is written");
    let report: Value = serde_json::from_slice(&report).expect("it is JSON");
    let markdown = String::from_utf8_lossy(&ran.stdout);
    let mut figures = BTreeSet::new();
    for table in report["tables"].as_array().expect("a list") {
        let figure = table["figure"].as_str().expect("a text");
        let rows = table["rows"].as_array().expect("a list");
        assert!(!rows.is_empty(), "{figure}");
        assert!(markdown.contains(&format!("### {figure}\n")), "{figure}");
        figures.extend(figure.split([':', ',']).next().map(str::to_owned));
    }
    assert!(
        figures.len() >= Figure::value_variants().len(),
        "{figures:?}"
    );
}
