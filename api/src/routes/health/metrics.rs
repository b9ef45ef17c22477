//! `GET /metrics`: the figures, in Prometheus text.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use shared::process::health::PROMETHEUS;

use crate::state::App;

/// Figures in Prometheus text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = crate::openapi::OPERATORS,
    responses((status = 200, description = "Figures", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS)], app.figures.render())
}
