//! `docs/operations.md` is true to the code: every figure stands in it, and nothing else does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use shared::process::telemetry::Figure;

const PREFIX: &str = "task_center_";

/// The names of all figures that the programs describe.
fn described() -> BTreeSet<String> {
    let tables = [
        shared::process::gauges::FIGURES,
        shared::process::time_keeper::FIGURES,
        shared::process::http::FIGURES,
        &api::http::observe::FIGURES,
        &api::http::answers::FIGURES,
        &api::http::throttle::FIGURES,
        worker::FIGURES,
    ];
    let names = tables.into_iter().flatten().map(|figure| match *figure {
        Figure::Counter(name, _) | Figure::Gauge(name, _) | Figure::Histogram(name, _) => name,
    });
    names.map(str::to_owned).collect()
}

/// Every word of `text` that starts like a figure's name.
fn named(text: &str) -> BTreeSet<String> {
    let begins = text.match_indices(PREFIX).map(|(at, _)| &text[at..]);
    begins
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("it is in a workspace").to_owned()
}

/// The text of every source below `folder`.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the folder reads") {
        let path = entry.expect("the folder reads").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("the source reads"));
        }
    }
    text
}

#[test]
fn the_operators_manual_names_every_figure_once_in_a_table_and_no_other() {
    let manual = fs::read_to_string(workspace().join("docs/operations.md"));
    let manual = manual.expect("the manual reads");
    let rows: Vec<&str> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    let in_tables: BTreeSet<String> = rows.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(in_tables, described());
    assert_eq!(
        rows.len(),
        in_tables.len(),
        "one stands there twice: {rows:?}"
    );
    let stems = named(&manual).into_iter().map(|name| {
        let bucket = name.strip_suffix("_bucket");
        bucket.map_or(name.clone(), str::to_owned)
    });
    let unknown: BTreeSet<String> = stems.filter(|name| !in_tables.contains(name)).collect();
    assert_eq!(unknown, BTreeSet::new());
}

#[test]
fn every_figure_that_an_alert_names_exists() {
    let alerts = fs::read_to_string(workspace().join("deploy/prometheus/alerts.yml"));
    let described = described();
    let names = named(&alerts.expect("the alerts read")).into_iter();
    let names = names.map(|name| name.strip_suffix("_bucket").unwrap_or(&name).to_owned());
    let unknown: Vec<String> = names.filter(|name| !described.contains(name)).collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_figure_that_the_code_names_is_described() {
    let folders = [
        "shared/src",
        "api/src",
        "worker/src",
        "upstream/src",
        "standalone/src",
    ];
    let code = folders
        .map(|folder| sources(&workspace().join(folder)))
        .concat();
    let texts: Vec<&str> = code
        .split('"')
        .filter(|text| text.starts_with(PREFIX))
        .collect();
    assert_eq!(named(&texts.join(" ")), described());
}
