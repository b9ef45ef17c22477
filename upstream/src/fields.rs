//! The members of an object in an upstream's answer.

use std::borrow::Cow;

use serde_json::Value;
use shared::clock::Millis;
use shared::json;
use shared::task::step::Finish;

/// The members of an object by name. Of a name that occurs twice, the last counts.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a [u8])>);

impl<'a> Fields<'a> {
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        json::members(json).map(Self)
    }

    /// The value, unless it is `null`.
    pub(crate) fn value(&self, name: &str) -> Option<&'a [u8]> {
        json::last(&self.0, name).filter(|value| *value != b"null")
    }

    /// Whether there is a member of this name, `null` too.
    pub(crate) fn has(&self, name: &str) -> bool {
        json::last(&self.0, name).is_some()
    }

    /// The text without white space around it, or the digits of a number; `None` if it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = json::text(self.value(name)?)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// When a task ended, and how long it took: two moments by the upstream's clock.
    pub(crate) fn finish(&self, began: &str, ended: &str) -> Option<Finish> {
        let moment = |name| moment(&self.text(name)?);
        let at = moment(ended)?;
        let took = moment(began).map(|from| at.since(from));
        Some(Finish {
            at,
            took: took.filter(|took| !took.is_zero()),
        })
    }

    /// The words of a refusal, where gateways put them: `message`, `error.message`, `error`, `detail`,
    /// `msg`, `fail_reason`.
    pub(crate) fn words(&self) -> Option<String> {
        let of_error = || Self::read(self.value("error")?)?.text("message");
        self.text("message")
            .or_else(of_error)
            .or_else(|| self.text("error"))
            .or_else(|| self.text("detail"))
            .or_else(|| words_of_list(self.value("detail")?))
            .or_else(|| self.text("msg"))
            .or_else(|| self.text("fail_reason"))
    }
}

/// Unix seconds, or milliseconds as some gateways print them. 0 means that the moment has not come.
fn moment(number: &str) -> Option<Millis> {
    /// In seconds this is in the year 5138, in milliseconds in 1973.
    const MILLIS_FROM: i64 = 100_000_000_000;
    let (whole, _) = number.split_once('.').unwrap_or((number, ""));
    match whole.parse().ok()? {
        ..=0 => None,
        seconds @ ..MILLIS_FROM => Some(Millis(seconds * 1000)),
        millis => Some(Millis(millis)),
    }
}

/// A value, whatever is wrong with it: what does not read is a text, and all around it stays. A value that is nested too
/// deep is one text.
pub(crate) fn repaired(json: &[u8]) -> Value {
    let text = || String::from_utf8_lossy(json).into();
    if json::is_too_deep(json) {
        return text();
    }
    let read = json::repaired(json).and_then(|json| serde_json::from_str(json.get()).ok());
    if let Some(value) = read {
        return value;
    }
    // No deeper than what is too deep.
    if let Some(members) = json::members(json) {
        let members = members.into_iter();
        let members = members.map(|(name, value)| (name.into_owned(), repaired(value)));
        return Value::Object(members.collect());
    }
    let items = json::items(json).map(|items| items.into_iter().map(repaired).collect());
    items.map_or_else(text, Value::Array)
}

/// Whether a text is an address that can be opened.
pub(crate) fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The words of a list of faults: texts, or objects with `msg` or `message`.
fn words_of_list(json: &[u8]) -> Option<String> {
    let words = |item: &&[u8]| {
        let words = json::text(item).or_else(|| Fields::read(item)?.words());
        words.filter(|words| !words.trim().is_empty())
    };
    let words: Vec<String> = json::items(json)?.iter().filter_map(words).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_read_is_a_text_and_all_around_it_stays() {
        for (from, to) in [
            (r#"{"id":"7","x":{"a"}}"#, json!({"id": "7", "x": {}})),
            (
                r#"{"id":"7","x":[1,{"y":{"a":}}]}"#,
                json!({"id": "7", "x": [1, {"y": {"a": ""}}]}),
            ),
            ("[1 2", json!("[1 2")),
            ("{\"a\":\"two\nlines\"}", json!({"a": "two\nlines"})),
        ] {
            assert_eq!(repaired(from.as_bytes()), to, "{from}");
        }
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(repaired(deep.as_bytes()), Value::String(deep));
    }
}
