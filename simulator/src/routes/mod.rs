//! The endpoints: those of all dialects, and those for tests under `/simulator`.

mod control;
pub mod fetch;
pub mod submit;

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
    counts::Counts,
    dialects::{self, Dialect, suno},
    upstream::Upstream,
};

pub type Shared = State<Arc<Upstream>>;
pub type Payload = Result<Bytes, BytesRejection>;

/// All endpoints of this upstream.
pub fn router(upstream: Arc<Upstream>) -> Router {
    let mut router = Router::new()
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
    for &dialect in dialects::ALL {
        let admit = middleware::from_fn_with_state((Arc::clone(&upstream), dialect), admit);
        router = router.merge((dialect.routes)().layer(admit));
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .with_state(upstream)
}

/// Refuses a request without the key, and counts open requests.
async fn admit(
    State((upstream, dialect)): State<(Arc<Upstream>, &'static Dialect)>,
    request: Request,
    next: Next,
) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION);
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !upstream.admits(dialect.scheme, sent) {
        upstream.count(|counts| counts.unauthorized += 1);
        let status = StatusCode::UNAUTHORIZED;
        return (dialect.error)(status, "invalid_token", "the key is wrong");
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
    invalid(
        &upstream,
        &suno::DIALECT,
        status,
        "not_found",
        "there is nothing here",
    )
}

async fn wrong_method(State(upstream): Shared) -> Response {
    let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    invalid(
        &upstream,
        &suno::DIALECT,
        status,
        code,
        "not with this method",
    )
}

/// Counts and answers a request that breaks the dialect.
pub fn invalid(
    upstream: &Upstream,
    dialect: &Dialect,
    status: StatusCode,
    code: &str,
    message: &str,
) -> Response {
    upstream.count(|counts| counts.invalid += 1);
    (dialect.error)(status, code, message)
}

/// The body, or the answer to a request whose body does not arrive.
pub fn body_of(
    upstream: &Upstream,
    dialect: &Dialect,
    body: Payload,
) -> Result<Bytes, Box<Response>> {
    body.map_err(|rejection| {
        let (status, message) = (rejection.status(), rejection.body_text());
        Box::new(invalid(
            upstream,
            dialect,
            status,
            "invalid_request",
            &message,
        ))
    })
}

/// Counts and answers a request that is refused with 400.
pub fn invalid_request(upstream: &Upstream, dialect: &Dialect, message: &str) -> Response {
    let status = StatusCode::BAD_REQUEST;
    invalid(upstream, dialect, status, "invalid_request", message)
}
