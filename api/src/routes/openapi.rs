//! `GET /openapi.json`: the description of the API, for programs.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi;

/// The description as JSON, written once at start.
#[derive(Debug, Clone)]
pub(crate) struct Document(Bytes);

impl Document {
    /// Writes the description as JSON.
    pub fn of(document: &OpenApi) -> Self {
        let text = serde_json::to_string(document).unwrap_or_else(|error| {
            tracing::error!(%error, "the description could not be written as JSON");
            "{}".to_owned()
        });
        Self(text.into())
    }
}

/// This description, `OpenAPI` 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = crate::openapi::OPERATORS,
    responses((status = 200, description = "This description", body = Object)),
)]
pub(crate) async fn openapi(Extension(Document(text)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text)
}
