//! The clips of a result, by their ids.

use crate::json;

/// The most clips of one result that are known by their id. Real ones have two to a handful.
const MOST: usize = 64;

/// The longest id of a clip, in bytes.
const LONGEST: usize = 255;

/// Whether `id` may be the id of a clip: 1 to 255 bytes without control characters.
pub fn is_id(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && !id.contains(char::is_control)
}

/// The ids of the clips of a result (JSON), each once. Lyrics, and results that are no array, have none.
pub fn ids(result: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for clip in json::items(result.as_bytes()).unwrap_or_default() {
        let id = json::member(clip, "id").and_then(json::text);
        let id = id.map(|id| id.trim().to_owned()).filter(|id| is_id(id));
        ids.extend(id.filter(|id| !ids.contains(id)));
        if ids.len() == MOST {
            break;
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_have_ids_and_everything_else_has_none() {
        for (result, expected) in [
            (
                r#"[{"id":"a","metadata":{"history":[{"id":"z"}]}},{"id":"b"}]"#,
                &["a", "b"][..],
            ),
            (r#"[{"id":" a "},{"id":"a"},{"id":7}]"#, &["a", "7"]),
            (r#"[{"id":""},{"id":null},{"id":"a\nb"},{"x":1},5]"#, &[]),
            (r#"{"id":"a","text":"words"}"#, &[]),
            (r#""https://cdn.example.com/a.wav""#, &[]),
            ("", &[]),
        ] {
            assert_eq!(ids(result), expected, "{result}");
        }
    }

    #[test]
    fn both_ids_and_their_number_are_bounded() {
        let clips: Vec<String> = (0..100).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        assert_eq!(ids(&format!("[{}]", clips.join(","))).len(), MOST);
        let long = "x".repeat(LONGEST + 1);
        assert!(ids(&format!(r#"[{{"id":"{long}"}}]"#)).is_empty());
    }
}
