//! An operator with the program, and a database that goes with the test.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};

pub struct Operator {
    pub folder: PathBuf,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Operator {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("task-center-cli-{process}-{count}"));
        fs::create_dir_all(&folder).expect("the folder is made");
        Self { folder }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("books.db")
    }

    /// The program with nothing in its environment but the database.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_api"));
        let url = format!("sqlite://{}", self.database().display());
        program
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", url)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        program
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.program(arguments))
    }

    /// What a command that works prints for people.
    pub fn says(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        let quiet_success = (Some(0), "");
        assert_eq!(
            (ended.code, ended.err.as_str()),
            quiet_success,
            "{arguments:?}"
        );
        ended.out
    }

    /// What a command that works prints for machines: one line, as it stands.
    pub fn json_text(&self, arguments: &[&str]) -> String {
        let text = self.says(&[arguments, &["--json"]].concat());
        let line = text.strip_suffix('\n').expect("it ends its line");
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.json_text(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Why a command was refused: exit code 1, nothing on stdout.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        let silent_failure = (Some(1), "");
        assert_eq!(
            (ended.code, ended.out.as_str()),
            silent_failure,
            "{arguments:?}"
        );
        ended.err
    }

    pub async fn store(&self) -> Store {
        let url = DatabaseUrl::Sqlite(self.database());
        Store::open(&url, 2, Plans::Kept)
            .await
            .expect("the database opens")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Ended {
    pub fn of(program: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = program.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Self {
            code: status.code(),
            out: text(stdout),
            err: text(stderr),
        }
    }
}
