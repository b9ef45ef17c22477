//! Reads an upstream's answers, item by item (`docs/upstreams/suno.md`, "Reading what upstreams say"). A
//! part that cannot be read harms only its own task, and the rest of it is used.

use std::collections::HashMap;

use shared::json;
use shared::task::Status;
use shared::task::step::Observation;

use super::actions::Holds;
use super::made::{self, Data};
use crate::Asked;
use crate::fields::Fields;
use crate::results::result;
use crate::said::failed;

/// The most different errors of clips that make a reason: real results have two clips.
const MOST_ERRORS: usize = 8;

/// The answer to a submit or a fetch.
pub struct Envelope<'a>(Fields<'a>);

impl<'a> Envelope<'a> {
    /// Reads an answer; `None` if the body is not a JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        Fields::read(body).map(Self)
    }

    /// `success`, or the code of an error, in lower case; `None` if there is none.
    pub fn code(&self) -> Option<String> {
        let code = self.0.text("code")?;
        Some(code.to_ascii_lowercase())
    }

    /// The words for people, if there are any.
    pub fn words(&self) -> Option<String> {
        self.0.words()
    }

    /// What came in the answer to a submit.
    pub(super) fn submitted(&self, holds: Holds) -> Data {
        made::of_submit(&self.0, holds)
    }

    /// Whether there is any data.
    pub fn has_data(&self) -> bool {
        self.0.value("data").is_some()
    }

    /// What the upstream says about each task in `asked`; the first mention of a task counts. `None` if
    /// the data is not a list, or the text of one. No data is an empty list: some upstreams print none if they
    /// know no id.
    pub fn tasks(&self, asked: &[Asked]) -> Option<HashMap<String, Observation>> {
        let mut tasks = HashMap::new();
        let ids = asked.iter().map(|one| &one.upstream_id);
        let mut by_id: HashMap<&str, &String> = ids.map(|id| (id.trim(), id)).collect();
        let Some(data) = self.0.value("data") else {
            return Some(tasks);
        };
        let text = json::text(data);
        let data = text.as_deref().map_or(data, str::as_bytes);
        // Of one task, some print the task itself.
        let one = || Fields::read(data).filter(|task| task.value("task_id").is_some());
        for item in json::items(data).or_else(|| one().map(|_| vec![data]))? {
            let Some(task) = Fields::read(item) else {
                continue;
            };
            let id = task.text("task_id");
            if let Some(asked) = id.and_then(|id| by_id.remove(id.as_str())) {
                tasks.insert(asked.clone(), observation(&task));
            }
        }
        Some(tasks)
    }
}

fn observation(task: &Fields<'_>) -> Observation {
    let status = task.text("status");
    let status = status.and_then(|status| status.to_ascii_uppercase().parse().ok());
    let data = task.value("data").map_or(Ok(None), result);
    // A result that cannot be stored is a failure only if it is the last one.
    let data = match (data, status) {
        (Err(reason), Some(Status::Success)) => return failed(reason),
        (data, _) => data.unwrap_or_default(),
    };
    let reason = || {
        let of_clips = || clip_errors(data.as_ref()?.get().as_bytes());
        task.text("fail_reason")
            .or_else(of_clips)
            .or_else(|| task.words())
    };
    let is_failure = status == Some(Status::Failure);
    Observation {
        fail_reason: is_failure.then(reason).flatten().unwrap_or_default(),
        status,
        progress: task.text("progress").as_deref().and_then(percent),
        data,
        finish: task.finish("submit_time", "finish_time"),
    }
}

/// `"45%"`, `"45"`, `45` or `45.5`.
fn percent(progress: &str) -> Option<u8> {
    let number = progress.trim_end_matches('%').trim_end();
    let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
    whole.parse().ok().filter(|percent| *percent <= 100)
}

/// What the clips of a failed task say: `error_message`, in the clip or in its `metadata`.
fn clip_errors(clips: &[u8]) -> Option<String> {
    let mut errors = Vec::new();
    for clip in json::items(clips)? {
        let Some(clip) = Fields::read(clip) else {
            continue;
        };
        let metadata = || Fields::read(clip.value("metadata")?);
        let error = clip.text("error_message");
        let error = error.or_else(|| metadata()?.text("error_message"));
        let error = error.or_else(|| metadata()?.text("error_type"));
        errors.extend(error.filter(|error| !errors.contains(error)));
        if errors.len() == MOST_ERRORS {
            break;
        }
    }
    (!errors.is_empty()).then(|| errors.join("; "))
}

#[cfg(test)]
mod tests {
    use shared::clock::Millis;
    use shared::json::MOST_DEPTH;
    use shared::task::Action;
    use shared::task::step::Finish;

    use super::*;
    use crate::results::{MOST_BYTES, TOO_DEEP};
    use crate::said::TOO_LARGE;

    fn read(body: &[u8], asked: &[&str]) -> Option<HashMap<String, Observation>> {
        let song = |id: &&str| Asked::new(*id, Action::SONG);
        let asked: Vec<Asked> = asked.iter().map(song).collect();
        Envelope::read(body)?.tasks(&asked)
    }

    /// What an answer with the one task `a` says about that task.
    fn task(fields: &str) -> Observation {
        let body = format!(r#"{{"code":"success","data":[{{"task_id":"a",{fields}}}]}}"#);
        let tasks = read(body.as_bytes(), &["a"]).expect("it lists tasks");
        tasks.get("a").expect("it names the task").clone()
    }

    fn data(fields: &str) -> Option<String> {
        task(fields).data.map(|data| data.get().to_owned())
    }

    #[test]
    fn an_answer_to_a_fetch_reads_as_the_dialect_prints_it() {
        let body = br#"{"code":"success","message":"","data":[
            {"task_id":"a","action":"MUSIC","status":"IN_PROGRESS","fail_reason":"","progress":"45%",
             "data":[{"id":"1"}],"search_item":"x"},
            {"task_id":"b","status":"SUCCESS","data":null}]}"#;
        let tasks = read(body, &["a", "b"]).expect("it lists tasks");
        assert_eq!(tasks["a"].status, Some(Status::InProgress));
        assert_eq!(tasks["a"].progress, Some(45));
        assert_eq!(
            tasks["a"].data.as_ref().map(|data| data.get()),
            Some(r#"[{"id":"1"}]"#)
        );
        assert!(tasks["b"].data.is_none());
    }

    #[test]
    fn the_end_of_a_task_is_read_in_seconds_and_in_milliseconds() {
        let finish = |fields: &str| task(fields).finish;
        let took = |seconds| Some(std::time::Duration::from_secs(seconds));
        let at = Millis(1_716_191_849_000);
        let seconds = finish(r#""submit_time":1716191749,"finish_time":1716191849"#);
        assert_eq!(
            seconds,
            Some(Finish {
                at,
                took: took(100)
            })
        );
        let millis = finish(r#""submit_time":1716191749000,"finish_time":"1716191849000""#);
        assert_eq!(millis, seconds);
        let no_begin = finish(r#""submit_time":0,"finish_time":1716191849.5"#);
        assert_eq!(no_begin, Some(Finish { at, took: None }));
        for none in [
            r#""finish_time":0"#,
            r#""finish_time":"soon""#,
            r#""submit_time":1"#,
        ] {
            assert_eq!(finish(none), None, "{none}");
        }
    }

    #[test]
    fn ids_that_were_not_asked_for_and_tasks_that_do_not_read_are_left_out() {
        let body = br#"{"code":"success","data":[{"task_id":"z","status":"SUCCESS"},7,null,
            {"status":"SUCCESS"},{"task_id":5},{"task_id":"a","status":["?"]},
            {"task_id":"a","status":"FAILURE"}]}"#;
        let tasks = read(body, &["a"]).expect("it lists tasks");
        assert_eq!(tasks.len(), 1);
        assert_eq!(
            tasks["a"].status, None,
            "the first one counts, and it is an unknown state"
        );
    }

    #[test]
    fn what_is_no_answer_reads_as_none() {
        for body in ["", "<html>busy</html>", "[]", "7", "{", r#"{"data":"x"}"#] {
            assert!(read(body.as_bytes(), &[]).is_none(), "{body}");
        }
        for body in [r#"{"code":"success","data":null}"#, r#"{"code":"success"}"#] {
            let tasks = read(body.as_bytes(), &[]).map(|tasks| tasks.len());
            assert_eq!(tasks, Some(0), "{body}");
        }
    }

    #[test]
    fn an_item_that_cannot_be_read_harms_only_its_own_task() {
        for item in [
            &b"{\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"data\":[{\"title\":\"two\nlines\"}]}"[..],
            b"{\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"data\":[{\"duration\":NaN}]}",
            b"{\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"data\":[{\"title\":\"\xff\xfe\"}]}",
            b"{\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"data\":[{\"title\":\"\\ud83c\"}]}",
            b"{\"task_id\":\"x\",\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"data\":[{}]}",
            b"{\"task_id\":\"bad\",\"status\":\"SUCCESS\",\"fail_reason\":{},\"progress\":[],\"data\":[[]]}",
        ] {
            let body = [
                &b"\xef\xbb\xbf {\"code\":\"success\",\"data\":["[..],
                item,
                b",{\"task_id\":\"good\",\"status\":\"QUEUED\"}]}",
            ];
            let body = body.concat();
            let name = String::from_utf8_lossy(&body);
            let tasks = read(&body, &["bad", "good"]).expect(&name);
            assert_eq!(tasks["good"].status, Some(Status::Queued), "{name}");
            assert_eq!(tasks["bad"].status, Some(Status::Success), "{name}");
            let data = tasks["bad"].data.as_ref().expect(&name).get();
            serde_json::from_str::<serde_json::Value>(data).expect(&name);
        }
    }

    #[test]
    fn an_id_is_compared_as_a_text() {
        let body =
            br#"{"code":"success","data":[{"task_id":101,"status":"QUEUED"},{"task_id":" b "}]}"#;
        let tasks = read(body, &["101", "b"]).expect("it lists tasks");
        assert_eq!(tasks["101"].status, Some(Status::Queued));
        assert!(tasks.contains_key("b"));
    }

    #[test]
    fn a_list_may_come_as_a_text_or_as_its_one_task_and_without_a_code() {
        let body = br#"{"data":" [{\"task_id\":\"a\",\"status\":\"QUEUED\"}]\r\n"}"#;
        let tasks = read(body, &["a"]).expect("it lists tasks");
        assert_eq!(tasks["a"].status, Some(Status::Queued));
        let envelope = Envelope::read(body).expect("it is an object");
        assert!(envelope.has_data() && envelope.code().is_none());
        let body = br#"{"code":"success","data":{"task_id":"a","status":"QUEUED"}}"#;
        let tasks = read(body, &["a"]).expect("it is a task");
        assert_eq!(tasks["a"].status, Some(Status::Queued));
        assert!(read(br#"{"data":{"id":"a"}}"#, &["a"]).is_none());
    }

    #[test]
    fn status_and_progress_read_however_they_are_written() {
        for status in ["SUCCESS", "success", " Success "] {
            let said = task(&format!(r#""status":"{status}""#)).status;
            assert_eq!(said, Some(Status::Success), "{status}");
        }
        for (progress, expected) in [
            (r#""45%""#, Some(45)),
            (r#""45 %""#, Some(45)),
            ("45", Some(45)),
            ("45.7", Some(45)),
            (r#""soon""#, None),
            ("101", None),
            ("-1", None),
        ] {
            let said = task(&format!(r#""progress":{progress}"#)).progress;
            assert_eq!(said, expected, "{progress}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        for (body, expected) in [
            (r#"{"code":"x","message":"too long"}"#, Some("too long")),
            (r#"{"error":{"message":"too long"}}"#, Some("too long")),
            (r#"{"error":"too long"}"#, Some("too long")),
            (r#"{"detail":"too long"}"#, Some("too long")),
            (
                r#"{"detail":[{"loc":["body"],"msg":"too long"},{"msg":"too loud"}]}"#,
                Some("too long; too loud"),
            ),
            (r#"{"msg":"too long"}"#, Some("too long")),
            (
                r#"{"message":" ","fail_reason":"too long"}"#,
                Some("too long"),
            ),
            (r#"{"message":null,"error":{},"detail":[]}"#, None),
        ] {
            let words = Envelope::read(body.as_bytes()).and_then(|read| read.words());
            assert_eq!(words.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_failure_without_a_reason_takes_the_words_of_its_clips() {
        let reason = |fields: &str| task(fields).fail_reason;
        let clips = r#""data":[{"metadata":{"error_message":"moderated"}},
            {"error_message":"moderated"},{"metadata":{"error_type":"cut"}}]"#;
        for (fields, expected) in [
            (
                format!(r#""status":"FAILURE","fail_reason":"no",{clips}"#),
                "no",
            ),
            (
                format!(r#""status":"FAILURE","fail_reason":"",{clips}"#),
                "moderated; cut",
            ),
            (r#""status":"FAILURE","message":"no""#.to_owned(), "no"),
            (format!(r#""status":"IN_PROGRESS",{clips}"#), ""),
        ] {
            assert_eq!(reason(&fields), expected, "{fields}");
        }
    }

    #[test]
    fn a_result_is_kept_whatever_it_is() {
        for (value, expected) in [
            (r#"[{"id":1}]"#, Some(r#"[{"id":1}]"#)),
            (r#""[{\"id\":1}]""#, Some(r#"[{"id":1}]"#)),
            (r#"" {\"id\":1} ""#, Some(r#"{"id":1}"#)),
            (r#""[1,""#, Some(r#""[1,""#)),
            (
                r#""https://cdn.example.com/1.mp3""#,
                Some(r#""https://cdn.example.com/1.mp3""#),
            ),
            ("7", Some("7")),
            (r#""""#, None),
            ("null", None),
        ] {
            let kept = data(&format!(r#""status":"SUCCESS","data":{value}"#));
            assert_eq!(kept.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_result_that_is_too_deep_ends_its_task_with_a_reason() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let said = task(&format!(
            r#""status":"SUCCESS","data":{}"#,
            nested(MOST_DEPTH)
        ));
        assert_eq!(said.status, Some(Status::Success));
        for deep in [nested(MOST_DEPTH + 1), nested(200_000)] {
            let said = task(&format!(r#""status":"SUCCESS","data":{deep}"#));
            assert_eq!(
                (said.status, said.fail_reason.as_str()),
                (Some(Status::Failure), TOO_DEEP)
            );
            let said = task(&format!(r#""status":"IN_PROGRESS","data":{deep}"#));
            assert!(said.status == Some(Status::InProgress) && said.data.is_none());
        }
    }

    #[test]
    fn unknown_fields_of_a_large_result_go_first() {
        let large = "x".repeat(MOST_BYTES);
        let clip = format!(
            r#"[{{"id":"1","status":"complete","waveform":"{large}","metadata":{{"tags":"pop","raw":"{large}"}}}}]"#
        );
        let kept = data(&format!(r#""status":"SUCCESS","data":{clip}"#));
        let expected = r#"[{"id":"1","metadata":{"tags":"pop"},"status":"complete"}]"#;
        assert_eq!(kept.as_deref(), Some(expected));
        for data in [
            format!(r#"[{{"title":"{large}"}}]"#),
            format!(r#""{large}""#),
        ] {
            let said = task(&format!(r#""status":"SUCCESS","data":{data}"#));
            assert_eq!(
                (said.status, said.fail_reason.as_str()),
                (Some(Status::Failure), TOO_LARGE)
            );
        }
    }
}
