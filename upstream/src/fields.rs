//! The members of an object in an upstream's answer.

use std::borrow::Cow;

use shared::json;

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

    /// The text without white space around it, or the digits of a number; `None` if it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = json::text(self.value(name)?)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
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

/// The words of a list of faults: texts, or objects with `msg` or `message`.
fn words_of_list(json: &[u8]) -> Option<String> {
    let words = |item: &&[u8]| {
        let words = json::text(item).or_else(|| Fields::read(item)?.words());
        words.filter(|words| !words.trim().is_empty())
    };
    let words: Vec<String> = json::items(json)?.iter().filter_map(words).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
