//! Why a command failed.

use shared::broker::BrokerError;
use shared::config::Mistakes;
use shared::process::start::StartError;
use shared::store::StoreError;
use shared::task::KeyId;

/// Why a command failed, in words for the operator. They are printed on stderr, with exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(String);

impl CommandError {
    /// The command failed for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(super) fn no_user(name: &str) -> Self {
        Self(format!(
            "there is no user named `{name}`; `user list` shows all"
        ))
    }

    pub(super) fn no_key(id: KeyId) -> Self {
        Self(format!(
            "there is no key with the id {id}; `key list --user NAME` shows a user's"
        ))
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self(error.in_plain_words())
    }
}

impl From<BrokerError> for CommandError {
    fn from(error: BrokerError) -> Self {
        Self(format!("AMQP_URL: {error}"))
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self(error.to_string())
    }
}

impl From<Mistakes> for CommandError {
    fn from(mistakes: Mistakes) -> Self {
        Self(mistakes.to_string())
    }
}
