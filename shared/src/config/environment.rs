//! The environment variables and the file `.env`, as one lookup.
//!
//! `.env` is read from the current folder only, and never written into the process's environment.
//! An environment variable overrides the file even if it is empty, so that a variable can be unset
//! for one run.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};

use super::mistake::{Mistake, Mistakes};
use super::{Program, VARIABLES};

const FILE: &str = ".env";

/// The value of a variable.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The known variables that could be read, and the mistakes in the others.
#[derive(Debug, Default)]
struct Environment {
    values: HashMap<String, String>,
    mistakes: Vec<Mistake>,
}

/// Reads the environment variables and `.env` in the current folder, and passes them to `read_config`, for
/// example [`super::Config::read`]. The error lists the mistakes of the environment first, and then those
/// that `read_config` found.
pub fn from_environment<T>(
    program: Program,
    read_config: impl FnOnce(Program, &Lookup) -> Result<T, Mistakes>,
) -> Result<T, Mistakes> {
    let file = match std::fs::read(FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Mistake::new(FILE, format!("cannot be read: {error}"))),
    };
    let environment = Environment::of(|name| std::env::var_os(name), file);
    checked(environment, |lookup| read_config(program, lookup))
}

fn checked<T>(
    environment: Environment,
    read_config: impl FnOnce(&Lookup) -> Result<T, Mistakes>,
) -> Result<T, Mistakes> {
    let Environment {
        values,
        mut mistakes,
    } = environment;
    let config = read_config(&|name| values.get(name).cloned());
    if mistakes.is_empty() {
        return config;
    }
    // A variable that cannot be read looks unset to `read_config`: keep the first reason only.
    if let Err(Mistakes(more)) = config {
        for mistake in more {
            if mistakes.iter().all(|known| known.what != mistake.what) {
                mistakes.push(mistake);
            }
        }
    }
    Err(Mistakes(mistakes))
}

impl Environment {
    fn of(
        variable: impl Fn(&str) -> Option<OsString>,
        file: Result<Option<Vec<u8>>, Mistake>,
    ) -> Self {
        let mut found = Self::default();
        match file.map(|bytes| bytes.map(String::from_utf8)) {
            Ok(Some(Ok(text))) => found.take_file(&text),
            Ok(Some(Err(_))) => {
                let why = "is not UTF-8 text; save it as UTF-8";
                found.mistakes.push(Mistake::new(FILE, why));
            }
            Ok(None) => {}
            Err(mistake) => found.mistakes.push(mistake),
        }
        for name in VARIABLES {
            match variable(name).map(OsString::into_string) {
                Some(Ok(value)) => {
                    found.values.insert(name.to_owned(), value);
                }
                Some(Err(_)) => {
                    let why = "holds bytes that are not UTF-8 text";
                    found.mistakes.push(Mistake::new(name, why));
                }
                None => {}
            }
        }
        found
    }

    /// Reads the lines of `.env`. If a variable is repeated, the first one counts.
    fn take_file(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines_read = Cell::new(0);
        let mut lines_understood = 0;
        for item in dotenvy::from_read_iter(LineByLine::new(text, &lines_read)) {
            if let Ok((name, value)) = item {
                self.values.entry(name).or_insert(value);
                lines_understood = lines_read.get();
            } else {
                let why = unreadable(text, lines_understood);
                self.mistakes.push(Mistake::new(FILE, why));
                // After an unclosed quote the lines cannot be told apart.
                return;
            }
        }
    }
}

/// Names the malformed line by its number, because its text may hold a secret.
fn unreadable(text: &str, lines_understood: usize) -> String {
    let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let skipped = text.lines().skip(lines_understood);
    let number = lines_understood + skipped.take_while(|line| empty(line)).count() + 1;
    format!(
        "cannot be read at line {number}; a line is `NAME=value`, with a value that holds spaces, \
         `#` or `$` between single quotes"
    )
}

/// A reader that returns at most one line a call and counts the lines.
struct LineByLine<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    line: &'a [u8],
    read: &'a Cell<usize>,
}

impl<'a> LineByLine<'a> {
    fn new(text: &'a str, read: &'a Cell<usize>) -> Self {
        let lines = text.split_inclusive('\n');
        let line = &[];
        Self { lines, line, read }
    }
}

impl io::Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.line.is_empty()
            && let Some(line) = self.lines.next()
        {
            self.line = line.as_bytes();
            self.read.set(self.read.get() + 1);
        }
        self.line.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], file: &str) -> Environment {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Environment::of(variable, Ok(Some(file.as_bytes().to_vec())))
    }

    fn messages(environment: Environment) -> String {
        let read = checked(environment, |_| Ok(()));
        read.expect_err("it has mistakes").to_string()
    }

    #[test]
    fn the_environment_wins_over_the_file_even_if_it_is_empty() {
        let found = of(
            &[("API_BIND", "1"), ("AMQP_URL", "")],
            "API_BIND=2\nAMQP_URL=3\nQUEUE_PREFIX='a b' # why\nQUEUE_PREFIX=second\n",
        );
        let held = |name: &str| found.values.get(name).map(String::as_str);
        assert_eq!(held("API_BIND"), Some("1"));
        assert_eq!(held("AMQP_URL"), Some(""));
        assert_eq!(held("QUEUE_PREFIX"), Some("a b"));
    }

    #[test]
    fn a_missing_file_is_fine() {
        let found = Environment::of(|_| None, Ok(None));
        assert!(checked(found, |_| Ok(())).is_ok());
    }

    #[test]
    fn a_broken_file_is_reported_by_line_and_not_shown() {
        let said = messages(of(&[], "# ours\nAPI_BIND=1\nSUNO_API_KEY=sk hunter2\n"));
        assert!(said.contains(".env cannot be read at line 3"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        let said = messages(of(&[], "A='1\n2'\n\n# ours\nAPI_BIND='1\nAMQP_URL=2\n"));
        assert!(said.contains(".env cannot be read at line 5"), "{said}");
    }

    #[test]
    fn a_file_with_a_byte_order_mark_is_read() {
        let found = of(&[], "\u{feff}API_BIND=1\n");
        assert_eq!(found.values.get("API_BIND").map(String::as_str), Some("1"));
    }

    #[test]
    fn a_file_that_is_no_text_is_reported() {
        let said = messages(Environment::of(|_| None, Ok(Some(vec![0xff, 0xfe]))));
        assert!(said.contains(".env is not UTF-8"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_reported_once() {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = |name: &str| (name == "AMQP_URL").then(|| OsString::from_vec(vec![0xff]));
        let environment = Environment::of(bytes, Ok(None));
        let read = checked(environment, |lookup| {
            super::super::Config::read(Program::Api, lookup)
        });
        let said = read.expect_err("it has mistakes").to_string();
        assert_eq!(said.matches("AMQP_URL").count(), 1, "{said}");
        assert!(said.contains("DATABASE_URL is not set"), "{said}");
    }
}
