//! Nothing of a platform stands outside of its folder: no code asks which platform it has before it.

use std::fs;
use std::path::{Path, PathBuf};

use shared::task::platform::PLATFORMS;

/// The folders whose code must know no platform.
const FOLDERS: &[&str] = &["api/src", "shared/src", "worker/src", "upstream/src"];

/// Where platforms are named, beside their own folders in `upstream/src`.
const ALLOWED: &[&str] = &[
    // The paths of suno for clients.
    "api/src/routes/suno/",
    "api/src/http/spelling.rs",
    // An example in the description of the API.
    "api/src/routes/tasks/submit.rs",
    // The lists of all of them.
    "upstream/src/lib.rs",
    "shared/src/task/platform.rs",
    // A channel of which nobody said the platform, and that of `SUNO_BASE_URL`.
    "api/src/cli/channel/create.rs",
    "shared/src/process/start.rs",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder reads") {
        let path = entry.expect("the folder reads").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Whether a line of code names a platform.
fn names_one(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    PLATFORMS.iter().any(|known| {
        let platform = known.platform.as_str();
        let constant = format!("Platform::{}", platform.to_uppercase());
        code.contains(&constant) || code.contains(&format!("\"{platform}\""))
    })
}

/// Whether a file of this name stands in the folder of a platform or of a dialect.
fn is_of_one(name: &str) -> bool {
    let below = name.strip_prefix("upstream/src/");
    below.is_some_and(|below| below.contains('/'))
}

#[test]
fn no_code_outside_of_a_platforms_folder_knows_the_platform() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let workspace = workspace.expect("it is in a workspace");
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&workspace.join(folder), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(workspace).expect("it is below");
        let name = name.to_string_lossy().into_owned();
        // Tests may name whom they like: those in a file of their own, and those at the end of one.
        let is_test = name.ends_with("/tests.rs");
        if is_test || is_of_one(&name) || ALLOWED.iter().any(|allowed| name.starts_with(allowed)) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source is a text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| names_one(line));
        found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
    }
    assert!(found.is_empty(), "{found:#?}");
}
