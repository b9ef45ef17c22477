//! Reads an upstream's JSON. Upstreams are not trusted: a part that does not read is left out, and the
//! rest is kept.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::task::step::Observation;

/// The answer to a submit or a fetch.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    /// `success`, or the code of an error.
    #[serde(default)]
    code: Value,
    /// The error, for people.
    #[serde(default)]
    message: Value,
    /// The result.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads an answer; `None` if the body is not a JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        // serde would read an array as the fields in their order.
        let is_object = body.trim_ascii_start().starts_with(b"{");
        is_object.then(|| serde_json::from_slice(body).ok())?
    }

    /// Whether the upstream did what it was asked.
    pub fn is_success(&self) -> bool {
        self.code.as_str() == Some("success")
    }

    /// The code; empty if it is not a text.
    pub fn code(&self) -> &str {
        self.code.as_str().unwrap_or_default()
    }

    /// The message for people; the code if there is no message.
    pub fn message(&self) -> String {
        match self.message.as_str() {
            Some(message) if !message.trim().is_empty() => message.to_owned(),
            _ => self.code().to_owned(),
        }
    }

    /// The upstream's id of a task that it accepted.
    pub fn accepted_id(&self) -> Option<String> {
        let id = match serde_json::from_str(self.data?.get()).ok()? {
            Value::String(id) => id,
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        let sane = !id.is_empty() && id.len() <= 255 && !id.contains(char::is_control);
        sane.then_some(id)
    }

    /// What the upstream says about each task in `asked`; the first mention of a task counts. `None` if
    /// the data is not a list. No data is an empty list: some upstreams print none if they know no id.
    pub fn tasks(&self, asked: &[String]) -> Option<HashMap<String, Observation>> {
        let Some(data) = self.data.map(RawValue::get) else {
            return Some(HashMap::new());
        };
        let listed: Vec<&RawValue> = serde_json::from_str(data).ok()?;
        let mut tasks = HashMap::with_capacity(listed.len());
        for raw in listed {
            let Ok(task) = serde_json::from_str::<RawTask>(raw.get()) else {
                continue;
            };
            let Some(id) = task.task_id.as_str() else {
                continue;
            };
            if asked.iter().any(|asked| asked == id) && !tasks.contains_key(id) {
                tasks.insert(id.to_owned(), task.observation());
            }
        }
        Some(tasks)
    }
}

#[derive(Deserialize)]
struct RawTask<'a> {
    task_id: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    fail_reason: Value,
    #[serde(default)]
    progress: Value,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl RawTask<'_> {
    fn observation(&self) -> Observation {
        Observation {
            status: self.status.as_str().and_then(|status| status.parse().ok()),
            fail_reason: self.fail_reason.as_str().unwrap_or_default().to_owned(),
            progress: percent(&self.progress),
            // A result is an array of clips or an object of lyrics.
            data: self
                .data
                .filter(|data| data.get().starts_with(['[', '{']))
                .map(ToOwned::to_owned),
        }
    }
}

/// `"45%"`, `"45"` or `45`.
fn percent(progress: &Value) -> Option<u8> {
    match progress {
        Value::String(text) => text.trim().trim_end_matches('%').parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        _ => None,
    }
    .filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use shared::task::Status;

    use super::*;

    fn asked(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn an_answer_to_a_fetch_reads_as_the_dialect_prints_it() {
        let body = br#"{"code":"success","message":"","data":[
            {"task_id":"a","action":"MUSIC","status":"IN_PROGRESS","fail_reason":"","progress":"45%",
             "data":[{"id":"1"}],"search_item":"x"},
            {"task_id":"b","status":"SUCCESS","data":null}]}"#;
        let envelope = Envelope::read(body).expect("it is an answer");
        let tasks = envelope.tasks(&asked(&["a", "b"])).expect("it lists tasks");
        assert_eq!(tasks["a"].status, Some(Status::InProgress));
        assert_eq!(tasks["a"].progress, Some(45));
        assert_eq!(
            tasks["a"].data.as_ref().map(|data| data.get()),
            Some(r#"[{"id":"1"}]"#)
        );
        assert!(tasks["b"].data.is_none());
    }

    #[test]
    fn ids_that_were_not_asked_for_and_tasks_that_do_not_read_are_left_out() {
        let body = br#"{"code":"success","data":[{"task_id":"z","status":"SUCCESS"},7,null,
            {"status":"SUCCESS"},{"task_id":5},{"task_id":"a","status":["?"]},
            {"task_id":"a","status":"FAILURE"}]}"#;
        let tasks = Envelope::read(body).and_then(|read| read.tasks(&asked(&["a"])));
        let tasks = tasks.expect("it lists tasks");
        assert_eq!(tasks.len(), 1);
        assert_eq!(
            tasks["a"].status, None,
            "the first one counts, and it is an unknown state"
        );
    }

    #[test]
    fn what_is_no_answer_reads_as_none() {
        for body in ["", "<html>busy</html>", "[]", "7", "{"] {
            let tasks = Envelope::read(body.as_bytes()).and_then(|read| read.tasks(&[]));
            assert!(tasks.is_none(), "{body}");
        }
    }

    #[test]
    fn no_data_is_an_empty_list() {
        for body in [r#"{"code":"success","data":null}"#, r#"{"code":"success"}"#] {
            let tasks = Envelope::read(body.as_bytes()).and_then(|read| read.tasks(&[]));
            assert_eq!(tasks.map(|tasks| tasks.len()), Some(0), "{body}");
        }
        let text = Envelope::read(br#"{"data":"x"}"#).and_then(|read| read.tasks(&[]));
        assert!(text.is_none());
    }

    #[test]
    fn an_accepted_task_has_a_name() {
        let id = |body: &str| Envelope::read(body.as_bytes()).and_then(|read| read.accepted_id());
        assert_eq!(
            id(r#"{"code":"success","data":"7c0d"}"#).as_deref(),
            Some("7c0d")
        );
        assert_eq!(id(r#"{"code":"success","data":12}"#).as_deref(), Some("12"));
        for body in [
            r#"{"data":""}"#,
            r#"{"data":{}}"#,
            r#"{"data":"a\u0000"}"#,
            "{}",
        ] {
            assert_eq!(id(body), None, "{body}");
        }
    }
}
