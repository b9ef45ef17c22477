//! Mistakes in the configuration, as the operator reads them.

use std::fmt;

/// A mistake in one variable or in the file `.env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or `.env`.
    pub what: String,
    /// The mistake and the accepted values, as the rest of a sentence that starts with `what`.
    /// Holds no secret.
    pub why: String,
}

impl Mistake {
    /// A mistake in `what`.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.why)
    }
}

/// All mistakes in the configuration; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the configuration is not right: {one}"),
            many => {
                let count = many.len();
                write!(f, "{count} things in the configuration are not right:")?;
                let mut many = many.iter();
                many.try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

impl std::error::Error for Mistakes {}

/// `text` for a message: escaped, on one line, at most 80 characters.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let escaped = text.chars().flat_map(char::escape_debug);
    let line: String = escaped.take(MOST).collect();
    let is_cut = text.chars().count() > MOST;
    format!("`{line}{}`", if is_cut { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_one_line_and_many_are_a_list() {
        let (a, b) = (
            Mistake::new("A", "is not set"),
            Mistake::new("B", "holds `1`"),
        );
        let one = Mistakes(vec![a.clone()]).to_string();
        assert_eq!(one, "the configuration is not right: A is not set");
        let two = Mistakes(vec![a, b]).to_string();
        let list = "2 things in the configuration are not right:\n  A is not set\n  B holds `1`";
        assert_eq!(two, list);
    }

    #[test]
    fn what_is_shown_stays_on_one_line() {
        assert_eq!(shown("a\nb\u{7}"), "`a\\nb\\u{7}`");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 83);
    }
}
