//! What an HTTP answer means for the task and the channel (`docs/upstreams/suno.md`, the table of
//! misbehaviour).

use super::actions::Holds;
use super::answer::Envelope;
use super::made::Data;
use crate::classes::class;
use crate::http::{Reply, Response};
use crate::said::{Contents, Said, to_fetch, to_submit};
use crate::{Asked, FetchOutcome, Made, SubmitOutcome};

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

/// Whether a code says that an id is not known.
pub(super) fn is_unknown_id(code: Option<&str>) -> bool {
    IDS_REFUSED.contains(&code.unwrap_or_default())
}

/// An answer and what is in its body.
pub(super) struct Answer<'a> {
    pub said: Said<'a>,
    pub code: Option<String>,
    envelope: Option<Envelope<'a>>,
}

impl<'a> Answer<'a> {
    pub fn read(response: &'a Response) -> Self {
        let envelope = response.body.whole().and_then(Envelope::read);
        let contents = envelope.as_ref().map(|envelope| Contents {
            code: envelope.code().map(|code| {
                let stands_for = status_of_code(&code);
                (code, stands_for)
            }),
            words: envelope.words(),
            has_data: envelope.has_data(),
        });
        Self {
            said: Said::new(response, contents),
            code: envelope.as_ref().and_then(Envelope::code),
            envelope,
        }
    }

    /// Whether there is any data.
    pub fn has_data(&self) -> bool {
        self.envelope.as_ref().is_some_and(Envelope::has_data)
    }

    /// Whether a refusal may be about one of the ids: any by status, and some by code.
    fn is_about_ids(&self) -> bool {
        let is_by_status = !class(self.said.response.status.as_u16()).is_fine();
        let code = self.code.as_deref().unwrap_or_default();
        is_by_status || is_unknown_id(Some(code)) || code.parse::<u16>().is_ok()
    }
}

/// What the answer to a submit means. `holds`: how an answer may hold the result itself.
pub fn of_submit(reply: &Reply, holds: Holds) -> SubmitOutcome {
    let answer = match to_submit(reply) {
        Ok(response) => Answer::read(response),
        Err(outcome) => return outcome,
    };
    let words = answer.said.words().or_else(|| answer.code.clone());
    // A code of the dialect comes from an upstream that knows the path.
    let refusal = answer
        .said
        .refusal(words, is_unknown_id(answer.code.as_deref()));
    let data = answer.envelope.as_ref();
    let data = data.map_or(Data::Neither, |envelope| envelope.submitted(holds));
    let good = match data {
        Data::Id(id) => Some(SubmitOutcome::Accepted(id)),
        Data::Result(data) => Some(SubmitOutcome::Made(Made {
            upstream_id: None,
            data,
        })),
        Data::Neither => None,
    };
    answer.said.of_answer(good, refusal)
}

/// What the answer to a fetch of `asked` means.
pub fn of_fetch(reply: &Reply, asked: &[Asked]) -> FetchOutcome {
    let answer = match to_fetch(reply) {
        Ok(response) => Answer::read(response),
        Err(outcome) => return outcome,
    };
    let known = || answer.envelope.as_ref()?.tasks(asked);
    answer.said.of_fetch(asked, answer.is_about_ids(), known)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;
    use shared::task::Action;

    use super::*;
    use crate::http::Body;
    use crate::replies::whole as reply;

    fn submit(status: u16, body: &str, seconds: u64) -> &'static str {
        match of_submit(&reply(status, body, seconds), Holds::Clips) {
            SubmitOutcome::Accepted(_) => "accepted",
            SubmitOutcome::Made(_) => "made",
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
            match of_submit(&reply(status, body, 0), Holds::Clips) {
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
            match of_submit(&reply(status, body, 0), Holds::Clips) {
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
