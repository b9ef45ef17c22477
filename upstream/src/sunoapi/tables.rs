//! What the vendors' documents say, in tables. Nothing here was tried at a vendor's.

use shared::task::{Action, Dialect, Status};

/// A vendor of the dialect: they differ in what their codes mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Vendor {
    /// As `--dialect` names it.
    pub dialect: Dialect,
    /// The HTTP status that the code 429 in a body stands for.
    of_429: u16,
}

/// sunoapi.org: 429 says that the account has no credit left.
pub const SUNOAPI: Vendor = Vendor {
    dialect: Dialect::new("sunoapi"),
    of_429: 402,
};

/// kie.ai: 429 says that there were too many calls.
pub const KIE: Vendor = Vendor {
    dialect: Dialect::new("kie"),
    of_429: 429,
};

/// What a code in the body stands for, where HTTP has no such status or another meaning for it.
const CODES: [(u16, u16); 5] = [
    // Too many calls.
    (405, 429),
    (430, 429),
    // Maintenance.
    (455, 503),
    // Out of order.
    (501, 500),
    (531, 500),
];

impl Vendor {
    /// The HTTP status that a code in a body stands for.
    pub(super) fn status_of(&self, code: u16) -> u16 {
        if code == 429 {
            return self.of_429;
        }
        let known = CODES.iter().find(|(from, _)| *from == code);
        known.map_or(code, |(_, status)| *status)
    }
}

/// What a task's `status` says of a task of ours.
pub(super) const STATUSES: [(&str, State); 11] = [
    ("PENDING", State::Is(Status::Submitted)),
    ("TEXT_SUCCESS", State::Is(Status::InProgress)),
    ("FIRST_SUCCESS", State::Is(Status::InProgress)),
    ("SUCCESS", State::Is(Status::Success)),
    ("CREATE_TASK_FAILED", State::Is(Status::Failure)),
    ("GENERATE_AUDIO_FAILED", State::Is(Status::Failure)),
    ("GENERATE_LYRICS_FAILED", State::Is(Status::Failure)),
    ("GENERATE_WAV_FAILED", State::Is(Status::Failure)),
    ("GENERATE_MP4_FAILED", State::Is(Status::Failure)),
    ("SENSITIVE_WORD_ERROR", State::Is(Status::Failure)),
    // The vendor could not call our `callBackUrl`: that is no trouble of the song.
    ("CALLBACK_EXCEPTION", State::AsTheResult),
];

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// This status of ours.
    Is(Status),
    /// It succeeded if the result is whole, and is being made otherwise.
    AsTheResult,
}

/// What the vendors call the models of ours.
pub(super) const MODELS: [(&str, &str); 7] = [
    // The platform's own oldest one, which no vendor has: theirs that is no dearer.
    ("chirp-v3-0", MODEL),
    ("chirp-v3-5", "V3_5"),
    ("chirp-v4", "V4"),
    ("chirp-auk", "V4_5"),
    ("chirp-bluejay", "V4_5PLUS"),
    ("chirp-crow", "V5"),
    ("chirp-fenix", "V5_5"),
];

/// The model of a request that names none.
pub(super) const MODEL: &str = "V4_5";

/// The address that the vendor is to call when a task changes, if the vendor cannot call us. The vendors demand one. No
/// host has this address: tasks are polled.
pub(super) const NO_CALLBACK: &str = "https://callback.invalid/";

/// An id that no vendor gave to a task.
pub(super) const NO_TASK: &str = "00000000000000000000000000000000";

/// The path of submits.
pub(super) const SONG: &str = "/api/v1/generate";
pub(super) const EXTEND: &str = "/api/v1/generate/extend";
pub(super) const LYRICS: &str = "/api/v1/lyrics";

pub(super) const COVER: &str = "/api/v1/generate/upload-cover";

/// What is made of one clip as a file: the action, the path of submits, the path that tells of a task, and the field of
/// its result that holds the address. (?)
pub(super) const FILES: [(Action, &str, &str, &str); 2] = [
    (
        Action::WAV,
        "/api/v1/wav/generate",
        "/api/v1/wav/record-info",
        "audioWavUrl",
    ),
    (
        Action::MP4,
        "/api/v1/mp4/generate",
        "/api/v1/mp4/record-info",
        "videoUrl",
    ),
];

/// The path that tells of a task.
pub(super) fn fetch_path(action: Action) -> &'static str {
    let file = FILES.iter().find(|(of, ..)| *of == action);
    match (action, file) {
        (_, Some((_, _, path, _))) => path,
        (Action::LYRICS, _) => "/api/v1/lyrics/record-info",
        _ => "/api/v1/generate/record-info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::assert_row;

    const PAGE: &str = include_str!("../../../docs/upstreams/sunoapi.md");

    #[test]
    fn the_page_has_every_row_of_these_tables() {
        for (word, state) in STATUSES {
            let ours = match state {
                State::Is(status) => status,
                State::AsTheResult => Status::Success,
            };
            assert_row(PAGE, &[word, ours.as_str()]);
        }
        for (ours, theirs) in MODELS {
            assert_row(PAGE, &[ours, theirs]);
        }
        for (code, _) in CODES {
            assert!(PAGE.contains(&code.to_string()), "{code}");
        }
        let files = FILES.iter().map(|(_, path, ..)| *path);
        for path in [SONG, EXTEND, COVER, LYRICS].into_iter().chain(files) {
            assert_row(PAGE, &[&format!("POST {path}")]);
        }
    }
}
