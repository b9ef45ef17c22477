//! What the vendor's documents say, in tables. Nothing here was tried at the vendor's.

use shared::task::{Action, Status};

/// What a task's `status` says of a task of ours.
pub(super) const STATUSES: [(&str, Status); 8] = [
    ("preparing", Status::Submitted),
    ("queued", Status::Queued),
    ("running", Status::InProgress),
    ("streaming", Status::InProgress),
    ("succeeded", Status::Success),
    ("failed", Status::Failure),
    ("timeouted", Status::Failure),
    ("cancelled", Status::Failure),
];

/// An HTTP status that has two meanings, a word in its message, and the status that both stand for.
pub(super) const ERRORS: [(u16, &str, u16); 3] = [
    (429, "quota", 402),
    (429, "balance", 402),
    (429, "billing", 402),
];

/// How an action is asked for.
pub(super) struct Call {
    /// The action.
    pub(super) action: Action,
    /// The path of a submit.
    pub(super) submit: &'static str,
    /// The path that tells of a task, before its id.
    pub(super) query: &'static str,
    /// What the answer to a submit holds.
    pub(super) answer: Holds,
}

/// What the answer to a submit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A task, which is asked for until it ends.
    Task,
    /// The lyrics themselves.
    Lyrics,
    /// The address of the result, or a task.
    Address,
}

/// The calls of all actions.
pub(super) const CALLS: [Call; 5] = [
    Call {
        action: Action::SONG,
        submit: "/v1/song/generate",
        query: "/v1/song/query/",
        answer: Holds::Task,
    },
    Call {
        action: Action::INSTRUMENTAL,
        submit: "/v1/instrumental/generate",
        query: "/v1/instrumental/query/",
        answer: Holds::Task,
    },
    Call {
        action: Action::EXTEND,
        submit: "/v1/song/extend",
        query: "/v1/song/query/",
        answer: Holds::Task,
    },
    Call {
        action: Action::STEM,
        submit: "/v1/song/stem",
        query: "/v1/song/query/",
        answer: Holds::Address,
    },
    Call {
        action: Action::LYRICS,
        submit: "/v1/lyrics/generate",
        query: "/v1/song/query/",
        answer: Holds::Lyrics,
    },
];

/// The path that tells of the account.
pub(super) const BILLING: &str = "/v1/account/billing";

/// The fields of the account.
pub(super) const ACCOUNT: [&str; 3] = ["concurrent_request_limit", "balance", "account_id"];

/// Where the answer to a submit may hold the address of the result.
pub(super) const ADDRESSES: [&str; 2] = ["zip_url", "url"];

/// Of these fields an answer that is the vendor's has one, unless it is a refusal.
pub(super) const KNOWN: [&str; 6] = ["id", "status", "choices", "lyrics", "zip_url", "url"];

/// A `duration` from this on is in milliseconds: no song takes so many seconds.
pub(super) const MILLIS_FROM: f64 = 1_000.0;

/// The call for an action.
pub(super) fn call(action: Action) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.action == action)
}

/// The status that an HTTP status with these words stands for.
pub(super) fn stands_for(status: u16, words: &str) -> u16 {
    let words = words.to_ascii_lowercase();
    let error = ERRORS
        .iter()
        .find(|(from, word, _)| *from == status && words.contains(word));
    error.map_or(status, |(_, _, meant)| *meant)
}

#[cfg(test)]
mod tests {
    use super::super::inputs::INPUTS;
    use super::*;
    use crate::pages::assert_row;

    const PAGE: &str = include_str!("../../../docs/upstreams/mureka.md");

    #[test]
    fn the_page_has_every_row_of_these_tables() {
        for (word, status) in STATUSES {
            assert_row(PAGE, &[word, status.as_str()]);
        }
        for (_, word, meant) in ERRORS {
            assert_row(PAGE, &[word]);
            assert!(PAGE.contains(&format!("| {meant}: ")), "{meant}");
        }
        for call in &CALLS {
            let (action, submit) = (call.action.as_str(), format!("POST {}", call.submit));
            assert_row(PAGE, &[action, &submit]);
            if call.answer != Holds::Lyrics {
                assert_row(PAGE, &[action, &format!("GET {}{{id}}", call.query)]);
            }
            if call.answer == Holds::Address {
                assert_row(PAGE, &[&[action], &ADDRESSES[..]].concat());
            }
        }
        for (action, needs) in INPUTS.needs {
            assert_row(PAGE, &[&[action.as_str()], &needs.concat()[..]].concat());
        }
        for (action, _) in INPUTS.needs {
            for (field, _) in INPUTS.fields(*action) {
                assert_row(PAGE, &[field]);
            }
        }
        assert!(PAGE.contains(BILLING) && PAGE.contains(ACCOUNT[0]));
    }

    #[test]
    fn every_action_of_the_platform_has_a_call() {
        for action in shared::task::Platform::MUREKA.actions() {
            assert!(call(*action).is_some(), "{action}");
        }
    }
}
