//! `/healthz`, `/readyz`, `/metrics` of a worker (`docs/contract.md`, "Health and metrics").

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use shared::broker::SharedBroker;
use shared::process::Process;
use shared::process::health::{PROMETHEUS, Readiness};
use shared::process::start::StartError;
use shared::process::telemetry::Figures;
use shared::store::Store;
use tokio::net::TcpListener;

/// What the three endpoints report on.
struct Health {
    store: Store,
    broker: SharedBroker,
    figures: Figures,
}

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
    let health = Health {
        store: process.store.clone(),
        broker: process.broker.clone(),
        figures: process.figures.clone(),
    };
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health));
    let stop = process.stop.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { stop.requested().await });
    process.spawn("health server", server.into_future());
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let readiness = Readiness::check(&health.store, &*health.broker).await;
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, PROMETHEUS)],
        health.figures.render(),
    )
}
