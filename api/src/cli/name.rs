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

#[cfg(test)]
mod tests {
    use super::*;

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
