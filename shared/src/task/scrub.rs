//! Our secrets kept out of what upstreams say (`suno-upstream.md`, the row on keys and addresses).

use serde_json::Value;

use crate::secret::Secret;

/// What must never reach a client through an upstream's words.
#[derive(Debug, Clone, Default)]
pub struct Scrub {
    hidden: Vec<Secret>,
}

/// The most characters of an upstream's reason that we keep.
const LONGEST_REASON: usize = 500;

impl Scrub {
    /// Hides a channel's key and its address, with and without the scheme.
    pub fn channel(base_url: &str, key: &Secret) -> Self {
        let address = base_url.trim_end_matches('/');
        let without_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
        let authority = without_scheme.split('/').next().unwrap_or_default();
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let mut hidden = Self::default();
        // The longest first: what is left of a shorter one would still tell.
        for text in [key.expose(), address, without_scheme, authority, host] {
            hidden = hidden.and(text);
        }
        hidden
    }

    /// Hides `text` too, unless it is so short that it would stand in innocent words.
    #[must_use]
    pub fn and(mut self, text: &str) -> Self {
        if text.len() >= 4 {
            self.hidden.push(Secret::new(text));
        }
        self
    }

    /// JSON without what must not show, in its strings alone: hiding something must not break a
    /// result that somebody paid for. Untouched, byte for byte, if nothing is to be hidden.
    pub fn json(&self, json: &str) -> String {
        let shows = |secret: &Secret| json.contains(secret.expose());
        if !self.hidden.iter().any(shows) {
            return json.to_owned();
        }
        match serde_json::from_str(json) {
            Ok(mut value) => {
                self.clean_strings(&mut value);
                value.to_string()
            }
            Err(_) => self.clean(json),
        }
    }

    fn clean_strings(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.clean(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_strings(item)),
            Value::Object(fields) => {
                fields
                    .values_mut()
                    .for_each(|field| self.clean_strings(field));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `text` without what must not show.
    pub fn clean(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "…")
        })
    }

    /// A reason fit to be stored and shown: cleaned, on one line, and not too long.
    pub fn reason(&self, text: &str) -> String {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>();
        let clean = self.clean(line.trim());
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
        assert!(
            !["sk-upstream", "10.0.0.7", "7c0d0c2e"]
                .iter()
                .any(|hidden| shown.contains(hidden)),
            "{shown}"
        );
    }

    #[test]
    fn hiding_touches_the_strings_of_json_and_nothing_else() {
        let scrub = Scrub::default().and("1234");
        let hidden = scrub.json(r#"{"1234":1234,"text":["say 1234"]}"#);
        assert_eq!(hidden, r#"{"1234":1234,"text":["say …"]}"#);
        let clean = r#"{"seed": 1.00e+2}"#;
        assert_eq!(scrub.json(clean), clean);
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let shown = Scrub::default().reason(&format!("a\0b\n{}", "é".repeat(10_000)));
        assert!(shown.starts_with("a b ") && shown.chars().count() == LONGEST_REASON + 1);
    }
}
