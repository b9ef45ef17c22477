//! The platform `suno` in its own dialect, under `/suno`.

mod act;
pub mod print;
mod routes;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Dialect, Printed};
use crate::{
    request::{Action, Request},
    routes::{fetch::one, submit::submits},
    secrets::Secrets,
    upstream::Upstream,
};

/// An HTTP status, and a word as the code.
pub struct Suno;

impl Dialect for Suno {
    fn about(&self) -> &'static str {
        "/suno/…      the platform suno"
    }

    fn routes(&self) -> Router<Arc<Upstream>> {
        Router::new()
            .route("/suno/submit/music", submits(&Self, Action::Music))
            .route("/suno/submit/lyrics", submits(&Self, Action::Lyrics))
            .route(
                "/suno/submit/concat",
                submits(&Self, Action::Other("CONCAT")),
            )
            .route("/suno/submit/stems", submits(&Self, Action::Other("STEMS")))
            .route("/suno/uploads/audio-url", post(routes::upload))
            .route("/suno/persona/create", post(routes::persona))
            .route("/suno/act/{kind}/{clip}", get(act::act))
            .route("/suno/fetch", post(routes::fetch))
            .route("/suno/fetch/{id}", one(&Self))
    }

    fn request(&self, action: Action, body: &[u8]) -> Result<Request, String> {
        Request::read(action, body)
    }

    fn accepted(&self, id: String, _: &Secrets) -> Value {
        id.into()
    }

    fn printed(&self, task: Printed) -> Printed {
        task
    }

    fn status_of_unknown_task(&self) -> Option<StatusCode> {
        Some(StatusCode::BAD_REQUEST)
    }

    fn halves(&self, data: &str) -> (&'static str, String) {
        (
            r#"{"code":"success","message":""#,
            format!(r#"","data":{data}}}"#),
        )
    }

    fn error(&self, status: StatusCode, code: &str, message: &str) -> Response {
        let body = json!({"code": code, "message": message, "data": null});
        (status, Json(body)).into_response()
    }
}
