//! One text for all spellings of the same JSON.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Flaw, decoded, flaw, is_too_deep, string_length};

/// An array or an object that is being read; its values are canonical.
enum Open {
    Array(Vec<String>),
    Object {
        members: BTreeMap<String, String>,
        /// The name whose value comes next.
        name: Option<String>,
    },
}

impl Open {
    fn add(&mut self, value: String) {
        match self {
            Self::Array(values) => values.push(value),
            Self::Object { members, name } => {
                members.insert(name.take().unwrap_or_default(), value);
            }
        }
    }

    fn close(self) -> String {
        match self {
            Self::Array(values) => format!("[{}]", values.join(",")),
            Self::Object { members, .. } => {
                let member = |(name, value)| format!("{}:{value}", quoted(name));
                let members: Vec<String> = members.into_iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}

/// One text for all JSON that has the same value as `json`. Members are sorted by their names, there is no
/// white space, and each character of a string is spelled in one way. Of two members with one name, the last
/// counts. A number stays as it is written: `1` differs from `1.0`, and no digit is lost.
///
/// `None` if `json` is not valid, holds half of a surrogate pair, or is nested deeper than
/// [`super::MOST_DEPTH`].
pub fn canonical(json: &[u8]) -> Option<String> {
    let text = str::from_utf8(json).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    if is_too_deep(json) || flaw(json) == Some(Flaw::Surrogate) {
        return None;
    }
    let mut outer: Vec<Open> = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest.as_bytes())?,
            '[' | ']' | '{' | '}' | ':' | ',' => 1,
            _ => rest.find([',', ']', '}']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        rest = after.trim_ascii_start();
        let value = match (first, outer.last_mut()) {
            (':' | ',', _) => continue,
            ('[', _) => {
                outer.push(Open::Array(Vec::new()));
                continue;
            }
            ('{', _) => {
                outer.push(Open::Object {
                    members: BTreeMap::new(),
                    name: None,
                });
                continue;
            }
            (
                '"',
                Some(Open::Object {
                    name: name @ None, ..
                }),
            ) => {
                *name = Some(decoded(token));
                continue;
            }
            ('"', _) => quoted(decoded(token)),
            (']' | '}', _) => outer.pop()?.close(),
            _ => token.trim_ascii_end().to_owned(),
        };
        match outer.last_mut() {
            Some(container) => container.add(value),
            None => return Some(value),
        }
    }
    None
}

fn quoted(text: String) -> String {
    Value::String(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::MOST_DEPTH;
    use super::*;

    #[test]
    fn order_spacing_and_escapes_do_not_matter() {
        let expected = r#"{"a":"A/é\n\"","b":[1,{"c":null,"d":true}]}"#;
        for json in [
            r#"{"a":"A/é\n\"","b":[1,{"c":null,"d":true}]}"#,
            r#"{"b":[1,{"d":true,"c":null}],"a":"A/é\n\""}"#,
            " { \"b\" :\n[ 1 ,{ \"d\":true , \"c\" : null } ],\t\"a\": \"A/é\\n\\\"\" } ",
            r#"{"\u0061":"\u0041\/\u00e9\u000A\u0022","b":[1,{"c":null,"d":true}]}"#,
        ] {
            assert_eq!(canonical(json.as_bytes()).as_deref(), Some(expected));
        }
        let note = canonical(r#""\ud83c\udfb5""#.as_bytes());
        assert_eq!(note.as_deref(), Some(r#""🎵""#));
    }

    #[test]
    fn values_that_differ_stay_different() {
        let values = [
            "1",
            "1.0",
            "1e0",
            "-1",
            "123456789012345678901",
            "123456789012345678902",
            "true",
            "null",
            r#""1""#,
            r#""null""#,
            r#""""#,
            r#""a\u0000""#,
            r#""a\\u0000""#,
            "[]",
            "{}",
            "[[]]",
            "[1,2]",
            "[2,1]",
            "[12]",
            "[[1],2]",
            "[[1,2]]",
            r#"["1,2"]"#,
            r#"{"a":"b"}"#,
            r#"["a","b"]"#,
            r#"{"a":null}"#,
            r#"{"A":"b"}"#,
            r#"{"a":{"b":1},"c":1}"#,
            r#"{"a":{"b":1,"c":1}}"#,
        ];
        let texts: Vec<_> = values.map(|json| canonical(json.as_bytes())).into();
        assert!(texts.iter().all(Option::is_some), "{texts:?}");
        for (n, text) in texts.iter().enumerate() {
            assert!(!texts[..n].contains(text), "{text:?} comes twice");
        }
    }

    #[test]
    fn of_members_of_the_same_name_the_last_one_counts() {
        let json = br#"{"a":1,"b":2,"\u0061":[3]}"#;
        assert_eq!(canonical(json).as_deref(), Some(r#"{"a":[3],"b":2}"#));
    }

    #[test]
    fn a_canonical_text_is_its_own() {
        for json in [r#"{"b":"\u0007\u007f\u2028/","a":[-0,1.50E+3,{}]}"#, " 7 "] {
            let once = canonical(json.as_bytes()).expect("it is valid");
            assert_eq!(canonical(once.as_bytes()), Some(once));
        }
    }

    #[test]
    fn what_is_broken_or_too_deep_has_none() {
        let deepest = format!("{}{}", "[".repeat(MOST_DEPTH), "]".repeat(MOST_DEPTH));
        assert_eq!(canonical(deepest.as_bytes()), Some(deepest.clone()));
        assert_eq!(canonical(format!("[{deepest}]").as_bytes()), None);
        assert_eq!(canonical("[".repeat(1_000_000).as_bytes()), None);
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(canonical(deep.as_bytes()), None);
        for json in [
            "",
            " ",
            "{",
            "[1,]",
            "{}{}",
            "NaN",
            r#"{"a"}"#,
            r#"["\ud83c"]"#,
        ] {
            assert_eq!(canonical(json.as_bytes()), None, "{json}");
        }
        assert_eq!(canonical(b"\"\xff\""), None);
    }
}
