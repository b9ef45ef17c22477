//! `GET /healthz`: 200 while the process lives.

use axum::Json;
use serde::Serialize;

/// That we live.
#[derive(Debug, Serialize)]
pub struct Alive {
    status: &'static str,
}

/// Asks nobody: a database that is away is no reason to restart us.
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}
