//! What stands between a program and `PostgreSQL`: `DATABASE_POOLER`.

/// What stands between a program and `PostgreSQL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Nothing, or a pooler that gives each connection one of the server's for as long as it lives.
    #[default]
    None,
    /// A pooler that gives each transaction another connection of the server: so nothing is set for a session, each
    /// statement stands in a transaction, and no statement has a name.
    Transaction,
}

impl Pooler {
    /// `None`: `text` names none of them.
    pub(super) fn from_name(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "transaction" => Some(Self::Transaction),
            _ => None,
        }
    }
}
