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

/// A value, whatever is wrong with it.
pub(crate) fn repaired(json: &[u8]) -> Value {
    let read = json::repaired(json).and_then(|json| serde_json::from_str(json.get()).ok());
    read.unwrap_or_else(|| String::from_utf8_lossy(json).into())
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
