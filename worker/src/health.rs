//! `/healthz`, `/readyz`, `/metrics` of a worker (`docs/contract.md`, "Health and metrics").

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use shared::broker::SharedBroker;
use shared::clock::SharedClock;
use shared::config::{Config, Program};
use shared::process::Process;
use shared::process::health::{Needs, PROMETHEUS, Readiness};
use shared::process::http::{Bounds, Server, host, unread};
use shared::process::start::StartError;
use shared::process::telemetry::Figures;
use shared::store::Store;

use crate::rest::Rest;
use upstream::connect::LocalTrouble;

/// Binds `WORKER_BIND`; port 0 binds any free port.
pub async fn bind(config: &Config) -> Result<Server, StartError> {
    let address = config.worker_bind;
    Server::bind(address, None, Bounds::of(config, Program::Worker))
        .await
        .map_err(|why| StartError::Bind {
            variable: "WORKER_BIND",
            address,
            why,
        })
}

/// Adds a server of the three endpoints to the components of `process`; a worker that rests is not ready.
pub fn spawn(process: &mut Process, server: Server, rest: Arc<Rest>) {
    let (store, broker) = (process.store.clone(), process.broker.clone());
    let clock = process.clock.clone();
    let (figures, stop) = (process.figures.clone(), process.stop.clone());
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route(
            "/readyz",
            get(async move || readyz(store, broker, clock, &rest).await),
        )
        .route("/metrics", get(async move || metrics(&figures)));
    process.spawn("health server", async move {
        server
            .serve(layered(router), async move { stop.requested().await })
            .await
    });
}

/// Adds the layers that the API has, too.
fn layered(router: Router) -> Router {
    router
        .layer(from_fn(one_host))
        .layer(from_fn(unread::drain))
}

async fn one_host(request: Request, next: Next) -> Response {
    if host::is_named_once(&request) {
        next.run(request).await
    } else {
        let text = "the header Host must name one host, once\n";
        (StatusCode::BAD_REQUEST, text).into_response()
    }
}

async fn readyz(
    store: Store,
    broker: SharedBroker,
    clock: SharedClock,
    rest: &Rest,
) -> impl IntoResponse + use<> {
    let readiness = Readiness::check(&store, &*broker, &*clock).await;
    let readiness = readiness.with_local(rest.trouble().map(LocalTrouble::as_str));
    let status = if readiness.is_ready(Needs::DatabaseAndBroker) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

fn metrics(figures: &Figures) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, PROMETHEUS)], figures.render())
}
