//! `GET /readyz`: 200 if the database can be written, else 503.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shared::process::health::{Needs, Readiness};
use utoipa::ToSchema;

use crate::state::App;

/// The JSON of [`Readiness`]: `ok`, or what is wrong, for each.
#[derive(ToSchema)]
#[schema(as = Readiness)]
#[allow(dead_code, reason = "it describes a type of another crate")]
struct Shape {
    database: String,
    /// Does not count: submits are taken without a broker.
    broker: String,
    clock: String,
}

/// Whether the API can do its work: whether the database can be written.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = crate::openapi::OPERATORS,
    responses(
        (status = 200, description = "The database can be written", body = Shape),
        (status = 503, description = "It cannot, or the clock is wrong", body = Shape),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let readiness = Readiness::check(&app.store, &*app.broker, &*app.clock).await;
    let status = if readiness.is_ready(Needs::Database) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}
