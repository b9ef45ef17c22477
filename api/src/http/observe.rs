//! Two figures for each request, a log line for those that an operator asks about, and the figures of submits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use metrics::SharedString;
use shared::process::http::holding::Holding;
use shared::process::telemetry::Figure;
use shared::task::Action;
use tokio::time::Instant;

use crate::http::throttle::Place;

/// Counts responses, by route, method and status.
pub const REQUESTS: &str = "task_center_http_requests_total";
/// Times responses, in seconds, by route and method.
pub const SECONDS: &str = "task_center_http_request_seconds";
/// Counts submits, by action and outcome.
pub const SUBMITS: &str = "task_center_submits_total";
/// Counts charged tasks, by action.
pub const CHARGES: &str = "task_center_charges_total";

/// Adds up what tasks were charged, in quota, by action.
pub const CHARGED: &str = "task_center_quota_charged_total";

/// The outcomes of a submit.
const OUTCOMES: [&str; 8] = [
    "stored",
    "repeated",
    "key_reused",
    "no_channel",
    "no_price",
    "quota_not_enough",
    "too_many_waiting",
    "failed",
];

/// The descriptions of the figures, for `GET /metrics`.
pub const FIGURES: [Figure; 5] = [
    Figure::Counter(REQUESTS, "Answers, by route, method and status."),
    Figure::Histogram(
        SECONDS,
        "How long answers took, in seconds, by route and method.",
    ),
    Figure::Counter(SUBMITS, "Submits, by action and outcome."),
    Figure::Counter(CHARGES, "Tasks that were charged, by action."),
    Figure::Counter(CHARGED, "Quota that was charged, by action."),
];

/// Starts the counters of submits at 0, so that the first submit after a start shows as a rise.
pub(crate) fn start_at_zero() {
    for action in Action::known() {
        for outcome in OUTCOMES {
            metrics::counter!(SUBMITS, "action" => action.to_string(), "outcome" => outcome)
                .increment(0);
        }
        for charged in [CHARGES, CHARGED] {
            metrics::counter!(charged, "action" => action.to_string()).increment(0);
        }
    }
}

/// What authentication found out about the caller of a request. [`measure`] asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    is_known: AtomicBool,
    place: Mutex<Option<Place>>,
}

impl Caller {
    /// The credential is good, and the caller does not send too much.
    pub(crate) fn is_known(&self) {
        self.0.is_known.store(true, Ordering::Relaxed);
    }

    /// The request has this place until its answer is sent.
    pub(crate) fn holds(&self, place: Place) {
        *self.place() = Some(place);
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts and times the request. The log has a line at the info level for each failure of ours, and for each
/// refusal of a caller whose credential is good. Every other request is a line at the debug level: there are many,
/// and anybody can send requests without a good credential, or too many with one. One line a minute says how many of
/// those were refused.
pub(crate) async fn measure(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let caller = Caller::default();
    request.extensions_mut().insert(caller.clone());
    let method = name(request.method());
    // By route, not by path: a path holds a task id, and each would be a figure of its own.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    count(route.clone(), method, response.status());
    metrics::histogram!(SECONDS, "route" => route, "method" => method).record(took.as_secs_f64());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let is_known = caller.0.is_known.load(Ordering::Relaxed);
    if status >= 500 || status >= 400 && is_known {
        tracing::info!(status, milliseconds, "answered");
    } else {
        tracing::debug!(status, milliseconds, "answered");
    }
    if (400..500).contains(&status) && !is_known {
        REFUSALS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(status, Instant::now());
    }
    let place = caller.place().take();
    match place {
        Some(place) => Holding::answer(response, place).map(Body::new),
        None => response,
    }
}

/// How often a line says how many requests were refused that have no line of their own.
const EVERY: Duration = Duration::from_mins(1);

static REFUSALS: Mutex<Refusals> = Mutex::new(Refusals {
    since: None,
    counts: BTreeMap::new(),
});

/// Refused requests without a good credential, or too many with one, by status, since the last line about them.
struct Refusals {
    since: Option<Instant>,
    counts: BTreeMap<u16, u64>,
}

impl Refusals {
    fn count(&mut self, status: u16, now: Instant) {
        *self.counts.entry(status).or_default() += 1;
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) < EVERY {
            return;
        }
        let counts = std::mem::take(&mut self.counts);
        let counts: Vec<String> = counts
            .iter()
            .map(|(status, many)| format!("{status}: {many}"))
            .collect();
        tracing::info!(
            counts = counts.join(", "),
            seconds = now.duration_since(since).as_secs(),
            "requests without a good credential, or too many with one, were refused; at the debug level each is a line"
        );
        self.since = Some(now);
    }
}

/// Counts an answer.
pub(crate) fn count(route: impl Into<SharedString>, method: &'static str, status: StatusCode) {
    let status = status.as_u16().to_string();
    metrics::counter!(REQUESTS, "route" => route.into(), "method" => method, "status" => status)
        .increment(1);
}

/// The method's name; `other` for every non-standard method, so that callers cannot add figures.
pub(crate) fn name(method: &Method) -> &'static str {
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
