//! Reads JSON that others wrote badly. Nothing here recurses, so deep nesting cannot exhaust the stack.
//!
//! A raw newline in a title, `NaN`, half of a surrogate pair or a byte that is not UTF-8 makes a strict
//! parser reject the whole text. [`items`] and [`members`] split a text by its brackets, commas and quotes
//! alone, so that such a value harms only itself. [`repaired`] makes the value valid.

mod canonical;

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

pub use self::canonical::canonical;

/// The deepest nesting of arrays and objects that is forwarded, stored and shown
/// (`docs/contract.md`, "Making music"). Parsers in common use fail at some hundreds of levels.
pub const MOST_DEPTH: usize = 64;

/// The items of an array, unparsed. `None` if `json` is not an array, or its brackets do not match.
pub fn items(json: &[u8]) -> Option<Vec<&[u8]>> {
    parts(json, b'[')
}

/// The names and values of an object, the values unparsed, in their order. A name may occur twice, and a
/// member without a name is left out. `None` if `json` is not an object, or its brackets do not match.
pub fn members(json: &[u8]) -> Option<Vec<(Cow<'_, str>, &[u8])>> {
    let parts = parts(json, b'{')?.into_iter();
    let members = parts.filter_map(|part| {
        let (name, rest) = part.split_at(string_length(part)?);
        let value = rest.trim_ascii_start().strip_prefix(b":")?;
        Some((name_of(name), value.trim_ascii()))
    });
    Some(members.collect())
}

/// The value of the member `name`, unparsed. Of a name that occurs twice, the last counts.
pub fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    last(&members(json)?, name)
}

/// [`member`] of an object that is split already.
pub fn last<'a>(members: &[(Cow<'a, str>, &'a [u8])], name: &str) -> Option<&'a [u8]> {
    let mut members = members.iter().rev();
    members
        .find(|(known, _)| known == name)
        .map(|(_, value)| *value)
}

/// The value of a member's name. Mostly it stands there as it is.
fn name_of(string: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(string) {
        Ok(name) if !name.contains('\\') => Cow::Borrowed(unquoted(name)),
        _ => Cow::Owned(decoded(&String::from_utf8_lossy(string))),
    }
}

/// The parts between the commas of an array or an object, which begins with `open`.
fn parts(json: &[u8], open: u8) -> Option<Vec<&[u8]>> {
    // A byte order mark is no JSON, but some servers write one.
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let inner = json.trim_ascii().strip_prefix(&[open])?;
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    loop {
        match *inner.get(at)? {
            b'"' => at += string_length(&inner[at..])? - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            end @ (b',' | b']' | b'}') if depth == 0 => {
                let part = inner[start..at].trim_ascii();
                if !part.is_empty() {
                    parts.push(part);
                }
                start = at + 1;
                if end != b',' {
                    // `[` and `{` come two before `]` and `}` in ASCII.
                    return (end == open + 2 && start == inner.len()).then_some(parts);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The text of a string, and the digits of a number as they stand. `None` for any other value.
pub fn text(json: &[u8]) -> Option<String> {
    match json.first()? {
        b'"' if string_length(json) == Some(json.len()) => {
            Some(decoded(&String::from_utf8_lossy(json)))
        }
        b'-' | b'0'..=b'9' => Some(String::from_utf8_lossy(json).into_owned()),
        _ => None,
    }
}

/// What makes a text of a client unfit to be stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The NUL character: databases refuse it.
    Nul,
    /// Half of a surrogate pair: it is no character, and many parsers refuse it.
    Surrogate,
}

/// The first flaw of a string or a name anywhere in `json`, which is valid.
pub fn flaw(json: &[u8]) -> Option<Flaw> {
    let mut rest = json;
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let length = string_length(&rest[start..])?;
        let (string, after) = rest[start..].split_at(length);
        if string.contains(&b'\\') {
            let units = units(&String::from_utf8_lossy(string));
            if units.contains(&0) {
                return Some(Flaw::Nul);
            }
            if char::decode_utf16(units).any(|unit| unit.is_err()) {
                return Some(Flaw::Surrogate);
            }
        }
        rest = after;
    }
    None
}

/// Whether arrays and objects are nested deeper than [`MOST_DEPTH`].
pub fn is_too_deep(json: &[u8]) -> bool {
    // Mostly there are not even so many brackets.
    let mut brackets = memchr::memchr2_iter(b'[', b'{', json);
    brackets.nth(MOST_DEPTH).is_some() && depth(json) > MOST_DEPTH
}

/// How deep arrays and objects are nested: 0 for a text or a number, 1 for `[]`.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at += string_length(&json[at..]).map_or(json.len(), |length| length - 1),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// `json`, valid: bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, raw control
/// characters are escaped, `NaN` and infinities become `null`, and other words become strings. Every other
/// byte stays. `None` if the brackets or commas are wrong too.
pub fn repaired(json: &[u8]) -> Option<Box<RawValue>> {
    let text = String::from_utf8_lossy(json);
    if let Cow::Borrowed(text) = &text
        && !has_surrogate(text)
        && let Ok(valid) = serde_json::from_str::<&RawValue>(text)
    {
        return Some(valid.to_owned());
    }
    RawValue::from_string(rewritten(&text)).ok()
}

/// Whether an escape in `json` may be half of a surrogate pair.
fn has_surrogate(json: &str) -> bool {
    let mut escapes = memchr::memchr_iter(b'\\', json.as_bytes());
    escapes.any(|at| matches!(json.as_bytes().get(at + 1..at + 3), Some(b"ud" | b"uD")))
}

fn rewritten(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest.as_bytes()).unwrap_or(rest.len()),
            '[' | ']' | '{' | '}' | ':' | ',' => 1,
            _ => rest
                .find(['"', '[', ']', '{', '}', ':', ','])
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        let word = token.trim();
        match first {
            '"' if serde_json::from_str::<String>(token).is_ok() => written.push_str(token),
            '"' => written.push_str(&Value::String(decoded(token)).to_string()),
            _ if length == 1 || word.is_empty() => written.push_str(token),
            _ if serde_json::from_str::<IgnoredAny>(word).is_ok() => written.push_str(word),
            _ if is_no_number(word) => written.push_str("null"),
            _ => written.push_str(&Value::String(word.to_owned()).to_string()),
        }
        rest = after;
    }
    written
}

/// `NaN`, `Infinity`, `-Infinity`.
fn is_no_number(word: &str) -> bool {
    word.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// The length in bytes of the string at the start of `json`, with its quotes. `None` if there is none, or
/// it does not end.
pub(crate) fn string_length(json: &[u8]) -> Option<usize> {
    let mut at = 1;
    if json.first() != Some(&b'"') {
        return None;
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        // An escape, and what it escapes.
        at += 2;
    }
}

/// The value of a string. Half of a surrogate pair becomes U+FFFD, not an error: some upstreams cut titles
/// in the middle of a character.
pub(crate) fn decoded(string: &str) -> String {
    if string.contains('\\') {
        return String::from_utf16_lossy(&units(string));
    }
    unquoted(string).to_owned()
}

fn unquoted(string: &str) -> &str {
    let inner = string.strip_prefix('"').unwrap_or(string);
    inner.strip_suffix('"').unwrap_or(inner)
}

/// The value of a string in UTF-16, in which half of a surrogate pair can stand.
fn units(string: &str) -> Vec<u16> {
    let inner = unquoted(string);
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        let escape = rest.as_bytes().get(1).copied().filter(|_| c == '\\');
        let digits = rest.get(2..6).filter(|_| escape == Some(b'u'));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let (c, length) = match (unit, escape) {
            (Some(unit), _) => {
                units.push(unit);
                rest = &rest[6..];
                continue;
            }
            (None, Some(escape @ (b'"' | b'\\' | b'/'))) => (char::from(escape), 2),
            (None, Some(b'b')) => ('\u{8}', 2),
            (None, Some(b'f')) => ('\u{c}', 2),
            (None, Some(b'n')) => ('\n', 2),
            (None, Some(b'r')) => ('\r', 2),
            (None, Some(b't')) => ('\t', 2),
            (None, _) => (c, c.len_utf8()),
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        rest = &rest[length..];
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: Option<Vec<&[u8]>>) -> Option<Vec<String>> {
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        parts.map(|parts| parts.into_iter().map(text).collect())
    }

    #[test]
    fn an_array_splits_whatever_its_items_hold() {
        for (json, expected) in [
            ("[]", vec![]),
            (" [ 1 , \"a,]\\\"\" ] ", vec!["1", "\"a,]\\\"\""]),
            (
                "\u{feff}[NaN,[1,{\"a\":[2]}]]",
                vec!["NaN", "[1,{\"a\":[2]}]"],
            ),
            ("[\"a\nb\",2,]", vec!["\"a\nb\"", "2"]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(texts(items(json.as_bytes())), Some(expected), "{json}");
        }
        assert_eq!(items(b"[\xff]").map(|items| items.len()), Some(1));
        for json in ["", "{}", "[", "[1", "[\"a]", "[1}", "[]]", "[][]", "7"] {
            assert!(items(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn an_object_splits_into_names_and_values() {
        let json = br#"{ "a" : 1, "\u0062":"x:y" , "a":{"c":[]}, 7, "d" }"#;
        let members = members(json).expect("it is an object");
        let members: Vec<(&str, &str)> = members
            .iter()
            .map(|(name, value)| (name.as_ref(), str::from_utf8(value).unwrap_or_default()))
            .collect();
        let expected = [("a", "1"), ("b", "\"x:y\""), ("a", "{\"c\":[]}")];
        assert_eq!(members, expected);
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (json, expected) in [
            ("7", 0),
            ("[]", 1),
            (r#"{"a":[[]],"b":[]}"#, 3),
            (r#"["[[[", "\"[["]"#, 1),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(depth(deep.as_bytes()), 1_000_000);
        assert!(items(deep.as_bytes()).is_none());
    }

    #[test]
    fn broken_values_become_valid_and_others_stay_as_they_are() {
        for (json, expected) in [
            (&b" [1.00e+2, \"\\u00e9\"] "[..], "[1.00e+2, \"\\u00e9\"]"),
            (b"{\"title\":\"a\nb\tc\0\"}", r#"{"title":"a\nb\tc\u0000"}"#),
            (b"[NaN,Infinity,-Infinity, 1]", "[null,null,null,1]"),
            (b"[\"\\ud83c\"]", "[\"\u{fffd}\"]"),
            (b"[\"\\ud83c\\udfb5\"]", "[\"\\ud83c\\udfb5\"]"),
            (b"[\"\xff\"]", "[\"\u{fffd}\"]"),
            (b"[01,None,\"\\x\"]", r#"["01","None","\\x"]"#),
        ] {
            let repaired = repaired(json).map(|raw| raw.get().to_owned());
            assert_eq!(repaired.as_deref(), Some(expected));
        }
        for json in ["", "[1", "[1 2]{}", "{\"a\"}"] {
            assert!(repaired(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn flaws_are_found_in_every_string() {
        for (json, expected) in [
            (r#"{"a":"\u0000"}"#, Some(Flaw::Nul)),
            (r#"{"a":[{"b\u0000":1}]}"#, Some(Flaw::Nul)),
            (r#"["\ud83c"]"#, Some(Flaw::Surrogate)),
            (r#"["\udfb5\ud83c"]"#, Some(Flaw::Surrogate)),
            (r#"["\ud83c\udfb5","\\u0000","\\ud83c",0]"#, None),
        ] {
            assert_eq!(flaw(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn a_text_is_a_string_or_a_number() {
        assert_eq!(text(b"\"a\\u0062\"").as_deref(), Some("ab"));
        assert_eq!(text(b"101").as_deref(), Some("101"));
        for json in ["", "null", "true", "[]", "{}", "\"a", "\"a\"b"] {
            assert_eq!(text(json.as_bytes()), None, "{json}");
        }
    }
}
