//! Platforms and actions.
//!
//! Both are names and not enums: a program reads, lists and counts tasks of a platform that only a
//! newer program can submit to.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Quota;
use super::actions::Actions;

/// The longest name, in bytes.
const LONGEST: usize = 16;

/// 1 to [`LONGEST`] of `a` to `z`, `0` to `9`, `-` and `_`; the rest of the array is 0.
type Name = [u8; LONGEST];

/// `None` for a text that is no name.
const fn name(text: &str) -> Option<Name> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > LONGEST {
        return None;
    }
    let mut name = [0; LONGEST];
    let mut at = 0;
    while at < bytes.len() {
        if !matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
            return None;
        }
        name[at] = bytes[at];
        at += 1;
    }
    Some(name)
}

/// The text is no name of a platform or an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not 1 to 16 of a-z, 0-9, - and _")]
pub struct NotAName(pub String);

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Name);

        impl $type {
            /// This name. Panics if the text is none; for constants.
            pub const fn new(text: &str) -> Self {
                match name(text) {
                    Some(name) => Self(name),
                    None => panic!("this is no name"),
                }
            }

            /// The name in the API, the command line and the database.
            pub fn as_str(&self) -> &str {
                let end = self.0.iter().position(|byte| *byte == 0);
                // Only ASCII gets in.
                str::from_utf8(&self.0[..end.unwrap_or(LONGEST)]).unwrap_or_default()
            }
        }

        impl FromStr for $type {
            type Err = NotAName;

            fn from_str(text: &str) -> Result<Self, NotAName> {
                name(text).map(Self).ok_or_else(|| NotAName(text.to_owned()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

name!(
    /// Who makes the music.
    Platform
);
name!(
    /// What is made.
    Action
);
name!(
    /// How an upstream speaks, where a platform has several ways.
    Dialect
);

/// What this program knows of a platform.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The platform.
    pub platform: Platform,
    /// What it makes.
    pub actions: &'static [Action],
    /// What a channel serves of which nothing else is said.
    pub served: &'static [Action],
    /// What one task costs until an operator sets another price. What has no price is not sold.
    pub prices: &'static [(Action, u32)],
}

/// Every platform that this program knows.
///
/// `docs/upstreams/README.md` lists what another platform takes.
pub const PLATFORMS: &[Known] = &[
    Known {
        platform: Platform::SUNO,
        actions: &[
            Action::SONG,
            Action::LYRICS,
            Action::CONCAT,
            Action::UPLOAD,
            Action::PERSONA,
            Action::STEMS,
            Action::WAV,
            Action::MP4,
            Action::TIMING,
        ],
        served: &[Action::SONG, Action::LYRICS],
        prices: &[(Action::SONG, 150_000), (Action::LYRICS, 5_000)],
    },
    Known {
        platform: Platform::MUREKA,
        actions: MUREKA_ACTIONS,
        served: MUREKA_ACTIONS,
        prices: &[],
    },
    Known {
        platform: Platform::FAL,
        actions: &[Action::SONG],
        served: &[Action::SONG],
        prices: &[],
    },
];

const MUREKA_ACTIONS: &[Action] = &[
    Action::SONG,
    Action::INSTRUMENTAL,
    Action::EXTEND,
    Action::STEM,
    Action::LYRICS,
];

impl Platform {
    /// Suno, and every gateway that speaks its dialect.
    pub const SUNO: Self = Self::new("suno");
    /// Mureka.
    pub const MUREKA: Self = Self::new("mureka");
    /// fal, which runs models of many makers.
    pub const FAL: Self = Self::new("fal");

    /// Every platform that this program knows.
    pub fn known() -> impl Iterator<Item = &'static Self> {
        PLATFORMS.iter().map(|known| &known.platform)
    }

    /// What the platform makes; nothing if this program does not know it.
    pub fn actions(self) -> impl Iterator<Item = &'static Action> {
        let known = PLATFORMS.iter().filter(move |known| known.platform == self);
        known.flat_map(|known| known.actions)
    }

    /// The action of the platform that a client or an operator names, as [`Action::from_client`] reads it.
    pub fn action(self, name: &str) -> Option<Action> {
        let named = Action::from_client(name);
        named.filter(|action| self.actions().any(|known| known == action))
    }

    /// What a channel of the platform serves of which nothing else is said.
    pub fn served(self) -> Actions {
        let known = PLATFORMS.iter().filter(move |known| known.platform == self);
        let served = Actions::only(known.flat_map(|known| known.served.iter().copied()));
        // What is said of no channel is not stored either.
        if served.as_slice() == Actions::default().as_slice() {
            return Actions::default();
        }
        served
    }
}

impl Action {
    /// A song: `song` in the listings, `music` in the relay's paths.
    pub const SONG: Self = Self::new("song");
    /// The words of a song.
    pub const LYRICS: Self = Self::new("lyrics");
    /// Music without a voice, where that is an action of its own.
    pub const INSTRUMENTAL: Self = Self::new("instrumental");
    /// More of a song, where that is an action of its own.
    pub const EXTEND: Self = Self::new("extend");
    /// The tracks of a song, each alone.
    pub const STEM: Self = Self::new("stem");
    /// Clips of a song, joined.
    pub const CONCAT: Self = Self::new("concat");
    /// Somebody's own audio, made a clip.
    pub const UPLOAD: Self = Self::new("upload");
    /// A voice that songs can be made with.
    pub const PERSONA: Self = Self::new("persona");
    /// The voices and instruments of a clip, apart.
    pub const STEMS: Self = Self::new("stems");
    /// A clip as a WAV file.
    pub const WAV: Self = Self::new("wav");
    /// A clip as a video.
    pub const MP4: Self = Self::new("mp4");
    /// When each word of a clip is sung.
    pub const TIMING: Self = Self::new("timing");

    /// The actions of all platforms that this program knows, each once.
    pub fn known() -> Vec<&'static Self> {
        let mut actions = Vec::new();
        for action in Platform::known().flat_map(|platform| platform.actions()) {
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
        actions
    }

    /// The known action that a client means, in any case: `music` is another name of `song`.
    pub fn from_client(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let text = if text == "music" { "song" } else { &text };
        Self::known()
            .into_iter()
            .find(|action| action.as_str() == text)
            .copied()
    }
}

/// What each task costs until an operator sets another price.
pub fn default_prices() -> impl Iterator<Item = (Platform, Action, Quota)> {
    PLATFORMS.iter().flat_map(|known| {
        let price = |(action, quota): &(Action, u32)| (known.platform, *action, (*quota).into());
        known.prices.iter().map(price)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn song_and_music_are_one_action_in_any_case() {
        for text in ["song", "music", "MUSIC", "Song"] {
            assert_eq!(Action::from_client(text), Some(Action::SONG), "{text}");
        }
        assert_eq!(Action::from_client("LYRICS"), Some(Action::LYRICS));
        assert_eq!(Action::from_client("video"), None);
    }

    #[test]
    fn names_read_back() {
        for action in Action::known() {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
        for platform in Platform::known() {
            assert_eq!(platform.as_str().parse(), Ok(*platform));
        }
        let longest = "a-name_of_16-or0";
        let read = longest.parse::<Action>().map(|action| action.to_string());
        assert_eq!(read.as_deref(), Ok(longest));
    }

    #[test]
    fn what_is_no_name_does_not_read() {
        for text in ["", "Suno", "su no", "a-name-of-17-or-0", "a\0", "ü"] {
            let refused = text.parse::<Platform>();
            assert_eq!(refused, Err(NotAName(text.to_owned())));
        }
    }
}
