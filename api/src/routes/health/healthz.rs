//! `GET /healthz`: 200 while the process lives.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// That we live.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// `ok`.
    status: &'static str,
}

/// Whether the process lives.
///
/// Asks nobody: a database that is away is no reason to restart us.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = crate::openapi::OPERATORS,
    responses((status = 200, description = "The process lives", body = Alive)),
)]
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}
