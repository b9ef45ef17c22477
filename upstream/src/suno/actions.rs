//! What each action is at an upstream: one table, easy to change.
//!
//! Only `song` and `lyrics` were seen at a vendor's. The others are as resellers of the dialect document them.

use shared::task::Action;

/// What an upstream does with a submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A POST of the request makes a task.
    Post,
    /// A POST of the request makes a task or, at some upstreams, a clip at once: only a fetch tells which of them the
    /// id in the answer names.
    PostOfEither,
    /// A GET of the path and a clip's id. It makes no task: it answers with the result, or that there is none yet.
    Get,
}

/// How an answer holds the result itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Clips, each complete and with an address.
    Clips,
    /// Words that are complete.
    Words,
    /// The id of a clip that was uploaded, or its address.
    Upload,
    /// The id of a persona.
    Persona,
    /// The address of a file.
    Address,
    /// When each word is sung.
    Timing,
}

/// An action at an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Our action.
    pub action: Action,
    /// How it is submitted.
    pub way: Way,
    /// The path, after the channel's address.
    pub path: &'static str,
    /// What is a result in an answer.
    pub holds: Holds,
}

const fn line(action: Action, way: Way, path: &'static str, holds: Holds) -> Line {
    Line {
        action,
        way,
        path,
        holds,
    }
}

/// The table.
pub const ACTIONS: [Line; 9] = [
    line(Action::SONG, Way::Post, "/suno/submit/music", Holds::Clips),
    line(
        Action::LYRICS,
        Way::Post,
        "/suno/submit/lyrics",
        Holds::Words,
    ),
    line(
        Action::CONCAT,
        Way::Post,
        "/suno/submit/concat",
        Holds::Clips,
    ),
    line(
        Action::UPLOAD,
        Way::PostOfEither,
        "/suno/uploads/audio-url",
        Holds::Upload,
    ),
    line(
        Action::PERSONA,
        Way::Post,
        "/suno/persona/create/",
        Holds::Persona,
    ),
    line(Action::STEMS, Way::Post, "/suno/submit/stems", Holds::Clips),
    line(Action::WAV, Way::Get, "/suno/act/wav/", Holds::Address),
    line(Action::MP4, Way::Get, "/suno/act/mp4/", Holds::Address),
    line(Action::TIMING, Way::Get, "/suno/act/timing/", Holds::Timing),
];

/// The line of an action; `None`: the platform has no such action.
pub fn of(action: Action) -> Option<&'static Line> {
    ACTIONS.iter().find(|line| line.action == action)
}
