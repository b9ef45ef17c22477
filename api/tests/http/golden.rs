//! Answers compared with files, byte for byte. `UPDATE_GOLDEN=1` writes the files anew; look at the
//! difference before you keep it.

use std::path::Path;

/// Compares `text` with `tests/golden/<name>`.
pub fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "this is not {}", path.display());
}

/// JSON over several lines, with every byte that is not white space between tokens as it was: the
/// order of fields and the digits of numbers included.
pub fn pretty(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            out.push(c);
            continue;
        }
        match c {
            '{' | '[' if matches!(rest.peek(), Some('}' | ']')) => out.push(c),
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' if out.ends_with(['{', '[']) => out.push(c),
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

#[test]
fn pretty_json_keeps_order_digits_and_what_is_in_strings() {
    let json = r#"{"b":1.00,"a":[{},[],"x,{\"}\\"]}"#;
    let expected =
        "{\n  \"b\": 1.00,\n  \"a\": [\n    {},\n    [],\n    \"x,{\\\"}\\\\\"\n  ]\n}\n";
    assert_eq!(pretty(json), expected);
}
