//! Platforms and actions.

use std::fmt;
use std::str::FromStr;

/// Who makes the music. The next platform is a variant here and a folder in `worker/src`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Suno, and every gateway that speaks its dialect.
    Suno,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 1] = [Self::Suno];

    /// Its name in the API, the command line and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suno => "suno",
        }
    }
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A song: `song` in the listings, `music` in the relay's paths, `MUSIC` upstream.
    Song,
    /// Lyrics: `lyrics`, and `LYRICS` upstream.
    Lyrics,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 2] = [Self::Song, Self::Lyrics];

    /// Its name in the listings, the command line and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Song => "song",
            Self::Lyrics => "lyrics",
        }
    }

    /// Its name in the upstream's dialect.
    pub fn upstream_name(self) -> &'static str {
        match self {
            Self::Song => "MUSIC",
            Self::Lyrics => "LYRICS",
        }
    }

    /// The action a client named: `song` and `music` are the same thing, in any case.
    pub fn from_client(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "song" | "music" => Some(Self::Song),
            "lyrics" => Some(Self::Lyrics),
            _ => None,
        }
    }
}

/// The text names no platform or action that we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not known here")]
pub struct NotKnown(pub String);

impl FromStr for Platform {
    type Err = NotKnown;

    fn from_str(text: &str) -> Result<Self, NotKnown> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| NotKnown(text.to_owned()))
    }
}

impl FromStr for Action {
    type Err = NotKnown;

    fn from_str(text: &str) -> Result<Self, NotKnown> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == text)
            .ok_or_else(|| NotKnown(text.to_owned()))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn song_and_music_are_one_action_in_any_case() {
        for text in ["song", "music", "MUSIC", "Song"] {
            assert_eq!(Action::from_client(text), Some(Action::Song), "{text}");
        }
        assert_eq!(Action::from_client("LYRICS"), Some(Action::Lyrics));
        assert_eq!(Action::from_client("video"), None);
    }

    #[test]
    fn names_read_back() {
        assert!(Action::ALL.into_iter().all(|a| a.as_str().parse() == Ok(a)));
        assert!(
            Platform::ALL
                .into_iter()
                .all(|p| p.as_str().parse() == Ok(p))
        );
    }
}
