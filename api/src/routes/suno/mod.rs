//! Making music, in the upstream's dialect (contract, section 3).
//!
//! | file | what it holds |
//! |---|---|
//! | [`submit`] | `POST /suno/submit/{action}` |
//! | [`request`] | what a submit asks for, checked |
//! | [`idempotency`] | `Idempotency-Key` |
//! | [`fetch`] | `GET /suno/fetch/{task_id}` |
//! | [`fetch_many`] | `POST /suno/fetch` |
//! | [`answer`] | the shape of success, and of a task |

pub mod answer;
pub mod fetch;
pub mod fetch_many;
pub mod idempotency;
pub mod request;
pub mod submit;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

/// The relay's routes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit))
        .routes(routes!(fetch::fetch))
        .routes(routes!(fetch_many::fetch_many))
}
