//! The endpoints for tests, under `/simulator`: no part of the dialect, without a key.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Query, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::Shared;
use crate::{
    counts::Counts,
    dialects::suno,
    faults::Faults,
    fetches::FetchCallsShown,
    id::Id,
    places::PlacesShown,
    upstream::{Listed, Made, Selector, Series},
};

#[derive(Deserialize)]
pub struct Filter {
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Titles {
    titles: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Finish {
    title: Option<String>,
    task_ids: Option<Vec<Id>>,
    fail: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    key: Option<String>,
}

/// A JSON body, whatever its media type, so that curl needs no header. An empty body is `{}`.
pub struct Order<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Order<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let json: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let order = serde_json::from_slice(json).map(Self);
        order.map_err(|error| bad_request(&error.to_string()))
    }
}

pub async fn counts(State(upstream): Shared) -> Json<Counts> {
    Json(upstream.counts())
}

pub async fn places(State(upstream): Shared) -> Json<PlacesShown> {
    Json(upstream.places())
}

pub async fn fetches(State(upstream): Shared) -> Json<FetchCallsShown> {
    Json(upstream.fetches())
}

/// When each task is made, and for whom.
pub async fn made(State(upstream): Shared) -> Json<Vec<Made>> {
    Json(upstream.made())
}

/// How often a title was submitted and accepted, and its latest submits with their bodies.
pub async fn submits(
    State(upstream): Shared,
    Query(Filter { title }): Query<Filter>,
) -> Json<Value> {
    let latest = upstream.latest_submits(title.as_deref());
    let Some(title) = title else {
        return Json(json!({ "latest": latest }));
    };
    let count = upstream.title(&title);
    Json(
        json!({"title": title, "asked": count.asked, "accepted": count.accepted, "latest": latest}),
    )
}

/// How often each of these titles was submitted and accepted, in the order asked.
pub async fn submits_of(
    State(upstream): Shared,
    Order(Titles { titles }): Order<Titles>,
) -> Json<Vec<Value>> {
    let counts = titles.iter().map(|title| {
        let count = upstream.title(title);
        json!({"asked": count.asked, "accepted": count.accepted})
    });
    Json(counts.collect())
}

pub async fn tasks(
    State(upstream): Shared,
    Query(Filter { title }): Query<Filter>,
) -> Json<Vec<Listed>> {
    let task_ids = None;
    Json(upstream.tasks(&Selector { title, task_ids }))
}

/// Makes many tasks at once.
pub async fn make(State(upstream): Shared, Order(order): Order<Series>) -> Response {
    match upstream.make(&order) {
        Ok(born) => Json(json!({ "born": born })).into_response(),
        Err(why) => bad_request(&why),
    }
}

pub async fn faults(State(upstream): Shared) -> Json<Faults> {
    Json(upstream.faults())
}

/// Replaces the run's faults; answers with the new ones.
pub async fn set_faults(State(upstream): Shared, Order(faults): Order<Faults>) -> Json<Faults> {
    upstream.set_faults(faults);
    Json(upstream.faults())
}

/// Replaces the key that clients must send.
pub async fn set_key(State(upstream): Shared, Order(NewKey { key }): Order<NewKey>) -> Response {
    match key.as_deref().map(str::parse).transpose() {
        Ok(key) => {
            upstream.set_key(key);
            Json(json!({})).into_response()
        }
        Err(why) => bad_request(why),
    }
}

pub async fn finish(State(upstream): Shared, Order(order): Order<Finish>) -> Json<Value> {
    let Finish {
        title,
        task_ids,
        fail,
    } = order;
    let finished = upstream.finish(&Selector { title, task_ids }, fail);
    Json(json!({ "finished": finished }))
}

pub async fn forget(State(upstream): Shared, Order(selector): Order<Selector>) -> Json<Value> {
    Json(json!({ "forgotten": upstream.forget(&selector) }))
}

fn bad_request(message: &str) -> Response {
    suno::error(StatusCode::BAD_REQUEST, "invalid_request", message)
}
