//! Runs commands of the program on a database in a folder that is removed when the test ends.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::folder::Folder;
use serde_json::Value;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};

pub struct Operator {
    pub folder: Folder,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Operator {
    /// On a database with all tables.
    pub fn new() -> Self {
        let operator = Self::without_database();
        operator.says("migrate");
        operator
    }

    pub fn without_database() -> Self {
        Self {
            folder: Folder::new(),
        }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("center.db")
    }

    /// The program with the arguments of `line`, and nothing in its environment but the database.
    pub fn program(&self, line: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_api"));
        let url = format!("sqlite://{}", self.database().display());
        program
            .args(line.split_whitespace())
            .env_clear()
            .env("DATABASE_URL", url)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        program
    }

    /// The stdout of a command, which must succeed and write nothing on stderr.
    pub fn says(&self, line: &str) -> String {
        let ended = Ended::of(&mut self.program(line));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{line}");
        ended.out
    }

    /// The JSON of a command, which must succeed and print one line.
    pub fn json_text(&self, line: &str) -> String {
        let text = self.says(&format!("{line} --json"));
        let line = text.strip_suffix('\n').expect("it ends its line");
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }

    pub fn json(&self, line: &str) -> Value {
        let text = self.json_text(line);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// How a command ended that got `text` on stdin.
    pub fn told(&self, line: &str, text: &str) -> Ended {
        let (reader, mut writer) = std::io::pipe().expect("a pipe is made");
        writer.write_all(text.as_bytes()).expect("it fits");
        drop(writer);
        Ended::of(self.program(line).stdin(reader))
    }

    /// The stderr of a command, which must fail as [`Ended::refusal`] says.
    pub fn refused(&self, line: &str) -> String {
        Ended::of(&mut self.program(line)).refusal()
    }

    pub async fn store(&self) -> Store {
        let url = DatabaseUrl::Sqlite(self.database());
        let opened = Store::open(&url, 2, Plans::Kept).await;
        opened.expect("the database opens")
    }
}

impl Ended {
    pub fn of(program: &mut Command) -> Self {
        let output = program.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The stderr of a program, which must end with exit code 1 and nothing on stdout.
    pub fn refusal(self) -> String {
        let found = (self.code, self.out.as_str());
        assert_eq!(found, (Some(1), ""), "{}", self.err);
        self.err
    }
}
