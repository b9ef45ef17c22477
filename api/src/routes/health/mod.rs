//! Health and figures (contract, section 4). No credential: they tell nothing of users or tasks.
//!
//! | file | what it holds |
//! |---|---|
//! | [`healthz`] | whether the process lives |
//! | [`readyz`] | whether database and broker answer |
//! | [`metrics`] | figures in Prometheus text |

pub mod healthz;
pub mod metrics;
pub mod readyz;

use axum::Router;
use axum::routing::get;

use crate::state::App;

/// The three of them.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz::healthz))
        .route("/readyz", get(readyz::readyz))
        .route("/metrics", get(metrics::metrics))
}
