//! Health and figures (`docs/contract.md`, "Health and metrics"). They need no credential, because
//! they tell nothing of users and tasks.
//!
//! | file | what it holds |
//! |---|---|
//! | [`healthz`] | whether the process lives |
//! | [`readyz`] | whether database and broker answer |
//! | [`metrics`] | the figures, in Prometheus text |

pub mod healthz;
pub mod metrics;
pub mod readyz;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

/// The three routes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
        .routes(routes!(metrics::metrics))
}
