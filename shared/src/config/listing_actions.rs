//! How the listings name actions: `LISTING_ACTIONS`.

/// How the listings name actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListingActions {
    /// `song`, `lyrics`: as `docs/task-center-api.zh.md` names them.
    #[default]
    Document,
    /// `MUSIC`, `LYRICS`: as the pages of new-api know them.
    NewApi,
}

impl ListingActions {
    /// `None`: `text` names none of them.
    pub(super) fn from_name(text: &str) -> Option<Self> {
        match text {
            "document" => Some(Self::Document),
            "new-api" => Some(Self::NewApi),
            _ => None,
        }
    }
}
