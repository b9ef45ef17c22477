//! What an HTTP answer means for the task and the channel (`docs/upstreams/suno.md`, the table of
//! misbehaviour).

use std::collections::HashMap;

use super::answer::{Envelope, is_object, too_large, unreadable};
use crate::classes::{Class, Fault, MISDIRECTED, class, may_be_accepted, trouble};
use crate::http::{Body, Reply, Response};
use crate::{Asked, FetchOutcome, Refusal, SubmitOutcome, Trouble};

/// The codes of the dialect by which an upstream says that it does not know an id.
pub(super) const IDS_REFUSED: [&str; 2] = ["task_not_exist", "invalid_request"];

/// The status that an error code of the dialect stands for. Some gateways print the status itself.
pub(super) fn status_of_code(code: &str) -> u16 {
    match code {
        "success" => 200,
        "internal_error" => 500,
        "no_available_channel" | "busy" => 503,
        "too_many_requests" | "rate_limit_exceeded" | "too_many_tasks" => 429,
        "invalid_token" => 401,
        "user_disabled" | "key_disabled" | "key_expired" | "quota_not_enough" => 403,
        other => other
            .parse()
            .ok()
            .filter(|status| (200..600).contains(status))
            .unwrap_or(400),
    }
}

/// An answer of an upstream, read.
struct Answer<'a> {
    /// The status, or the one that the `code` in a 2xx stands for.
    status: u16,
    /// `status 429` or `code internal_error`.
    what: String,
    response: &'a Response,
    code: Option<String>,
    envelope: Option<Envelope<'a>>,
}

impl<'a> Answer<'a> {
    fn read(response: &'a Response) -> Self {
        let status = response.status.as_u16();
        let envelope = response.body.whole().and_then(Envelope::read);
        let code = envelope.as_ref().and_then(Envelope::code);
        let (status, what) = match &code {
            Some(code) if class(status).is_fine() => (status_of_code(code), format!("code {code}")),
            _ => (status, format!("status {status}")),
        };
        Self {
            status,
            what,
            response,
            code,
            envelope,
        }
    }

    /// The upstream's words; its code if it says nothing else.
    fn words(&self) -> Option<String> {
        let words = self.envelope.as_ref().and_then(Envelope::words);
        words.or_else(|| self.code.clone())
    }

    /// What the upstream answered, with its words.
    fn told(&self) -> String {
        match self.envelope.as_ref().and_then(Envelope::words) {
            Some(words) => format!("{}: {words}", self.what),
            None => self.what.clone(),
        }
    }

    /// Whether a refusal may be about one of the ids: any by status, and some by code.
    fn is_about_ids(&self) -> bool {
        let is_by_status = !class(self.response.status.as_u16()).is_fine();
        let code = self.code.as_deref().unwrap_or_default();
        is_by_status || IDS_REFUSED.contains(&code) || code.parse::<u16>().is_ok()
    }

    fn trouble(&self, fault: Fault) -> Trouble {
        trouble(fault, &self.told(), self.response.retry_after)
    }
}

/// What the answer to a submit means.
pub fn of_submit(reply: &Reply) -> SubmitOutcome {
    let answer = match reply {
        Reply::Response(response) => Answer::read(response),
        Reply::NotConnected(why) => return SubmitOutcome::NotConnected(why.clone()),
        Reply::NoResponse(why) => return SubmitOutcome::Unknown(why.clone()),
    };
    let unknown = |why: &str| SubmitOutcome::Unknown(why.to_owned());
    let refused = || {
        // A code of the dialect comes from an upstream that knows the path.
        let is_of_ids = answer
            .code
            .as_deref()
            .is_some_and(|code| IDS_REFUSED.contains(&code));
        let is_path = matches!(answer.response.status.as_u16(), 404 | 405) && !is_of_ids;
        SubmitOutcome::Refused(Refusal {
            words: answer.words().unwrap_or_default(),
            what: format!("it answered with {}", answer.told()),
            is_no_such_path: is_path,
        })
    };
    let after = answer.response.after;
    if may_be_accepted(answer.status, after) {
        let (told, seconds) = (answer.told(), after.as_secs());
        return unknown(&format!("it answered with {told}, after {seconds} s"));
    }
    match (class(answer.status), &answer.envelope) {
        (Class::Channel(fault), _) => SubmitOutcome::NotArrived(answer.trouble(fault)),
        (Class::Refused, _) => refused(),
        (Class::Fine, None) => unknown("it answered with what is no answer"),
        (Class::Fine, Some(envelope)) => match (envelope.accepted_id(), &answer.code) {
            (Some(id), Some(_)) => SubmitOutcome::Accepted(id),
            (None, Some(_)) => unknown("it accepted and gave no task id"),
            (None, None) if envelope.words().is_some() && !envelope.has_data() => refused(),
            (_, None) => unknown("it answered without a code"),
        },
    }
}

/// What the answer to a fetch of `asked` means.
pub fn of_fetch(reply: &Reply, asked: &[Asked]) -> FetchOutcome {
    let answer = match reply {
        Reply::Response(response) => Answer::read(response),
        Reply::NotConnected(why) => return FetchOutcome::NotConnected(why.clone()),
        Reply::NoResponse(why) => return broken(why.clone()),
    };
    match (class(answer.status), &answer.envelope) {
        _ if answer.status == 405 => FetchOutcome::Failed(answer.trouble(MISDIRECTED)),
        (Class::Channel(fault), _) => FetchOutcome::Failed(answer.trouble(fault)),
        (Class::Refused, _) if answer.is_about_ids() => FetchOutcome::IdsRefused,
        (Class::Refused, _) => broken(format!("it answered with {}", answer.told())),
        (Class::Fine, None) => match &answer.response.body {
            Body::TooLarge => FetchOutcome::TooLarge(Box::new(too_large())),
            // Smaller groups find the task that spoils the answer.
            Body::Whole(body) if is_object(body) => match asked {
                [one] => {
                    let of_one = (one.upstream_id.clone(), unreadable());
                    FetchOutcome::Answered(HashMap::from([of_one]))
                }
                _ => FetchOutcome::IdsRefused,
            },
            _ => broken("it answered with what is no answer".to_owned()),
        },
        (Class::Fine, Some(envelope)) if answer.code.is_none() && !envelope.has_data() => {
            let words = answer.words().unwrap_or_default();
            broken(format!("it answered without a code: {words}"))
        }
        (Class::Fine, Some(envelope)) => match envelope.tasks(asked) {
            Some(tasks) => FetchOutcome::Answered(tasks),
            None => broken("it answered without a list of tasks".to_owned()),
        },
    }
}

fn broken(why: String) -> FetchOutcome {
    FetchOutcome::Failed(Trouble::broken("broken", why))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;
    use shared::task::Action;

    use super::*;

    fn reply(status: u16, body: &str, seconds: u64) -> Reply {
        Reply::Response(Response {
            status: StatusCode::from_u16(status).expect("it is a status"),
            body: Body::Whole(body.as_bytes().to_vec()),
            retry_after: None,
            after: Duration::from_secs(seconds),
        })
    }

    fn submit(status: u16, body: &str, seconds: u64) -> &'static str {
        match of_submit(&reply(status, body, seconds)) {
            SubmitOutcome::Accepted(_) => "accepted",
            SubmitOutcome::Refused(_) => "refused",
            SubmitOutcome::NotArrived(_) | SubmitOutcome::NotConnected(_) => "not arrived",
            SubmitOutcome::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn only_what_proves_that_nothing_arrived_is_sent_again() {
        for (status, seconds, expected) in [
            (429, 60, "not arrived"),
            (401, 60, "not arrived"),
            (402, 60, "not arrived"),
            (403, 60, "not arrived"),
            (500, 5, "not arrived"),
            (502, 0, "not arrived"),
            (503, 5, "not arrived"),
            (500, 6, "unknown"),
            (502, 60, "unknown"),
            (504, 0, "unknown"),
            (408, 0, "unknown"),
            (524, 0, "unknown"),
            (307, 0, "not arrived"),
            (303, 0, "unknown"),
            (101, 0, "unknown"),
            (600, 0, "unknown"),
            (999, 0, "unknown"),
            (400, 0, "refused"),
            (404, 0, "refused"),
            (405, 0, "refused"),
            (422, 60, "refused"),
            (200, 0, "unknown"),
        ] {
            assert_eq!(
                submit(status, "<html>", seconds),
                expected,
                "{status} after {seconds} s"
            );
        }
    }

    #[test]
    fn a_404_may_be_that_of_a_wrong_address_unless_the_dialect_says_what_is_missing() {
        for (status, body, expected) in [
            (404, "<html>", true),
            (404, r#"{"detail":"Not Found"}"#, true),
            (404, r#"{"code":"not_found","message":"no route"}"#, true),
            (405, "", true),
            (404, r#"{"code":"task_not_exist"}"#, false),
            (400, "", false),
            (422, "<html>", false),
        ] {
            match of_submit(&reply(status, body, 0)) {
                SubmitOutcome::Refused(refusal) => {
                    assert_eq!(refusal.is_no_such_path, expected, "{status} {body}");
                }
                other => panic!("{status} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_code_in_a_200_counts_as_its_status() {
        for (body, seconds, expected) in [
            (r#"{"code":"success","data":101}"#, 60, "accepted"),
            (r#"{"code":" Success ","data":"7c0d"}"#, 0, "accepted"),
            (r#"{"code":200,"data":"7c0d"}"#, 0, "accepted"),
            (r#"{"code":"success","data":null}"#, 0, "unknown"),
            (r#"{"data":"7c0d"}"#, 0, "unknown"),
            (r#"{"code":"internal_error"}"#, 5, "not arrived"),
            (r#"{"code":"internal_error"}"#, 6, "unknown"),
            (r#"{"code":"no_available_channel"}"#, 60, "unknown"),
            (r#"{"code":504}"#, 0, "unknown"),
            (r#"{"code":"too_many_requests"}"#, 60, "not arrived"),
            (r#"{"code":429}"#, 60, "not arrived"),
            (r#"{"code":"invalid_token"}"#, 60, "not arrived"),
            (r#"{"code":"invalid_request"}"#, 60, "refused"),
            (r#"{"error":{"message":"too long"}}"#, 0, "refused"),
            (r#"{"message":"ok","data":{"id":"7c0d"}}"#, 0, "unknown"),
        ] {
            assert_eq!(
                submit(200, body, seconds),
                expected,
                "{body} after {seconds} s"
            );
        }
    }

    #[test]
    fn the_words_of_a_refusal_are_kept() {
        for (status, body, expected) in [
            (400, r#"{"error":{"message":"too long"}}"#, "too long"),
            (422, r#"{"detail":[{"msg":"too long"}]}"#, "too long"),
            (
                200,
                r#"{"code":"invalid_request","message":""}"#,
                "invalid_request",
            ),
            (404, "<html>", ""),
        ] {
            match of_submit(&reply(status, body, 0)) {
                SubmitOutcome::Refused(refusal) => assert_eq!(refusal.words, expected, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_that_is_too_large_says_so() {
        let too_large = Reply::Response(Response {
            status: StatusCode::OK,
            body: Body::TooLarge,
            retry_after: None,
            after: Duration::ZERO,
        });
        match of_fetch(&too_large, &[Asked::new("a", Action::SONG)]) {
            FetchOutcome::TooLarge(said) => {
                assert!(said.fail_reason.contains("larger than 1 MiB"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_that_cannot_be_split_concerns_the_task_that_spoils_it() {
        let odd_quote =
            r#"{"code":"success","data":[{"task_id":"a","data":[{"title":"5" disc"}]}]}"#;
        let odd_bracket =
            r#"{"code":"success","data":[{"task_id":"a","data":[1},{"task_id":"b"}]}"#;
        let ids = ["a", "b"].map(|id| Asked::new(id, Action::SONG));
        for body in [odd_quote, odd_bracket] {
            let both = of_fetch(&reply(200, body, 0), &ids);
            assert!(matches!(both, FetchOutcome::IdsRefused), "{body}: {both:?}");
            match of_fetch(&reply(200, body, 0), &ids[..1]) {
                FetchOutcome::Answered(tasks) => assert_eq!(tasks["a"].status, None),
                other => panic!("{body}: {other:?}"),
            }
        }
        for body in ["", "<html>", "[", "null"] {
            let outcome = of_fetch(&reply(200, body, 0), &ids[..1]);
            assert!(
                matches!(outcome, FetchOutcome::Failed(_)),
                "{body}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_refused_fetch_is_about_its_ids_or_about_the_channel() {
        for (status, body, is_about_ids) in [
            (404, "", true),
            (400, r#"{"detail":"x"}"#, true),
            (200, r#"{"code":"task_not_exist"}"#, true),
            (200, r#"{"code":404}"#, true),
            (200, r#"{"code":"strange"}"#, false),
            (200, r#"{"message":"x"}"#, false),
            (405, "", false),
            (504, "", false),
            (408, "", false),
        ] {
            let outcome = of_fetch(&reply(status, body, 0), &[]);
            let refused = matches!(outcome, FetchOutcome::IdsRefused);
            assert_eq!(refused, is_about_ids, "{status} {body}: {outcome:?}");
        }
    }
}
