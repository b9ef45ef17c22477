//! The platform `suno` in the dialect `sunoapi`, under `/api/v1`.

mod print;
mod request;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dialect, Printed, reprinted};
use crate::{
    id::Id,
    request::{Action, Request},
    routes::{Shared, fetch::about_one, submit::submits},
    secrets::Secrets,
    upstream::Upstream,
};

/// HTTP 200, and the status as the code.
pub struct SunoApi;

impl Dialect for SunoApi {
    fn about(&self) -> &'static str {
        "/api/v1/…    the platform suno, dialect sunoapi"
    }

    fn routes(&self) -> Router<Arc<Upstream>> {
        let song = || submits(&Self, Action::Music);
        let wav = submits(&Self, Action::Other("WAV"));
        let mp4 = submits(&Self, Action::Other("MP4"));
        Router::new()
            .route("/api/v1/generate", song())
            .route("/api/v1/generate/extend", song())
            .route("/api/v1/generate/upload-cover", song())
            .route("/api/v1/generate/record-info", get(record_info))
            .route("/api/v1/wav/generate", wav)
            .route("/api/v1/wav/record-info", get(record_info))
            .route("/api/v1/mp4/generate", mp4)
            .route("/api/v1/mp4/record-info", get(record_info))
            .route("/api/v1/lyrics", submits(&Self, Action::Lyrics))
            .route("/api/v1/lyrics/record-info", get(record_info))
    }

    fn request(&self, action: Action, body: &[u8]) -> Result<Request, String> {
        request::read(action, body)
    }

    fn accepted(&self, id: String, _: &Secrets) -> Value {
        json!({ "taskId": id })
    }

    fn printed(&self, task: Printed) -> Printed {
        reprinted(task, print::task)
    }

    fn status_of_unknown_task(&self) -> Option<StatusCode> {
        None
    }

    fn halves(&self, data: &str) -> (&'static str, String) {
        (
            r#"{"code":200,"msg":"success"#,
            format!(r#"","data":{data}}}"#),
        )
    }

    fn error(&self, status: StatusCode, _: &str, message: &str) -> Response {
        let code = match status.as_u16() {
            // A code that is no word of success in an answer that is one.
            200 => 500,
            // 429 means one thing at one vendor, and another at the next.
            429 => 430,
            503 => 455,
            other => other,
        };
        Json(json!({"code": code, "msg": message, "data": null})).into_response()
    }

    fn call_back(&self, id: Id) -> Value {
        json!({
            "code": 200,
            "msg": "All generated successfully.",
            "data": { "callbackType": "complete", "task_id": id.to_string() },
        })
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "taskId")]
    task_id: String,
}

async fn record_info(
    State(upstream): Shared,
    Query(Asked { task_id }): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    about_one(&upstream, &SunoApi, task_id, &headers).await
}
