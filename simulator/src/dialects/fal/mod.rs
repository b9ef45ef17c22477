//! The platform `fal`, under `/fal-ai`.

mod print;
mod routes;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Dialect, beside, fields, reprinted};
use crate::{
    request::{Action, Request},
    routes::submit::submits,
    secrets::Secrets,
    upstream::Upstream,
};

/// An HTTP status, and the data as the whole body.
pub const DIALECT: Dialect = Dialect {
    about: "/fal-ai/…    the platform fal, any model of this owner: POST submits; the answer says what to call then
               (directives stand in `title`, else in `prompt` or `lyrics`)",
    routes,
    scheme: "Key",
    request,
    accepted,
    result_at_once: None,
    printed: |task| reprinted(task, print::status),
    status_of_unknown_task: Some(StatusCode::NOT_FOUND),
    halves: |data| (r#"{"logs":""#, beside(data)),
    error,
    call_back: None,
};

/// Where the addresses of requests begin. It is no model's name: a client must not build an address.
const REQUESTS: &str = "/fal-ai/queue/requests";

/// Fields that many models have, and their names in Suno's dialect.
const FIELDS: &[(&str, &str)] = &[("title", "title"), ("tags", "tags")];

/// Every model of one owner is known.
fn routes() -> Router<Arc<Upstream>> {
    let of_model = submits(&DIALECT, Action::Music);
    let of_model = of_model.get(routes::about).put(routes::cancel);
    Router::new().route("/fal-ai/{*path}", of_model)
}

fn request(action: Action, body: &[u8]) -> Result<Request, String> {
    let theirs = fields(body)?;
    let text = |name: &str| theirs.get(name).filter(|value| value.is_string());
    let prompt = text("prompt").or_else(|| text("lyrics"));
    let mut ours = json!({ "prompt": prompt });
    for (from, to) in FIELDS {
        if let Some(value) = text(from) {
            ours[to] = value.clone();
        }
    }
    Request::read(action, ours.to_string().as_bytes())
}

/// Without an id, it has no addresses either.
fn accepted(id: &str, secrets: &Secrets) -> Value {
    if id.is_empty() {
        return json!({ "status": "IN_QUEUE", "queue_position": 0 });
    }
    let address = format!("{}{REQUESTS}/{id}", secrets.base_url());
    json!({
        "status": "IN_QUEUE",
        "request_id": id,
        "status_url": format!("{address}/status"),
        "response_url": address,
        "cancel_url": format!("{address}/cancel"),
        "metrics": {},
        "queue_position": 0,
    })
}

fn error(status: StatusCode, _: &str, message: &str) -> Response {
    (status, Json(json!({ "detail": message }))).into_response()
}
