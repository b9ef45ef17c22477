//! `GET /metrics`: the figures, in Prometheus text.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use shared::process::health::PROMETHEUS;

use shared::process::telemetry::Figures;

use crate::state::App;

/// Figures in Prometheus text.
///
/// Not here if `METRICS_BIND` is set.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = crate::openapi::OPERATORS,
    responses((status = 200, description = "Figures", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    text(&app.figures)
}

/// The figures as a response.
pub(crate) fn text(figures: &Figures) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, PROMETHEUS)], figures.render())
}
