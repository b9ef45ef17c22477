//! The endpoints: the dialects of the platform `suno` under `/suno` and `/api/v1`, the platform `mureka` under `/v1`, the
//! platform `fal` under `/fal-ai`, those for tests under `/simulator`.

mod act;
mod control;
mod fal;
mod fetch;
mod mureka;
mod submit;
mod sunoapi;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State, rejection::BytesRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};

use crate::{
    answer::{self, Shape},
    counts::Counts,
    mureka::Call,
    upstream::Upstream,
};

type Shared = State<Arc<Upstream>>;
type Payload = Result<Bytes, BytesRejection>;

/// All endpoints of this upstream.
pub fn router(upstream: Arc<Upstream>) -> Router {
    let suno = Router::new()
        .route("/suno/submit/music", post(submit::music))
        .route("/suno/submit/lyrics", post(submit::lyrics))
        .route("/suno/submit/concat", post(submit::concat))
        .route("/suno/submit/stems", post(submit::stems))
        .route("/suno/uploads/audio-url", post(submit::upload))
        .route("/suno/persona/create", post(submit::persona))
        .route("/suno/act/{kind}/{clip}", get(act::act))
        .route("/suno/fetch", post(fetch::many))
        .route("/suno/fetch/{id}", get(fetch::one))
        .layer(middleware::from_fn_with_state(
            (Arc::clone(&upstream), Shape::Suno),
            admit,
        ));
    let sunoapi = Router::new()
        .route("/api/v1/generate", post(sunoapi::song))
        .route("/api/v1/generate/extend", post(sunoapi::song))
        .route("/api/v1/generate/upload-cover", post(sunoapi::song))
        .route("/api/v1/generate/record-info", get(sunoapi::record_info))
        .route("/api/v1/wav/generate", post(sunoapi::wav))
        .route("/api/v1/wav/record-info", get(sunoapi::record_info))
        .route("/api/v1/mp4/generate", post(sunoapi::mp4))
        .route("/api/v1/mp4/record-info", get(sunoapi::record_info))
        .route("/api/v1/lyrics", post(sunoapi::lyrics))
        .route("/api/v1/lyrics/record-info", get(sunoapi::record_info))
        .layer(middleware::from_fn_with_state(
            (Arc::clone(&upstream), Shape::SunoApi),
            admit,
        ));
    let mureka = mureka::router().layer(middleware::from_fn_with_state(
        (Arc::clone(&upstream), Shape::Mureka(Call::Song)),
        admit,
    ));
    let fal = fal::router().layer(middleware::from_fn_with_state(
        (Arc::clone(&upstream), Shape::Fal),
        admit,
    ));
    let simulator = Router::new()
        .route("/simulator/counts", get(control::counts))
        .route("/simulator/places", get(control::places))
        .route("/simulator/places/made", get(control::made))
        .route("/simulator/fetches", get(control::fetches))
        .route(
            "/simulator/submits",
            get(control::submits).post(control::submits_of),
        )
        .route("/simulator/tasks", get(control::tasks).post(control::make))
        .route(
            "/simulator/faults",
            get(control::faults).put(control::set_faults),
        )
        .route("/simulator/key", put(control::set_key))
        .route("/simulator/finish", post(control::finish))
        .route("/simulator/forget", post(control::forget));
    Router::new()
        .merge(suno)
        .merge(sunoapi)
        .merge(mureka)
        .merge(fal)
        .merge(simulator)
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .with_state(upstream)
}

/// Refuses a request without the key, and counts open requests.
async fn admit(
    State((upstream, shape)): State<(Arc<Upstream>, Shape)>,
    request: Request,
    next: Next,
) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION);
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !upstream.admits(shape.scheme(), sent) {
        upstream.count(|counts| counts.unauthorized += 1);
        let status = StatusCode::UNAUTHORIZED;
        return shape.error(status, "invalid_token", "the key is wrong");
    }
    upstream.count(Counts::opened);
    let _open = Open(upstream);
    next.run(request).await
}

/// A request that is open until this is dropped, also if its client disconnects.
struct Open(Arc<Upstream>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(|counts| counts.open -= 1);
    }
}

async fn not_found(State(upstream): Shared) -> Response {
    let status = StatusCode::NOT_FOUND;
    invalid(&upstream, status, "not_found", "there is nothing here")
}

async fn wrong_method(State(upstream): Shared) -> Response {
    let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    invalid(&upstream, status, code, "not with this method")
}

/// Counts and answers a request that breaks the platform's own dialect.
fn invalid(upstream: &Upstream, status: StatusCode, code: &str, message: &str) -> Response {
    upstream.count(|counts| counts.invalid += 1);
    answer::error(status, code, message)
}

/// The body, or the answer to a request whose body does not arrive.
fn body_of(upstream: &Upstream, shape: Shape, body: Payload) -> Result<Bytes, Box<Response>> {
    body.map_err(|rejection| {
        upstream.count(|counts| counts.invalid += 1);
        let message = rejection.body_text();
        Box::new(shape.error(rejection.status(), "invalid_request", &message))
    })
}

fn invalid_request(upstream: &Upstream, shape: Shape, message: &str) -> Response {
    upstream.count(|counts| counts.invalid += 1);
    shape.error(StatusCode::BAD_REQUEST, "invalid_request", message)
}
