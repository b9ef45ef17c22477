//! `GET /readyz`: 200 if the database can be written, else 503; 503 while the process stops, too.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
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
    /// There and `true` while the process stops: it takes requests for `DRAIN_DELAY` yet.
    stopping: Option<bool>,
}

/// The answer.
#[derive(Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    readiness: Readiness,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
}

/// Whether the API can do its work: whether the database can be written.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = crate::openapi::OPERATORS,
    responses(
        (status = 200, description = "The database can be written", body = Shape),
        (status = 503, description = "It cannot, the clock is wrong, or the process stops", body = Shape),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Answer>) {
    let readiness = Readiness::check(&app.store, &*app.broker, &*app.clock).await;
    let stopping = app.stop.is_requested();
    let status = if readiness.is_ready(Needs::Database) && !stopping {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let answer = Answer {
        readiness,
        stopping,
    };
    (status, Json(answer))
}
