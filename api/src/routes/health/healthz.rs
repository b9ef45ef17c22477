//! `GET /healthz`: 200 while the process lives.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the process lives.
///
/// Checks no other service: an unreachable database is no reason to restart the process.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = crate::openapi::OPERATORS,
    responses((status = 200, description = "The process lives", body = Alive)),
)]
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}
