//! Answers to the GET of an action that makes no task: the result, or that there is none yet. Such a GET may be repeated
//! after any outcome.

use reqwest::StatusCode;
use serde_json::value::RawValue;
use shared::task::Status;
use shared::task::step::Observation;

use super::actions::Holds;
use super::made::{self, Data};
use super::outcome::Answer;
use crate::classes::{Class, class};
use crate::fields::Fields;
use crate::http::{Body, Reply, Response};
use crate::said::{TOO_LARGE, failed, to_fetch, unreadable};
use crate::{Asked, FetchOutcome, Made, Refusal, SubmitOutcome, Trouble};

/// What an answer says.
enum Said {
    /// The result.
    Done(Box<RawValue>),
    /// There is none yet.
    NotYet,
    /// The request is refused, with words for people and for an operator.
    Refused(Refusal),
    /// The answer is too large to be read.
    TooLarge,
    /// The channel is at fault.
    Trouble(Trouble),
}

/// What the answer to the first GET means for the task of this name. `proven`: the channel accepted something before; if
/// not, a page that is not found may speak of the channel's address.
pub fn of_submit(reply: &Reply, id: String, holds: Holds, proven: bool) -> SubmitOutcome {
    let response = match reply {
        Reply::Response(response) => response,
        Reply::NotConnected(why) => return SubmitOutcome::NotConnected(why.clone()),
        Reply::NoResponse(why) => {
            return SubmitOutcome::NotArrived(Trouble::broken("error", why.clone()));
        }
    };
    if !proven && response.status == StatusCode::NOT_FOUND && Answer::read(response).code.is_none()
    {
        return SubmitOutcome::NotArrived(Trouble::wrong_address("it answered with status 404"));
    }
    match said(response, holds) {
        Said::Done(data) => SubmitOutcome::Made(Made {
            upstream_id: Some(id),
            data,
        }),
        Said::NotYet => SubmitOutcome::Accepted(id),
        Said::Refused(refusal) => SubmitOutcome::Refused(refusal),
        Said::TooLarge => SubmitOutcome::Refused(Refusal::of_words(TOO_LARGE.to_owned())),
        Said::Trouble(trouble) => SubmitOutcome::NotArrived(trouble),
    }
}

/// What the answer to a later GET means for the task that was asked about.
pub fn of_fetch(reply: &Reply, asked: &Asked, holds: Holds) -> FetchOutcome {
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let (status, data) = match said(response, holds) {
        Said::Done(data) => (Status::Success, Some(data)),
        Said::NotYet => (Status::InProgress, None),
        Said::Refused(_) => return FetchOutcome::IdsRefused,
        Said::TooLarge => return FetchOutcome::TooLarge(Box::new(failed(TOO_LARGE))),
        Said::Trouble(trouble) => return FetchOutcome::Failed(trouble),
    };
    of_one(asked, status, data)
}

/// What the answer to the fetch of an upload means. An id that the upstream does not know as a task is a clip's.
pub fn of_upload(reply: &Reply, asked: &Asked) -> FetchOutcome {
    let fetched = super::outcome::of_fetch(reply, std::slice::from_ref(asked));
    let answer = to_fetch(reply).ok().map(Answer::read);
    let is_unknown = answer.is_some_and(|answer| match &fetched {
        // Any other refusal, and a page that is no answer of this dialect, says nothing of the id.
        FetchOutcome::IdsRefused => answer.code.as_deref() == Some(UNKNOWN),
        FetchOutcome::Answered(_) => !answer.has_data(),
        _ => false,
    });
    match made::uploaded(&asked.upstream_id) {
        Data::Result(data) if is_unknown => of_one(asked, Status::Success, Some(data)),
        _ => fetched,
    }
}

fn of_one(asked: &Asked, status: Status, data: Option<Box<RawValue>>) -> FetchOutcome {
    let observation = Observation {
        status: Some(status),
        data,
        ..unreadable()
    };
    FetchOutcome::Answered(asked.told(observation))
}

fn said(response: &Response, holds: Holds) -> Said {
    if matches!(response.status.as_u16(), 202 | 404 | 425) {
        return Said::NotYet;
    }
    let answer = Answer::read(response);
    match class(answer.said.status) {
        Class::Channel(fault) => Said::Trouble(answer.said.trouble(fault)),
        Class::Refused if answer.code.as_deref() == Some(UNKNOWN) => Said::NotYet,
        Class::Refused => {
            let words = answer.said.words().or_else(|| answer.code.clone());
            Said::Refused(answer.said.refusal(words, true))
        }
        Class::Fine => match &response.body {
            Body::Whole(body) => result(body, holds).map_or(Said::NotYet, Said::Done),
            Body::TooLarge => Said::TooLarge,
            Body::Torn => {
                let what = "its answer was cut off".to_owned();
                Said::Trouble(Trouble::broken("error", what))
            }
        },
    }
}

/// The result in a body: in its `data`, or the body itself.
fn result(body: &[u8], holds: Holds) -> Option<Box<RawValue>> {
    let answer = Fields::read(body);
    // What is an envelope is no result itself.
    if let Some(answer) = &answer
        && ENVELOPE.iter().any(|name| answer.has(name))
    {
        return match made::of_submit(answer, holds) {
            Data::Result(result) => Some(result),
            Data::Id(_) | Data::Neither => None,
        };
    }
    let text = std::str::from_utf8(body).ok().map(str::trim);
    let of_text = || {
        let text = text.filter(|text| text.starts_with("http"))?;
        let json = serde_json::value::to_raw_value(text).ok()?;
        made::of_value(json.get().as_bytes(), holds)
    };
    made::of_value(text?.as_bytes(), holds).or_else(of_text)
}

/// The code of an upstream that does not know an id.
const UNKNOWN: &str = "task_not_exist";

/// The members by which an envelope is told from a result.
const ENVELOPE: [&str; 4] = ["code", "data", "detail", "error"];

#[cfg(test)]
mod tests {
    use shared::task::Action;

    use super::*;
    use crate::replies::whole;

    fn reply(status: u16, body: &str) -> Reply {
        whole(status, body, 60)
    }

    fn told(reply: &Reply) -> String {
        match of_submit(reply, "c".to_owned(), Holds::Address, true) {
            SubmitOutcome::Made(made) => format!("made {}", made.data),
            SubmitOutcome::Accepted(id) => format!("not yet {id}"),
            SubmitOutcome::Refused(refusal) => format!("refused: {}", refusal.words),
            SubmitOutcome::NotArrived(trouble) => format!("again: {}", trouble.outcome),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_there_or_not_yet_and_a_get_may_be_repeated() {
        let file = r#"made "https://a/1.wav""#;
        for (status, body, expected) in [
            (200, r#"{"code":"success","data":"https://a/1.wav"}"#, file),
            (200, "https://a/1.wav\n", file),
            (200, r#""https://a/1.wav""#, file),
            (
                200,
                r#"{"wav_url":"https://a/1.wav"}"#,
                r#"made {"wav_url":"https://a/1.wav"}"#,
            ),
            (200, r#"{"code":"success","data":null}"#, "not yet c"),
            (200, r#"{"code":"success","data":"queued"}"#, "not yet c"),
            (200, "", "not yet c"),
            (
                200,
                r#"{"code":"task_not_exist","message":"no"}"#,
                "not yet c",
            ),
            (202, "", "not yet c"),
            (404, "<html>", "not yet c"),
            (
                200,
                r#"{"code":"success","data":{"status":"processing","wav_url":"https://a"}}"#,
                "not yet c",
            ),
            (
                200,
                r#"{"code":"success","data":{"image_url":"https://a"}}"#,
                "not yet c",
            ),
            (
                200,
                r#"{"code":"success","data":null,"url":"https://docs"}"#,
                "not yet c",
            ),
            (
                400,
                r#"{"code":"invalid_request","message":"bad"}"#,
                "refused: bad",
            ),
            (425, "", "not yet c"),
            (
                400,
                r#"{"code":"x","message":"too old"}"#,
                "refused: too old",
            ),
            (401, "", "again: unauthorized"),
            (429, "", "again: busy"),
            (502, "", "again: error"),
            (504, "", "again: error"),
        ] {
            assert_eq!(told(&reply(status, body)), expected, "{status} {body}");
        }
        let nowhere = of_submit(&reply(404, "<html>"), "c".to_owned(), Holds::Address, false);
        assert!(
            matches!(nowhere, SubmitOutcome::NotArrived(_)),
            "{nowhere:?}"
        );
        let lost = Reply::NoResponse("timed out".to_owned());
        assert_eq!(told(&lost), "again: error");
    }

    #[test]
    fn an_upload_that_is_no_task_is_a_clip() {
        let asked = Asked::new("u", Action::UPLOAD);
        let of = |status, body: &str| match of_upload(&reply(status, body), &asked) {
            FetchOutcome::Answered(known) => {
                let one = &known["u"];
                let data = one.data.as_ref().map_or("", |data| data.get());
                format!("{:?} {data}", one.status)
            }
            other => format!("{other:?}"),
        };
        let clip = r#"Some(Success) [{"id":"u","status":"complete"}]"#;
        assert_eq!(of(400, r#"{"code":"task_not_exist","message":"no"}"#), clip);
        assert_eq!(of(404, r#"{"code":"x","message":"no"}"#), "IdsRefused");
        assert_eq!(of(404, r#"{"detail":"Not Found"}"#), "IdsRefused");
        assert_eq!(of(200, r#"{"code":"success","data":null}"#), clip);
        let task = r#"{"code":"success","data":{"task_id":"u","status":"IN_PROGRESS"}}"#;
        assert_eq!(of(200, task), "Some(InProgress) ");
        assert_eq!(of(404, "<html>no such page</html>"), "IdsRefused");
        assert!(of(502, "").starts_with("Failed"));
    }
}
