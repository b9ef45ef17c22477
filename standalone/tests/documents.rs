//! Every pointer in the documents and in the code's comments leads somewhere: to a file, a folder
//! or a section that exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the workspace that documents and comments point into.
const FOLDERS: [&str; 10] = [
    "api",
    "deploy",
    "docs",
    "migrations",
    "proof",
    "scripts",
    "shared",
    "simulator",
    "upstream",
    "worker",
];

fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("it is in a workspace").to_owned()
}

/// Every file below `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder reads") {
        let path = entry.expect("the folder reads").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
    found
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// The documents, outside of their code blocks.
fn documents() -> Vec<(PathBuf, String)> {
    let documents = files(&workspace(), &[".md"]);
    assert!(documents.len() > 8, "{documents:?}");
    let prose = |file: PathBuf| {
        let whole = text(&file);
        let outside = whole.split("```").step_by(2).collect();
        (file, outside)
    };
    documents.into_iter().map(prose).collect()
}

/// `text` in pieces that may be paths.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_./-{}*<>…".contains(c);
    text.split(move |c| !in_path(c))
        .map(|word| word.trim_end_matches(['.', '/']))
}

/// The paths into the workspace that `text` names. Patterns such as `migrations/*/0001` are left
/// out.
fn paths(text: &str) -> BTreeSet<&str> {
    let is_ours = |word: &&str| {
        let first = word.split_once('/').map(|(first, _)| first);
        first.is_some_and(|first| FOLDERS.contains(&first) || first == "standalone")
    };
    words(text)
        .filter(is_ours)
        .filter(|word| !word.contains(['*', '{', '<', '…']))
        .collect()
}

/// What stands between backticks in `text`.
fn quoted(text: &str) -> String {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.collect::<Vec<_>>().join(" ")
}

/// Where the links in `text` lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split(')').next())
}

/// The titles of a document's sections.
fn titles(document: &str) -> BTreeSet<String> {
    let outside: String = document.split("```").step_by(2).collect();
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_owned())
        .collect()
}

/// The anchor that GitHub makes of a title.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect()
}

/// The comments of a source, without their marks, on one line.
fn comments(source: &str, is_rust: bool) -> String {
    let marks = if is_rust { ["//"; 2] } else { ["#", "%"] };
    let lines = source.lines().map(str::trim_start);
    lines
        .filter(|line| marks.iter().any(|mark| line.starts_with(mark)))
        .map(|line| line.trim_start_matches(['/', '!', '#', '%']).trim())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Sections that `text` names, as in ``(`docs/contract.md`, "Listings")``: document and title.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("`docs/").skip(1);
    parts
        .filter_map(|rest| {
            let (document, rest) = rest.split_once('`')?;
            let (title, _) = rest.strip_prefix(", \"")?.split_once('"')?;
            Some((document, title))
        })
        .collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let root = workspace();
    let mut missing = Vec::new();
    for (file, prose) in documents() {
        let quoted = quoted(&prose);
        let gone = paths(&quoted)
            .into_iter()
            .filter(|path| !root.join(path).exists());
        missing.extend(gone.map(|path| format!("{}: {path}", file.display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_section() {
    let mut broken = Vec::new();
    for (file, prose) in documents() {
        let folder = file.parent().expect("a file is in a folder");
        for link in links(&prose).filter(|link| !link.contains("://")) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                folder.join(path)
            };
            let leads = target.exists()
                && (section.is_empty()
                    || titles(&text(&target))
                        .iter()
                        .any(|title| anchor(title) == section));
            if !leads {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_path_and_section_that_a_comment_names_exists() {
    let root = workspace();
    let endings = [
        ".rs",
        ".toml",
        ".yml",
        ".sh",
        "Dockerfile",
        ".config",
        ".env.example",
    ];
    let landed = root.join("migrations");
    let mut missing = Vec::new();
    for file in files(&root, &endings) {
        if file.starts_with(&landed) {
            continue;
        }
        let is_rust = file.extension().is_some_and(|end| end == "rs");
        let comments = comments(&text(&file), is_rust);
        let documents = words(&comments)
            .filter(|word| Path::new(word).extension().is_some_and(|end| end == "md"));
        for path in paths(&comments).into_iter().chain(documents) {
            if !root.join(path).exists() {
                missing.push(format!("{}: {path}", file.display()));
            }
        }
        for (document, title) in sections(&comments) {
            let document = root.join("docs").join(document);
            if !document.exists() || !titles(&text(&document)).contains(title) {
                missing.push(format!("{}: section {title:?}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn both_readmes_point_to_the_same_places() {
    let pointers = |name: &str| -> BTreeSet<String> {
        let readme = text(&workspace().join(name));
        let quoted = quoted(&readme);
        let links = links(&readme).filter(|link| !link.starts_with("README"));
        let paths = paths(&quoted).into_iter().chain(links);
        paths.map(str::to_owned).collect()
    };
    assert_eq!(pointers("README.md"), pointers("README.zh.md"));
}

#[test]
fn the_contract_lists_every_variable_of_the_environment() {
    let contract = text(&workspace().join("docs/contract.md"));
    let sections = contract.split("\n## ");
    let environment = sections
        .filter(|section| section.starts_with("Environment\n"))
        .collect::<String>();
    let rows = environment
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let first_cells = rows.filter_map(|row| row.split(" | ").next());
    let listed: BTreeSet<&str> = first_cells
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    assert_eq!(listed, BTreeSet::from(shared::config::VARIABLES));
}
