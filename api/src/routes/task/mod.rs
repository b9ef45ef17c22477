//! The listings of the user's document (contract, section 2).
//!
//! | file | what it holds |
//! |---|---|
//! | [`list_own`] | `GET /api/task/self`: the caller's own tasks |
//! | [`list_all`] | `GET /api/task/`: everybody's, for administrators |
//! | [`filter`] | the parameters that both take |
//! | [`page`] | the answer that both give |
//! | [`query`] | query strings, read strictly |

pub mod filter;
pub mod list_all;
pub mod list_own;
pub mod page;
pub mod query;

use axum::Router;
use axum::routing::get;

use crate::state::App;

/// Both listings, with and without the trailing slash.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/task/self", get(list_own::list_own))
        .route("/api/task/self/", get(list_own::list_own))
        .route("/api/task", get(list_all::list_all))
        .route("/api/task/", get(list_all::list_all))
}
