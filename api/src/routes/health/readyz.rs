//! `GET /readyz`: 200 when database and broker answer, else 503 with which one does not.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shared::health::Readiness;

use crate::state::App;

pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let readiness = Readiness::ask(&*app.store, &*app.broker).await;
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}
