//! Keeps our secrets out of upstreams' texts (`docs/upstreams/README.md`, "Secrets").

use std::borrow::Cow;

use serde_json::Value;

use crate::json::{decoded, string_length};
use crate::secret::Secret;

/// Texts that must never reach a client inside an upstream's answer.
#[derive(Debug, Clone, Default)]
pub struct Scrub {
    hidden: Vec<Secret>,
    /// Texts of under 4 bytes, which other words contain: they are hidden in a reason only, as whole words.
    short: Vec<Secret>,
}

/// The longest reason of an upstream that we keep, in characters.
const LONGEST_REASON: usize = 500;

impl Scrub {
    /// Hides a channel's key, and its address with and without the scheme.
    pub fn channel(base_url: &str, key: &Secret) -> Self {
        let address = base_url.trim_end_matches('/');
        let without_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
        let authority = without_scheme.split('/').next().unwrap_or_default();
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let mut hidden = Self::default();
        // The longest first: after a shorter one was hidden, the rest of the longer would remain.
        for text in [key.expose(), address, without_scheme, authority, host] {
            hidden = hidden.and(text);
        }
        hidden
    }

    /// Also hides `text`. A text of under 4 bytes is hidden only where it is a whole word of a reason.
    #[must_use]
    pub fn and(mut self, text: &str) -> Self {
        match text.len() {
            0 => {}
            1..4 => self.short.push(Secret::new(text)),
            _ => self.hidden.push(Secret::new(text)),
        }
        self
    }

    /// JSON with the hidden texts replaced in its strings and field names, however they are escaped. All
    /// other bytes stay as they are, so that a paid result is never broken.
    pub fn json(&self, json: &str) -> String {
        // Mostly there is nothing to hide. One search of the whole text proves that for all strings without
        // escapes.
        let nothing_shows = (self.hidden.iter()).all(|secret| !json.contains(secret.expose()));
        if nothing_shows && !self.may_be_escaped_in(json) {
            return json.to_owned();
        }
        let mut clean = String::with_capacity(json.len());
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            let (between, from_string) = rest.split_at(start);
            let length = string_length(from_string.as_bytes()).unwrap_or(from_string.len());
            let (string, after) = from_string.split_at(length);
            clean.push_str(between);
            if nothing_shows && !string.contains('\\') {
                clean.push_str(string);
            } else {
                clean.push_str(&self.json_string(string));
            }
            rest = after;
        }
        clean.push_str(rest);
        clean
    }

    /// Whether an escape in `json` may stand for a part of a secret: any escape but one of a control
    /// character, unless a secret has one.
    fn may_be_escaped_in(&self, json: &str) -> bool {
        let mut after_escapes = json.split('\\').skip(1);
        let only_control = after_escapes.all(|after| after.starts_with(['n', 'r', 't', 'b', 'f']));
        !only_control
            || (self.hidden.iter()).any(|secret| secret.expose().contains(char::is_control))
    }

    fn json_string<'a>(&self, string: &'a str) -> Cow<'a, str> {
        let said = decoded(string);
        let clean = self.clean(&said);
        if clean == said {
            Cow::Borrowed(string)
        } else {
            Cow::Owned(Value::String(clean).to_string())
        }
    }

    /// `text` with the hidden texts replaced by `…`.
    pub fn clean(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "…")
        })
    }

    fn without_short(&self, text: &str) -> String {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_part) {
            let (between, from_word) = rest.split_at(start);
            let length = from_word.find(|c| !is_part(c)).unwrap_or(from_word.len());
            let (word, after) = from_word.split_at(length);
            clean.push_str(between);
            let is_hidden = self.short.iter().any(|secret| secret.expose() == word);
            clean.push_str(if is_hidden { "…" } else { word });
            rest = after;
        }
        clean + rest
    }

    /// A reason to store and show: cleaned, on one line, at most 500 characters.
    pub fn reason(&self, text: &str) -> String {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>();
        let clean = self.without_short(&self.clean(line.trim()));
        match clean.char_indices().nth(LONGEST_REASON) {
            Some((end, _)) => format!("{}…", &clean[..end]),
            None => clean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_addresses_and_upstream_ids_do_not_show() {
        let scrub =
            Scrub::channel("http://10.0.0.7:8000/v1/", &Secret::new("sk-upstream")).and("7c0d0c2e");
        let said = "sk-upstream refused at http://10.0.0.7:8000/v1/suno (10.0.0.7) for 7c0d0c2e";
        let shown = scrub.reason(said);
        for hidden in ["sk-upstream", "10.0.0.7", "7c0d0c2e"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn hiding_touches_the_strings_of_json_and_nothing_else() {
        let scrub = Scrub::default().and("1234");
        let hidden = scrub.json(r#"{"id": 1234, "b":[1.00e+2,"say 1234"],"a":"\ud83c"}"#);
        let expected = r#"{"id": 1234, "b":[1.00e+2,"say …"],"a":"\ud83c"}"#;
        assert_eq!(hidden, expected);
    }

    #[test]
    fn nothing_is_hidden_by_how_json_is_written() {
        let scrub = Scrub::default().and("sk-up/st\"ream");
        for said in [
            r#"["sk-up/st\"ream"]"#,
            r#"["sk-up\/st\"ream"]"#,
            r#"["\u0073k-up/st\u0022ream"]"#,
            r#"{"sk-up/st\"ream":[]}"#,
            r#"["sk-up\/st\"ream \ud83c"]"#,
        ] {
            let shown = scrub.json(said);
            assert!(shown.contains('…') && !shown.contains("ream"), "{shown}");
        }
        let (open, close) = ("[".repeat(500), "]".repeat(500));
        let deep = format!(r#"{open}"sk-up\/st\"ream"{close}"#);
        assert!(!scrub.json(&deep).contains("ream"));
        let odd = Scrub::default().and("up\nstream");
        assert_eq!(odd.json(r#"["up\nstream"]"#), r#"["…"]"#);
    }

    #[test]
    fn lyrics_stay_as_they_are() {
        let scrub = Scrub::default().and("sk-upstream");
        for said in [r#"["la\nla\tla"]"#, r#"["la \"la\" \\n \ud83c"]"#] {
            assert_eq!(scrub.json(said), said);
        }
    }

    #[test]
    fn a_short_id_is_hidden_as_a_whole_word_of_a_reason() {
        let scrub = Scrub::default().and("101").and("");
        let reason = "task 101 failed: 1010 Hz, see x-101, (101).";
        let expected = "task … failed: 1010 Hz, see x-101, (…).";
        assert_eq!(scrub.reason(reason), expected);
        assert_eq!(scrub.json(r#"{"bpm":"101"}"#), r#"{"bpm":"101"}"#);
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let shown = Scrub::default().reason(&format!("a\0b\n{}", "é".repeat(10_000)));
        assert!(shown.starts_with("a b ") && shown.chars().count() == LONGEST_REASON + 1);
    }
}
