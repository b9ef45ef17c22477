//! Which actions a channel serves.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Action;
use super::platform::NotAName;

/// The actions that a channel serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions(Option<Vec<Action>>);

/// What a channel serves of which nothing else is said. The statements of a submit have these names, too.
const DEFAULT: &[Action] = &[Action::SONG, Action::LYRICS];

impl Actions {
    /// These actions and no others, each once; of an empty list: the default.
    pub fn only(actions: impl IntoIterator<Item = Action>) -> Self {
        let mut only = Vec::new();
        for action in actions {
            if !only.contains(&action) {
                only.push(action);
            }
        }
        Self(Some(only).filter(|only| !only.is_empty()))
    }

    /// Whether the channel serves the action.
    pub fn serves(&self, action: Action) -> bool {
        self.as_slice().contains(&action)
    }

    /// The actions.
    pub fn as_slice(&self) -> &[Action] {
        self.0.as_deref().unwrap_or(DEFAULT)
    }

    /// What the database keeps: the names, separated by commas; `None` for the default.
    pub fn stored(&self) -> Option<String> {
        self.0.as_ref().map(|_| self.to_string())
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.as_slice().iter().map(Action::as_str).collect();
        f.write_str(&names.join(","))
    }
}

/// Reads what [`Actions::stored`] returned. The names are not checked against those that this program knows:
/// a newer program may have stored them.
impl FromStr for Actions {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let actions: Result<Vec<Action>, NotAName> = text.split(',').map(str::parse).collect();
        actions.map(Self::only)
    }
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn songs_and_lyrics_are_served_by_default() {
        let actions = Actions::default();
        let video: Action = "video".parse().expect("it is a name");
        assert!(actions.serves(Action::SONG) && actions.serves(Action::LYRICS));
        assert!(!actions.serves(video));
        assert_eq!(
            (actions.stored(), Actions::only([])),
            (None, actions.clone())
        );
        assert_eq!(actions.to_string(), "song,lyrics");
    }

    #[test]
    fn a_list_serves_what_it_names_and_reads_back() {
        let video: Action = "video".parse().expect("it is a name");
        let actions = Actions::only([video, Action::SONG, video]);
        assert!(actions.serves(video) && actions.serves(Action::SONG));
        assert!(!actions.serves(Action::LYRICS));
        let stored = actions.stored().expect("it is no default");
        assert_eq!(stored, "video,song");
        assert_eq!(stored.parse(), Ok(actions));
        assert!("song,,lyrics".parse::<Actions>().is_err());
    }
}
