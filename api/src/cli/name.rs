//! What names and labels must be: they stand in logs, tables and messages.

/// The most characters of a name.
const LONGEST: usize = 64;

/// A name of 1 to 64 printable characters, without spaces around it.
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

/// Whether `text` would be debugged as it stands, its quotes and backslashes aside: what is escaped
/// there (controls, other spaces than the plain one, invisible and undefined characters) would not
/// show.
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
