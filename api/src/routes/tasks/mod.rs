//! The endpoints that are the same for every platform (`docs/contract.md`, "Making music").
//!
//! | file | what it holds |
//! |---|---|
//! | [`submit`] | `POST /v1/tasks` |
//! | [`fetch`] | `GET /v1/tasks/{task_id}` |

pub mod fetch;
pub mod submit;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

/// The routes of `/v1/tasks`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit))
        .routes(routes!(fetch::fetch))
}
