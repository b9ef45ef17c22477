//! The endpoints for music, in the upstream's format (`docs/contract.md`, "Making music").
//!
//! | file | what it holds |
//! |---|---|
//! | [`submit`] | `POST /suno/submit/{action}` |
//! | [`fetch`] | `GET /suno/fetch/{task_id}` |
//! | [`fetch_many`] | `POST /suno/fetch` |
//! | [`response`] | the body of a success, and a task in it |

pub mod fetch;
pub mod fetch_many;
pub mod response;
pub mod submit;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

/// The routes of `/suno/*`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit))
        .routes(routes!(fetch::fetch))
        .routes(routes!(fetch_many::fetch_many))
}
