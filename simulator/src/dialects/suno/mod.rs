//! The platform `suno` in its own dialect, under `/suno`.

pub mod print;
mod routes;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::Dialect;
use crate::{
    request::{Action, Request},
    routes::{fetch::one, submit::submits},
    upstream::Upstream,
};

/// An HTTP status, and a word as the code.
pub const DIALECT: Dialect = Dialect {
    about: "/suno/…      the platform suno",
    routes,
    scheme: "Bearer",
    request: Request::read,
    accepted: |id, _| id.into(),
    result_at_once: None,
    printed: |task| task,
    status_of_unknown_task: Some(StatusCode::BAD_REQUEST),
    halves: |data| {
        let head = r#"{"code":"success","message":""#;
        (head, format!(r#"","data":{data}}}"#))
    },
    error,
    call_back: None,
};

fn routes() -> Router<Arc<Upstream>> {
    let submits = |action| submits(&DIALECT, action);
    Router::new()
        .route("/suno/submit/music", submits(Action::Music))
        .route("/suno/submit/lyrics", submits(Action::Lyrics))
        .route("/suno/submit/concat", submits(Action::Other("CONCAT")))
        .route("/suno/submit/stems", submits(Action::Other("STEMS")))
        .route("/suno/uploads/audio-url", post(routes::upload))
        .route("/suno/persona/create", post(routes::persona))
        .route("/suno/act/{kind}/{clip}", get(routes::act))
        .route("/suno/fetch", post(routes::fetch))
        .route("/suno/fetch/{id}", one(&DIALECT))
}

/// An answer that is an error.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"code": code, "message": message, "data": null});
    (status, Json(body)).into_response()
}
