//! The platform `mureka` under `/v1`: the same tasks as those of Suno's dialect.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
    routing::{get, post},
};
use serde_json::Value;

use super::{Payload, Shared, fetch::about_one, submit::submit};
use crate::{
    answer::Shape,
    mureka::{Call, account},
    upstream::Upstream,
};

/// Its endpoints.
pub fn router() -> Router<Arc<Upstream>> {
    let make = |call: Call| {
        let shape = Shape::Mureka(call);
        post(
            move |State(upstream): Shared, headers: HeaderMap, body: Payload| async move {
                submit(&upstream, shape, call.action(), &headers, body).await
            },
        )
    };
    Router::new()
        .route("/v1/song/generate", make(Call::Song))
        .route("/v1/instrumental/generate", make(Call::Instrumental))
        .route("/v1/song/extend", make(Call::Extend))
        .route("/v1/song/stem", make(Call::Stem))
        .route("/v1/lyrics/generate", make(Call::Lyrics))
        .route("/v1/song/query/{id}", get(query))
        .route("/v1/instrumental/query/{id}", get(query))
        .route("/v1/account/billing", get(billing))
}

async fn query(State(upstream): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    about_one(&upstream, Shape::Mureka(Call::Song), id, &headers).await
}

async fn billing(State(upstream): Shared) -> Json<Value> {
    Json(account(upstream.options.places))
}
