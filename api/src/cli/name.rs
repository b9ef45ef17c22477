//! The rules of names and labels. They appear in logs, tables and messages.

/// The longest name, in characters.
const LONGEST: usize = 64;

/// Reads a name: 1 to 64 printable characters, with no space at either end.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let count = text.chars().count();
    if count == 0 || count > LONGEST {
        return Err(format!("it takes 1 to {LONGEST} characters, not {count}"));
    }
    if text.trim() != text {
        return Err("it takes no spaces at its ends".to_owned());
    }
    if !is_printable(text) {
        return Err("it takes printable characters only".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether `escape_debug` leaves `text` as it is, quotes and backslashes aside: it escapes control,
/// invisible and undefined characters, and all white space but the plain space.
fn is_printable(text: &str) -> bool {
    let plain = text.replace(['\\', '"', '\''], "");
    plain.escape_debug().eq(plain.chars())
}

/// Warns of each of `others` that a person could take for `name`, which was just given to a user, a channel or a key.
pub(super) fn warn_of_look_alikes<'a>(
    kind: &str,
    name: &str,
    others: impl Iterator<Item = &'a str>,
) {
    let seen = as_seen(name);
    for other in others.filter(|other| *other != name && as_seen(other) == seen) {
        tracing::warn!("the {kind} `{name}` looks like the {kind} `{other}`");
    }
}

/// What a person sees of a name: without case, spaces and the differences between letters that look alike
/// (Unicode Technical Standard 39).
fn as_seen(name: &str) -> String {
    let skeleton = unicode_security::skeleton(&name.to_lowercase()).collect::<String>();
    let letters = skeleton.chars().filter(|c| !c.is_whitespace());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_seen_alike() {
        // Cyrillic letters, a full-width letter, digits for letters, spaces, an accent in two spellings.
        for (name, other) in [
            ("alice", "Alice"),
            ("alice", "аliсе"),
            ("alice", "a lice"),
            ("alice", "ａlice"),
            ("bob", "b0b"),
            ("paul", "pau1"),
            ("é", "e\u{301}"),
            ("小明", "小 明"),
        ] {
            assert_eq!(as_seen(name), as_seen(other), "{name} {other}");
        }
        for (name, other) in [("alice", "alicia"), ("a-b", "ab"), ("小明", "小民")] {
            assert_ne!(as_seen(name), as_seen(other), "{name} {other}");
        }
    }

    #[test]
    fn names_are_printable_and_of_bounded_length() {
        for name in ["a", "小明 的 key", "O'Hara \"x\" \\", &"字".repeat(64)] {
            assert_eq!(parse(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            " a",
            "a ",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{200b}b",
            "a\u{202e}b",
            "\u{3000}",
            &"x".repeat(65),
        ] {
            assert!(parse(name).is_err(), "{name:?}");
        }
    }
}
