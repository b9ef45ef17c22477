//! The endpoints for tests, under `/simulator`: no part of the dialect, without a key.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::Shared;
use crate::{
    answer,
    counts::Counts,
    faults::Faults,
    id::Id,
    upstream::{Listed, Selector, Series},
};

#[derive(Deserialize)]
pub struct Filter {
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Titles {
    titles: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Finish {
    title: Option<String>,
    task_ids: Option<Vec<Id>>,
    fail: bool,
}

pub async fn counts(State(upstream): Shared) -> Json<Counts> {
    Json(upstream.counts())
}

/// How often a title was submitted and accepted, and its latest submits with their bodies.
pub async fn submits(State(upstream): Shared, Query(Filter { title }): Query<Filter>) -> Response {
    let latest = upstream.latest_submits(title.as_deref());
    match title {
        Some(title) => {
            let count = upstream.title(&title);
            Json(json!({"title": title, "asked": count.asked, "accepted": count.accepted, "latest": latest}))
        }
        None => Json(json!({"latest": latest})),
    }
    .into_response()
}

/// How often each of these titles was submitted and accepted, in the order asked.
pub async fn submits_of(State(upstream): Shared, body: Bytes) -> Response {
    with_body(&body, |Titles { titles }| {
        let counts = titles.iter().map(|title| {
            let count = upstream.title(title);
            json!({"asked": count.asked, "accepted": count.accepted})
        });
        Json(counts.collect::<Vec<_>>()).into_response()
    })
}

pub async fn tasks(
    State(upstream): Shared,
    Query(Filter { title }): Query<Filter>,
) -> Json<Vec<Listed>> {
    Json(upstream.tasks(&Selector {
        title,
        task_ids: None,
    }))
}

/// Makes many tasks at once.
pub async fn make(State(upstream): Shared, body: Bytes) -> Response {
    with_body(&body, |order: Series| match upstream.make(&order) {
        Ok(born) => Json(json!({ "born": born })).into_response(),
        Err(why) => answer::error(StatusCode::BAD_REQUEST, "invalid_request", &why),
    })
}

pub async fn faults(State(upstream): Shared) -> Json<Faults> {
    Json(upstream.faults())
}

/// Replaces the run's faults; answers with the new ones.
pub async fn set_faults(State(upstream): Shared, body: Bytes) -> Response {
    with_body(&body, |faults: Faults| {
        upstream.set_faults(faults);
        Json(upstream.faults()).into_response()
    })
}

pub async fn finish(State(upstream): Shared, body: Bytes) -> Response {
    with_body(
        &body,
        |Finish {
             title,
             task_ids,
             fail,
         }| {
            let finished = upstream.finish(&Selector { title, task_ids }, fail);
            Json(json!({"finished": finished})).into_response()
        },
    )
}

pub async fn forget(State(upstream): Shared, body: Bytes) -> Response {
    with_body(&body, |selector: Selector| {
        let forgotten = upstream.forget(&selector);
        Json(json!({"forgotten": forgotten})).into_response()
    })
}

/// Reads the body as JSON whatever its media type, so that curl needs no header. An empty body is `{}`.
fn with_body<T: DeserializeOwned>(body: &[u8], order: impl FnOnce(T) -> Response) -> Response {
    let json = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice(json) {
        Ok(read) => order(read),
        Err(error) => answer::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            &error.to_string(),
        ),
    }
}
