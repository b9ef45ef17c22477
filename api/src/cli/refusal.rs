//! Why a command did not do it.

use shared::store::StoreError;

/// Why a command did not do it, in words for the operator: for stderr, with exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    /// It was not done, for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(super) fn no_user(name: &str) -> Self {
        Self(format!(
            "there is no user named `{name}`; `user list` shows all"
        ))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(error.in_plain_words())
    }
}
