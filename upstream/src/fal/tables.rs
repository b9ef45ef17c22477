//! What the vendor's documents say, in tables. Nothing here was tried at the vendor's.

use shared::task::Status;

/// What a request's `status` says of a task of ours.
pub(super) const STATUSES: [(&str, State); 7] = [
    ("IN_QUEUE", State::Is(Status::Queued)),
    ("IN_PROGRESS", State::Is(Status::InProgress)),
    ("COMPLETED", State::AsTheResult),
    // No document of the vendor's has these.
    ("FAILED", State::Is(Status::Failure)),
    ("ERROR", State::Is(Status::Failure)),
    ("CANCELLED", State::Is(Status::Failure)),
    ("CANCELED", State::Is(Status::Failure)),
];

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// This status of ours.
    Is(Status),
    /// An `error` beside the status, or else the result, tells whether it succeeded.
    AsTheResult,
}

/// What the HTTP statuses of a result, from and to, say. The first that matches counts.
pub(super) const RESULTS: [(u16, u16, Says); 10] = [
    (202, 202, Says::Nothing),
    (200, 299, Says::Made),
    (300, 399, Says::OfChannel),
    (401, 403, Says::OfChannel),
    (405, 405, Says::OfChannel),
    (407, 408, Says::OfChannel),
    (425, 425, Says::OfChannel),
    (429, 429, Says::OfChannel),
    (400, 499, Says::Failed),
    // The task was paid for, and the call before was answered.
    (500, 599, Says::Nothing),
];

/// What the answer to a call for a result says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// The result is in it, or an error.
    Made,
    /// The task failed.
    Failed,
    /// Nothing of the task, which is asked for again.
    Nothing,
    /// Something is wrong with the channel.
    OfChannel,
}

/// What the HTTP status of a result says.
pub(super) fn says(status: u16) -> Says {
    let known = RESULTS
        .iter()
        .find(|(from, to, _)| (*from..=*to).contains(&status));
    known.map_or(Says::OfChannel, |(_, _, says)| *says)
}

/// Words, in lower case, of an error at a result that is not there yet.
pub(super) const NOT_YET: &str = "still in progress";

/// What the HTTP statuses of a wish to cancel, from and to, with this `status` in the body mean. The first that matches
/// counts; an empty text is any. What stands here in no line is trouble of the channel.
pub(super) const CANCELS: [(u16, u16, &str, Cancel); 5] = [
    (200, 299, "ALREADY_COMPLETED", Cancel::TooLate),
    (200, 299, "NOT_FOUND", Cancel::NoSuchTask),
    (200, 299, "", Cancel::AskedFor),
    (400, 400, "", Cancel::TooLate),
    (404, 404, "", Cancel::NoSuchTask),
];

/// How a wish to cancel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    /// The vendor took note of it.
    AskedFor,
    /// The request is finished.
    TooLate,
    /// The vendor does not know the request.
    NoSuchTask,
}

/// Where a result has what can be played: an object with a `url`, a text, or a list of these.
pub(super) const AUDIO: [&str; 3] = ["audio", "audio_file", "audio_url"];

/// Where a file, or else the whole result, tells how long the music is, and by what to divide that to get seconds.
pub(super) const DURATIONS: [(&str, f64); 3] = [
    ("duration", 1.0),
    ("duration_seconds", 1.0),
    ("duration_ms", 1_000.0),
];

/// The scheme of the header `Authorization`.
pub(super) const SCHEME: &str = "Key";

/// A segment that no model's name has: what comes after it names a request.
pub(super) const REQUESTS: &str = "requests";

/// The path that tells of a request that nobody made.
pub(super) const NOBODYS: &str =
    "/fal-ai/stable-audio/requests/00000000-0000-0000-0000-000000000000/status";

#[cfg(test)]
mod tests {
    use super::super::inputs::INPUTS;
    use super::*;
    use crate::pages::assert_row;

    const PAGE: &str = include_str!("../../../docs/upstreams/fal.md");

    #[test]
    fn the_page_has_every_row_of_these_tables() {
        for (word, state) in STATUSES {
            match state {
                State::Is(status) => assert_row(PAGE, &[word, status.as_str()]),
                State::AsTheResult => assert_row(PAGE, &[word]),
            }
        }
        for (from, to, says) in RESULTS {
            let says = match says {
                Says::Made => "the result",
                Says::Failed => "`FAILURE`",
                Says::Nothing => "nothing",
                Says::OfChannel => "the channel",
            };
            let statuses = if from == to {
                from.to_string()
            } else {
                format!("{from} to {to}")
            };
            let row = PAGE.lines().find(|line| {
                let mut cells = line.split('|').skip(1).map(str::trim);
                cells
                    .next()
                    .is_some_and(|cell| cell.split(", ").any(|one| one == statuses))
            });
            let row = row.unwrap_or_else(|| panic!("no row has {statuses}"));
            assert!(row.contains(says), "{row}");
        }
        for (_, _, word, meant) in CANCELS {
            let meant = match meant {
                Cancel::AskedFor => "asked for",
                Cancel::TooLate => "too late",
                Cancel::NoSuchTask => "no such task",
            };
            let mut rows = PAGE.lines().filter(|line| line.starts_with('|'));
            let has_row = rows.any(|row| row.contains(word) && row.contains(meant));
            assert!(has_row, "{word} {meant}");
        }
        assert_row(PAGE, &AUDIO);
        assert_row(PAGE, &DURATIONS.map(|(name, _)| name));
        for (field, _) in INPUTS.fields {
            assert_row(PAGE, &[field]);
        }
        assert!(PAGE.contains(NOT_YET) && PAGE.contains(NOBODYS));
    }
}
