//! Classifies what a client sees of an answer.

use std::{future::Future, time::Duration};

use suno_simulator::Counts;
use tokio::time::sleep;

use crate::upstream::{Answer, Upstream};

/// What a client sees of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// 200 and a success.
    Success,
    /// An error in the dialect's shape, with this status.
    Error(u16),
    /// HTML, with this status.
    Page(u16),
    /// A body that is neither of these.
    Nonsense,
    /// Half a body; the connection ends.
    Half,
    /// No answer; the connection ends.
    Cut,
    /// No answer; the connection stays.
    Silence,
}

/// How long there must be no answer after the fault of a request was counted.
const SILENCE: Duration = Duration::from_millis(100);

/// Waits for the answer, or for silence after the upstream has counted another fault.
pub async fn see(
    upstream: &Upstream,
    answer: impl Future<Output = hyper::Result<Answer>>,
    expected: &Seen,
) -> Seen {
    let happened = |counts: &Counts| counts.faults.values().sum::<u64>();
    let before = happened(&upstream.counts());
    let silence = async {
        upstream
            .until(|counts| happened(counts) > before && *expected == Seen::Silence)
            .await;
        sleep(SILENCE).await;
    };
    let answer = tokio::select! {
        answer = answer => answer,
        () = silence => return Seen::Silence,
    };
    match answer {
        Ok(answer) => classify(&answer),
        Err(error) => {
            assert!(
                error.is_incomplete_message(),
                "the connection ended, but how? {error:?}"
            );
            Seen::Cut
        }
    }
}

fn classify(answer: &Answer) -> Seen {
    let status = answer.status.as_u16();
    let Ok(body) = &answer.body else {
        return Seen::Half;
    };
    if body.starts_with(b"<html>") {
        return Seen::Page(status);
    }
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) if json["code"] == "success" => Seen::Success,
        Ok(json) if json["error"]["message"].is_string() => Seen::Error(status),
        Ok(json) if json["trace_id"].is_string() => Seen::Success,
        Ok(json) if json["detail"].is_array() => Seen::Nonsense,
        Ok(json) if json["detail"].is_string() => Seen::Error(status),
        Ok(json) if json["logs"].is_string() => Seen::Success,
        Ok(json) => {
            assert!(
                json["code"].is_string() && json["message"].is_string() && json["data"].is_null(),
                "{json}"
            );
            Seen::Error(status)
        }
        Err(_) => {
            assert_eq!(status, 200);
            Seen::Nonsense
        }
    }
}
