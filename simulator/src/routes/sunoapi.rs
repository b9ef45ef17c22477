//! The dialect `sunoapi` under `/api/v1`: the same tasks as those of the platform's own dialect.

use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{Payload, Shared, fetch::about_one, submit::submit};
use crate::{answer::Shape, request::Action};

pub async fn song(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::SunoApi, Action::Music, &headers, body).await
}

pub async fn lyrics(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::SunoApi, Action::Lyrics, &headers, body).await
}

pub async fn wav(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("WAV");
    submit(&upstream, Shape::SunoApi, action, &headers, body).await
}

pub async fn mp4(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("MP4");
    submit(&upstream, Shape::SunoApi, action, &headers, body).await
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(rename = "taskId")]
    task_id: String,
}

pub async fn record_info(
    State(upstream): Shared,
    Query(Asked { task_id }): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    about_one(&upstream, Shape::SunoApi, task_id, &headers).await
}
