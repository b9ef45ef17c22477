//! `GET /metrics`: figures in Prometheus text.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use shared::health::PROMETHEUS;

use crate::state::App;

pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS)], app.figures.render())
}
