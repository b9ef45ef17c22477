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

/// The routes; without `/metrics`, if it is served elsewhere.
pub(crate) fn routes(metrics_apart: bool) -> OpenApiRouter<App> {
    let router = OpenApiRouter::new()
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz));
    if metrics_apart {
        return router;
    }
    router.routes(routes!(metrics::metrics))
}
