//! The endpoints: the dialect under `/suno`, those for tests under `/simulator`.

mod control;
mod fetch;
mod submit;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State, rejection::BytesRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};

use crate::{answer, upstream::Upstream};

type Shared = State<Arc<Upstream>>;

/// All endpoints of this upstream.
pub fn router(upstream: Arc<Upstream>) -> Router {
    let suno = Router::new()
        .route("/suno/submit/music", post(submit::music))
        .route("/suno/submit/lyrics", post(submit::lyrics))
        .route("/suno/fetch", post(fetch::many))
        .route("/suno/fetch/{id}", get(fetch::one))
        .layer(middleware::from_fn_with_state(Arc::clone(&upstream), admit));
    let simulator = Router::new()
        .route("/simulator/counts", get(control::counts))
        .route(
            "/simulator/submits",
            get(control::submits).post(control::submits_of),
        )
        .route("/simulator/tasks", get(control::tasks).post(control::make))
        .route(
            "/simulator/faults",
            get(control::faults).put(control::set_faults),
        )
        .route("/simulator/finish", post(control::finish))
        .route("/simulator/forget", post(control::forget));
    Router::new()
        .merge(suno)
        .merge(simulator)
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .with_state(upstream)
}

/// Refuses a request without the key, and counts open requests.
async fn admit(State(upstream): Shared, request: Request, next: Next) -> Response {
    let sent = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let admitted = upstream
        .options
        .key
        .as_ref()
        .is_none_or(|key| sent.is_some_and(|sent| key.admits(sent)));
    if !admitted {
        upstream.tally(|tally| tally.counts.unauthorized += 1);
        return answer::error(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the key is wrong",
        );
    }
    let _open = Open::count(upstream);
    next.run(request).await
}

/// Counts an open request until dropped, also if its client disconnects.
struct Open(Arc<Upstream>);

impl Open {
    fn count(upstream: Arc<Upstream>) -> Self {
        upstream.tally(crate::counts::Tally::opened);
        Self(upstream)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tally(|tally| tally.counts.open -= 1);
    }
}

async fn not_found(State(upstream): Shared) -> Response {
    invalid(
        &upstream,
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing here",
    )
}

async fn wrong_method(State(upstream): Shared) -> Response {
    invalid(
        &upstream,
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "not with this method",
    )
}

/// Counts and answers a request that breaks the dialect.
fn invalid(upstream: &Upstream, status: StatusCode, code: &str, message: &str) -> Response {
    upstream.tally(|tally| tally.counts.invalid += 1);
    answer::error(status, code, message)
}

fn unreadable(upstream: &Upstream, rejection: &BytesRejection) -> Response {
    let message = rejection.body_text();
    invalid(upstream, rejection.status(), "invalid_request", &message)
}

fn invalid_request(upstream: &Upstream, message: &str) -> Response {
    invalid(
        upstream,
        StatusCode::BAD_REQUEST,
        "invalid_request",
        message,
    )
}
