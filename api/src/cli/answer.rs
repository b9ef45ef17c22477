//! What a command prints, for people and for machines.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::refusal::Refusal;

/// What a command prints when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    human: String,
    json: String,
    secret: bool,
    refusal: Option<String>,
}

impl Answer {
    /// `human` in words, and `json` with its keys in their order.
    pub fn new(
        human: impl Into<String>,
        json: &(impl Serialize + ?Sized),
    ) -> Result<Self, Refusal> {
        let json = serde_json::to_string(json)
            .map_err(|error| Refusal::new(format!("the answer does not print as JSON: {error}")))?;
        Ok(Self {
            human: human.into(),
            json,
            secret: false,
            refusal: None,
        })
    }

    /// It shows a secret that nobody can show again: that it could not be printed must be known.
    #[must_use]
    pub fn with_secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// It was printed, but what it says is a "no", for this reason: exit code 1.
    #[must_use]
    pub fn but(mut self, reason: impl Into<String>) -> Self {
        self.refusal = Some(reason.into());
        self
    }

    /// Prints it. A reader who went away (`… | head`) has what it wanted, unless it was a secret.
    pub fn print(self, json: bool, out: &mut dyn Write) -> Result<(), Refusal> {
        let mut text = if json { self.json } else { self.human };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe && !self.secret => {}
            Err(error) => return Err(not_printed(&error, self.secret)),
        }
        self.refusal
            .map_or(Ok(()), |reason| Err(Refusal::new(reason)))
    }
}

fn not_printed(error: &io::Error, secret: bool) -> Refusal {
    let mut reason = format!("it is done, but the answer could not be printed: {error}");
    if secret {
        reason.push_str("; its secret is lost: make another");
    }
    Refusal::new(reason)
}

/// Names and values below one another:
///
/// ```text
///   id            1
///   access token  Qm…
/// ```
///
/// What has no value is left out.
pub(super) fn fields(fields: &[(&str, &str)]) -> String {
    let longest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:longest$}  {}", printable(value));
    }
    text
}

/// `text` without what would move a terminal's cursor or colour it: clients and upstreams wrote it.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdout whose reader has gone away.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_went_away_is_no_failure() {
        let answer = Answer::new("one\ntwo", &[1, 2]).expect("it prints");
        assert_eq!(answer.print(false, &mut Gone), Ok(()));
    }

    #[test]
    fn a_secret_that_nobody_read_is_a_failure() {
        let answer = Answer::new("sk-", "sk-").expect("it prints").with_secret();
        let refusal = answer.print(true, &mut Gone).expect_err("it is lost");
        assert!(
            refusal.to_string().contains("its secret is lost"),
            "{refusal}"
        );
    }

    #[test]
    fn an_answer_is_words_or_json_and_ends_its_line() {
        let answer = Answer::new("one", &[1]).expect("it prints");
        for (json, printed) in [(false, "one\n"), (true, "[1]\n")] {
            let mut out = Vec::new();
            assert_eq!(answer.clone().print(json, &mut out), Ok(()));
            assert_eq!(String::from_utf8_lossy(&out), printed);
        }
    }

    #[test]
    fn a_no_is_printed_and_still_a_no() {
        let mut out = Vec::new();
        let answer = Answer::new("2 breaks", &[2]).expect("it prints").but("no");
        assert_eq!(answer.print(false, &mut out), Err(Refusal::new("no")));
        assert_eq!(out, b"2 breaks\n");
    }

    #[test]
    fn fields_stand_below_one_another_and_hold_no_control_characters() {
        let text = fields(&[("id", "1"), ("access token", "a\u{1b}[31mb"), ("no", "")]);
        assert_eq!(text, "  id            1\n  access token  a [31mb\n");
    }
}
