//! `GET /readyz`: 200 if database and broker answer, else 503.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shared::process::health::Readiness;
use utoipa::ToSchema;

use crate::state::App;

/// The JSON of [`Readiness`]: `ok` or `unreachable` for each.
#[derive(ToSchema)]
#[schema(as = Readiness)]
#[allow(dead_code, reason = "it describes a type of another crate")]
struct Shape {
    database: String,
    broker: String,
}

/// Whether database and broker answer.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = crate::openapi::OPERATORS,
    responses(
        (status = 200, description = "Both answer", body = Shape),
        (status = 503, description = "One of them does not", body = Shape),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let readiness = Readiness::check(&app.store, &*app.broker).await;
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}
