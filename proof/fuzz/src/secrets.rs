use serde_json::Value;
use shared::secret::Secret;
use shared::task::scrub::Scrub;

const ADDRESS: &str = "http://10.0.0.7:8000/v1";

/// Hiding a channel's key and address. The first byte is the length of the key, which follows; the
/// rest is what an upstream says.
pub fn scrub(bytes: &[u8]) {
    let Some((key, said)) = key_and_text(bytes) else {
        return;
    };
    let scrub = Scrub::channel(ADDRESS, &Secret::new(key));
    for shown in [scrub.clean(&said), scrub.reason(&said)] {
        assert_hidden(key, &shown);
    }
    let reason = scrub.reason(&said);
    assert!(reason.chars().count() <= 501 && !reason.contains(char::is_control));
    let json = scrub.json(&said);
    assert_eq!(scrub.json(&json), json, "once is enough");
    if let Ok(before) = serde_json::from_str::<Value>(&said) {
        let after = serde_json::from_str(&json).expect("what was JSON stays JSON");
        assert_same_form(&before, &after);
        assert_strings_hidden(key, &after);
    }
}

/// A key is printable ASCII, as the command line takes it; shorter than four it would stand in
/// innocent words, and is not hidden.
fn key_and_text(bytes: &[u8]) -> Option<(&str, String)> {
    let (length, rest) = bytes.split_first()?;
    let (key, said) = rest.split_at_checked(usize::from(*length))?;
    let is_key = key.len() >= 4 && key.iter().all(u8::is_ascii_graphic);
    let key = std::str::from_utf8(key).ok().filter(|_| is_key)?;
    Some((key, String::from_utf8_lossy(said).into_owned()))
}

fn assert_hidden(key: &str, shown: &str) {
    for hidden in [key, ADDRESS, "10.0.0.7"] {
        assert!(!shown.contains(hidden), "{shown:?} shows {hidden:?}");
    }
}

fn assert_strings_hidden(key: &str, value: &Value) {
    match value {
        Value::String(text) => assert_hidden(key, text),
        Value::Array(items) => items
            .iter()
            .for_each(|item| assert_strings_hidden(key, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            assert_hidden(key, name);
            assert_strings_hidden(key, field);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Strings may be others; nothing else may.
fn assert_same_form(before: &Value, after: &Value) {
    match (before, after) {
        (Value::String(_), Value::String(_)) => {}
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            let both = before.iter().zip(after);
            both.for_each(|(before, after)| assert_same_form(before, after));
        }
        // Names that are hidden may meet.
        (Value::Object(before), Value::Object(after)) => assert!(after.len() <= before.len()),
        (before, after) => assert_eq!(before, after),
    }
}
