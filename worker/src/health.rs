//! `/healthz`, `/readyz`, `/metrics` of a worker (`docs/contract.md`, "Health and metrics").

use std::net::SocketAddr;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use shared::broker::SharedBroker;
use shared::clock::SharedClock;
use shared::process::Process;
use shared::process::health::{Needs, PROMETHEUS, Readiness};
use shared::process::start::StartError;
use shared::process::telemetry::Figures;
use shared::store::Store;
use tokio::net::TcpListener;

/// Binds `WORKER_BIND`; port 0 binds any free port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|why| StartError::Bind {
            variable: "WORKER_BIND",
            address,
            why,
        })
}

/// Adds a server of the three endpoints to the components of `process`.
pub fn spawn(process: &mut Process, listener: TcpListener) {
    let (store, broker) = (process.store.clone(), process.broker.clone());
    let clock = process.clock.clone();
    let (figures, stop) = (process.figures.clone(), process.stop.clone());
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route(
            "/readyz",
            get(async move || readyz(store, broker, clock).await),
        )
        .route("/metrics", get(async move || metrics(&figures)));
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { stop.requested().await });
    process.spawn("health server", server.into_future());
}

async fn readyz(store: Store, broker: SharedBroker, clock: SharedClock) -> impl IntoResponse {
    let readiness = Readiness::check(&store, &*broker, &*clock).await;
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
