//! The environment variables and the file `.env`, as one lookup.
//!
//! `.env` is read from the current folder only, and never written into the process's environment. A value is
//! taken as it stands in the file: `$` has no meaning. If a variable stands in the environment and in the file, the
//! value of the environment counts, even if that value is empty. So a variable of the file can be unset for one run.
//!
//! A variable that holds a secret can name a file instead: `SUNO_API_KEY_FILE` for `SUNO_API_KEY`.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};

use super::mistake::{Mistake, Mistakes};
use super::{Program, SECRETS, VARIABLES};

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

/// The variables of the environment and of `.env` that nobody reads and that look like one of ours, each with
/// that one.
pub fn look_alikes() -> Vec<(String, &'static str)> {
    let file = std::fs::read(FILE).unwrap_or_default();
    let file = with_literal_dollars(&String::from_utf8_lossy(&file));
    let of_file = dotenvy::from_read_iter(file.as_bytes()).flatten();
    let of_file = of_file.map(|(name, _)| name);
    let of_process = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut found: Vec<(String, &'static str)> = of_process
        .chain(of_file)
        .filter_map(|name| {
            let ours = looks_like(&name)?;
            Some((name, ours))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Our variable that `name` differs from by one character, by case or by `_`.
fn looks_like(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace('_', "").to_ascii_uppercase();
    let is_near =
        |ours: &&&'static str| plain(name) == plain(ours) || strsim::osa_distance(name, ours) == 1;
    let is_ours = VARIABLES.contains(&name);
    VARIABLES.iter().find(is_near).copied().filter(|_| !is_ours)
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
        for name in SECRETS {
            found.take_secret_file(name);
        }
        found
    }

    /// Reads the file that `<name>_FILE` names, if that variable is set.
    fn take_secret_file(&mut self, name: &str) {
        let by_file = format!("{name}_FILE");
        let is_set = |value: &String| !value.trim().is_empty();
        let Some(path) = self.values.remove(&by_file).filter(is_set) else {
            return;
        };
        if self.values.get(name).is_some_and(is_set) {
            let why = format!("is set beside {name}; set one of them");
            self.mistakes.push(Mistake::new(by_file, why));
            return;
        }
        match std::fs::read_to_string(path.trim()) {
            Ok(secret) => {
                self.values.insert(name.to_owned(), secret);
            }
            Err(error) => {
                let why = format!(
                    "names the file {}, which cannot be read: {error}",
                    path.trim()
                );
                self.mistakes.push(Mistake::new(by_file, why));
            }
        }
    }

    /// Reads the lines of `.env`. If a variable is repeated, the first one counts.
    fn take_file(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines_read = Cell::new(0);
        let mut lines_understood = 0;
        let literal = with_literal_dollars(text);
        for item in dotenvy::from_read_iter(LineByLine::new(&literal, &lines_read)) {
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

/// `text`, with a backslash before each `$` that `dotenvy` would replace by another variable.
fn with_literal_dollars(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    let (mut quote, mut is_comment, mut before) = (None, false, '\n');
    for c in text.chars() {
        let is_escaped = before == '\\' && quote != Some('\'');
        match c {
            '\n' if quote.is_none() => is_comment = false,
            '#' if quote.is_none() && before.is_whitespace() => is_comment = true,
            '\'' | '"' if !is_comment && !is_escaped => match quote {
                None => quote = Some(c),
                Some(open) if open == c => quote = None,
                Some(_) => {}
            },
            '$' if !is_comment && !is_escaped && quote != Some('\'') => literal.push('\\'),
            _ => {}
        }
        literal.push(c);
        // Two backslashes are one, which escapes nothing.
        before = if is_escaped && c == '\\' { ' ' } else { c };
    }
    literal
}

/// Names the malformed line by its number, because its text may hold a secret.
fn unreadable(text: &str, lines_understood: usize) -> String {
    let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let skipped = text.lines().skip(lines_understood);
    let number = lines_understood + skipped.take_while(|line| empty(line)).count() + 1;
    format!(
        "cannot be read at line {number}; a line is `NAME=value`, with a value that holds spaces \
         or `#` between single quotes"
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
    fn a_misspelt_variable_is_told_from_others() {
        for (name, expected) in [
            ("SUNO_BASEURL", Some("SUNO_BASE_URL")),
            ("suno_base_url", Some("SUNO_BASE_URL")),
            ("AMQP_URI", Some("AMQP_URL")),
            ("DATABSAE_URL", Some("DATABASE_URL")),
            ("SUNO_BASE_URL", None),
            ("HOME", None),
            ("APP_BIND_ADDRESS", None),
        ] {
            assert_eq!(looks_like(name), expected, "{name}");
        }
    }

    #[test]
    fn a_secret_can_stand_in_a_file() {
        let folder = harness::folder::Folder::new();
        let file = folder.path().join("key");
        std::fs::write(&file, "sk-hunter2\n").expect("the file is written");
        let path = file.to_str().expect("it is a text");
        let found = of(&[("SUNO_API_KEY_FILE", path)], "");
        let held = found.values.get("SUNO_API_KEY").map(String::as_str);
        assert_eq!(held.map(str::trim), Some("sk-hunter2"));
        for (variables, expected) in [
            (
                &[("SUNO_API_KEY_FILE", path), ("SUNO_API_KEY", "x")][..],
                "set one of them",
            ),
            (&[("AMQP_URL_FILE", "/nowhere/at/all")], "cannot be read"),
        ] {
            let said = messages(of(variables, ""));
            assert!(
                said.contains(expected) && !said.contains("hunter2"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_dollar_stands_for_itself() {
        for (line, expected) in [
            ("SUNO_API_KEY=sk-a$bc$d", "sk-a$bc$d"),
            ("SUNO_API_KEY=${HOME}$", "${HOME}$"),
            (r#"SUNO_API_KEY="a $b" # it's $c"#, "a $b"),
            ("SUNO_API_KEY='a$b'", "a$b"),
            (r"SUNO_API_KEY=a\$b", "a$b"),
            ("# it's\nSUNO_API_KEY=a$b", "a$b"),
        ] {
            let found = of(&[("A", "x")], line);
            let held = found.values.get("SUNO_API_KEY").map(String::as_str);
            assert_eq!(held, Some(expected), "{line}");
        }
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
