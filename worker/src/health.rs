//! `/healthz`, `/readyz`, `/metrics` of a worker (`docs/contract.md`, "Health and metrics").

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use shared::broker::SharedBroker;
use shared::process::health::{PROMETHEUS, Readiness};
use shared::process::lifecycle::Stop;
use shared::process::start::StartError;
use shared::process::telemetry::Figures;
use shared::store::Store;
use tokio::net::TcpListener;

/// What the three endpoints report on.
pub struct Health {
    /// The database.
    pub store: Store,
    /// The broker.
    pub broker: SharedBroker,
    /// The metrics.
    pub figures: Figures,
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

/// Serves the three endpoints on `listener` until a stop is requested.
pub async fn serve(health: Health, listener: TcpListener, stop: Stop) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.requested().await })
        .await
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
