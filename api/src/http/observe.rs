//! A log line and two figures for each request, and the figures of submits.

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use metrics::SharedString;
use shared::process::telemetry::Figure;
use tokio::time::Instant;

/// Counts responses, by route, method and status.
pub const REQUESTS: &str = "task_center_http_requests_total";
/// Times responses, in seconds, by route and method.
pub const SECONDS: &str = "task_center_http_request_seconds";
/// Counts submits, by action and outcome.
pub const SUBMITS: &str = "task_center_submits_total";
/// Counts charged tasks, by action.
pub const CHARGES: &str = "task_center_charges_total";

/// The descriptions of the figures, for `GET /metrics`.
pub const FIGURES: [Figure; 4] = [
    Figure::Counter(REQUESTS, "Answers, by route, method and status."),
    Figure::Histogram(
        SECONDS,
        "How long answers took, in seconds, by route and method.",
    ),
    Figure::Counter(SUBMITS, "Submits, by action and outcome."),
    Figure::Counter(CHARGES, "Tasks that were charged, by action."),
];

/// Counts and times the request, and logs a line when the response is ready.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = name(request.method());
    // By route, not by path: a path holds a task id, and each would be a figure of its own.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let is_probe = matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics");
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    count(route.clone(), method, response.status());
    metrics::histogram!(SECONDS, "route" => route, "method" => method).record(took.as_secs_f64());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if is_probe && status < 500 {
        tracing::debug!(status, milliseconds, "answered");
    } else {
        tracing::info!(status, milliseconds, "answered");
    }
    response
}

/// Counts an answer.
pub(crate) fn count(route: impl Into<SharedString>, method: &'static str, status: StatusCode) {
    let status = status.as_u16().to_string();
    metrics::counter!(REQUESTS, "route" => route.into(), "method" => method, "status" => status)
        .increment(1);
}

/// The method's name; `other` for every non-standard method, so that callers cannot add figures.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
