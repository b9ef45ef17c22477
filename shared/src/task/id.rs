//! The types of ids, so that a user's number is never taken for a task's.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::random::Random;

/// Types of numbers.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

pub(super) use numbers;

numbers! {
    /// A user.
    UserId;
    /// An API key; never its secret.
    KeyId;
    /// A channel.
    ChannelId;
    /// A task's row: `id` in listings and messages.
    RowId;
}

/// A task's public id: `task_` and 32 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl TaskId {
    pub(crate) const PREFIX: &'static str = "task_";
    /// How many letters and digits follow the prefix.
    pub(crate) const LETTERS: usize = 32;

    /// A new id.
    pub fn random(random: &Random) -> Self {
        Self(format!(
            "{}{}",
            Self::PREFIX,
            random.letters_and_digits(Self::LETTERS)
        ))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a task id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task id is `task_` followed by 32 letters and digits")]
pub struct NotATaskId;

impl FromStr for TaskId {
    type Err = NotATaskId;

    fn from_str(text: &str) -> Result<Self, NotATaskId> {
        match text.strip_prefix(Self::PREFIX) {
            Some(rest)
                if rest.len() == Self::LETTERS
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NotATaskId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_task_id_reads_back() {
        let id = TaskId::random(&Random::seeded(1));
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
    }

    #[test]
    fn what_is_no_task_id_is_refused() {
        for text in [
            "",
            "task_",
            "task_abc",
            "7c0d0c2e-6f0b-4a3e-9d1c-2f3a5b6c7d8e",
        ] {
            assert_eq!(text.parse::<TaskId>(), Err(NotATaskId), "{text}");
        }
        let with_null = format!("task_{}\0", "a".repeat(31));
        assert_eq!(with_null.parse::<TaskId>(), Err(NotATaskId));
    }
}
