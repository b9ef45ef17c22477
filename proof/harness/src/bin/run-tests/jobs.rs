//! What is run: every test program that cargo builds, the documentation's examples, and
//! `scripts/fuzz-api`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// Jobs that take longest, in the order in which they start. All others follow.
const LONGEST: [&str; 8] = [
    "exclusive_runs",
    "short_runs",
    "broker_contract",
    "store_contract",
    "both_stacks",
    "short_run",
    "fuzz-api",
    "the_big_run",
];

/// Jobs that measure how long something takes. Each runs when all others have ended.
const MEASURED: [&str; 1] = ["measured_runs"];

/// A test program, or a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The name of the test target, or of the script.
    pub name: String,
    /// The program and its arguments.
    words: Vec<String>,
    /// The folder of its package. `None` for what belongs to no package.
    package: Option<PathBuf>,
    /// How cargo selects it. `None` for a script.
    target: Option<String>,
}

/// All of them, the longest first. Fails if something does not compile.
pub async fn all() -> Result<Vec<Job>, String> {
    let built = Command::new("cargo")
        .args(["test", "--workspace", "--locked", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(|error| format!("cargo: {error}"))?;
    if !built.status.success() {
        return Err("the tests do not compile".to_owned());
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut jobs: Vec<Job> = messages.lines().filter_map(test_program).collect();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    jobs.push(Job {
        name: "doc".to_owned(),
        words: words("cargo test --workspace --locked --doc"),
        package: None,
        target: Some("--doc".to_owned()),
    });
    jobs.push(Job {
        name: "fuzz-api".to_owned(),
        words: words("scripts/fuzz-api --max-examples 15"),
        package: None,
        target: None,
    });
    let rank = |job: &Job| LONGEST.iter().position(|name| *name == job.name);
    jobs.sort_by_key(|job| rank(job).unwrap_or(LONGEST.len()));
    Ok(jobs)
}

/// The test program that a message of cargo tells of, if it tells of one.
fn test_program(message: &str) -> Option<Job> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = message["executable"].as_str()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let name = message["target"]["name"].as_str()?;
    let package = manifest.parent()?.file_name()?.to_str()?;
    let (name, target) = match message["target"]["kind"][0].as_str()? {
        "test" => (name.to_owned(), format!("--test {name}")),
        "bin" => (format!("{name} (program)"), format!("--bin {name}")),
        _ => (
            format!("{package} (library)"),
            format!("--lib -p {package}"),
        ),
    };
    Some(Job {
        name,
        words: vec![executable.to_owned()],
        package: Some(manifest.parent()?.to_owned()),
        target: Some(target),
    })
}

impl Job {
    /// Whether nothing else may run at the same time.
    pub fn is_measured(&self) -> bool {
        MEASURED.contains(&self.name.as_str())
    }

    /// How it is run.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).stdin(Stdio::null());
        if let Some(folder) = &self.package {
            // Of test programs only: cargo itself would compile every dependency that reads this variable anew.
            command
                .current_dir(folder)
                .env("CARGO_MANIFEST_DIR", folder);
        }
        command
    }

    /// What runs one test of it alone.
    pub fn alone(&self, test: &str) -> String {
        match &self.target {
            Some(target) => {
                format!("scripts/with-servers cargo test --workspace {target} -- --exact '{test}'")
            }
            None => self.words.join(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_cargo_tells_of_a_test_program() {
        let message = r#"{"reason":"compiler-artifact","manifest_path":"/w/shared/Cargo.toml",
            "target":{"kind":["test"],"name":"store_contract"},"profile":{"test":true},
            "executable":"/w/target/debug/deps/store_contract-1"}"#;
        let job = test_program(message).expect("it is one");
        assert_eq!(job.name, "store_contract");
        assert_eq!(job.package.as_deref(), Some(Path::new("/w/shared")));
        assert_eq!(
            job.alone("sqlite::a"),
            "scripts/with-servers cargo test --workspace --test store_contract -- --exact 'sqlite::a'"
        );
        assert_eq!(test_program(&message.replace("true", "false")), None);
        assert_eq!(test_program("no JSON"), None);
        assert!(!job.is_measured());
        let measured = test_program(&message.replace("store_contract", "measured_runs"));
        assert!(measured.expect("it is one").is_measured());
    }
}
