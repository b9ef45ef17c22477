//! What a command prints: text for people or JSON for machines.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::CommandError;
use super::table::table;

/// What a command prints when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    human: String,
    json: String,
    has_secret: bool,
    error: Option<String>,
}

impl Output {
    /// `human` is the text, `json` the value for `--json`, with its keys in their order.
    pub fn new(
        human: impl Into<String>,
        json: &(impl Serialize + ?Sized),
    ) -> Result<Self, CommandError> {
        let json = serde_json::to_string(json).map_err(|error| {
            CommandError::new(format!("the output cannot be written as JSON: {error}"))
        })?;
        Ok(Self {
            human: human.into(),
            json: escaped(&json),
            has_secret: false,
            error: None,
        })
    }

    /// A list: a table for people, or `none` if it has no items; an array for machines.
    pub(super) fn list<const N: usize, T: Serialize>(
        none: &str,
        titles: [&str; N],
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<Self, CommandError> {
        if items.is_empty() {
            return Self::new(none, items);
        }
        Self::new(table(titles, items.iter().map(row)), items)
    }

    /// The output holds a secret that cannot be shown again, so that a failure to print is an
    /// error.
    #[must_use]
    pub fn with_secret(mut self) -> Self {
        self.has_secret = true;
        self
    }

    /// The output is printed, and the command still fails, for this reason.
    #[must_use]
    pub fn with_error(mut self, reason: impl Into<String>) -> Self {
        self.error = Some(reason.into());
        self
    }

    /// Prints the output. A closed stdout (`… | head`) is no error, unless a secret is lost by it.
    pub fn print(self, json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
        let mut text = if json { self.json } else { self.human };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe && !self.has_secret => {}
            Err(error) => return Err(not_printed(&error, self.has_secret)),
        }
        self.error
            .map_or(Ok(()), |reason| Err(CommandError::new(reason)))
    }
}

fn not_printed(error: &io::Error, has_secret: bool) -> CommandError {
    let mut reason = format!("the command is done, but its output could not be printed: {error}");
    if has_secret {
        reason.push_str("; its secret is lost: create another");
    }
    CommandError::new(reason)
}

/// Lines of a name and a value, without the empty values:
///
/// ```text
///   id            1
///   access token  Qm…
/// ```
pub(super) fn fields(fields: &[(&str, &str)]) -> String {
    let longest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:longest$}  {}", printable(value));
    }
    text
}

/// `text` on one line, with an escape such as `\u{202e}` for each character that a terminal would obey or hide:
/// clients and upstreams write it.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if is_treacherous(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// JSON with an escape such as `\u202e` for the same characters, which says the same to a machine.
fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_treacherous(c) {
            // Writing into a String does not fail.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal obeys the character, or does not show it: control characters, marks of direction and other
/// invisible ones. Text that reads from right to left, and emoji, need some of them; where operators read names and
/// prompts, what is there counts more.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a command prints, and how it ends.
#[cfg(test)]
pub(super) fn printed(output: &Output, json: bool) -> (String, Result<(), CommandError>) {
    let mut out = Vec::new();
    let ended = output.clone().print(json, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A closed stdout.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_stdout_is_no_failure() {
        let output = Output::new("one\ntwo", &[1, 2]).expect("it prints");
        assert_eq!(output.print(false, &mut Closed), Ok(()));
    }

    #[test]
    fn a_secret_that_is_not_printed_is_a_failure() {
        let output = Output::new("sk-", "sk-").expect("it prints").with_secret();
        let error = output.print(true, &mut Closed).expect_err("it is lost");
        assert!(error.to_string().contains("its secret is lost"), "{error}");
    }

    #[test]
    fn output_is_text_or_json_and_ends_its_line() {
        let output = Output::new("one", &[1]).expect("it prints");
        for (json, printed) in [(false, "one\n"), (true, "[1]\n")] {
            assert_eq!(super::printed(&output, json), (printed.to_owned(), Ok(())));
        }
    }

    #[test]
    fn output_with_an_error_is_printed_and_fails() {
        let output = Output::new("2 breaks", &[2]).expect("it prints");
        let (text, ended) = printed(&output.with_error("no"), false);
        assert_eq!(ended, Err(CommandError::new("no")));
        assert_eq!(text, "2 breaks\n");
    }

    #[test]
    fn fields_stand_below_one_another_and_hold_no_control_characters() {
        let text = fields(&[("id", "1"), ("access token", "a\u{1b}[31mb"), ("no", "")]);
        assert_eq!(text, "  id            1\n  access token  a\\u{1b}[31mb\n");
    }

    #[test]
    fn what_a_terminal_would_obey_or_hide_is_escaped_for_people_and_machines() {
        let sly = "ab\u{202e}gnp.\u{200b}\u{9b}31m\u{2066}\ncd";
        assert_eq!(
            printable(sly),
            r"ab\u{202e}gnp.\u{200b}\u{9b}31m\u{2066} cd"
        );
        let output = Output::new("", sly).expect("it prints");
        let (text, _) = super::printed(&output, true);
        assert_eq!(
            text.trim_end(),
            r#""ab\u202egnp.\u200b\u009b31m\u2066\ncd""#
        );
        let read: String = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(read, sly);
        assert_eq!(printable("小明 اسم é 🎵"), "小明 اسم é 🎵");
    }
}
