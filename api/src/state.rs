//! The state of the handlers.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::SharedBroker;
use shared::clock::SharedClock;
use shared::config::{Cors, ListingActions};
use shared::process::lifecycle::Stop;
use shared::process::telemetry::Figures;
use shared::random::Random;
use shared::store::Store;

use crate::http::answers::Answers;
use crate::http::throttle::Throttle;
use crate::publisher::Publisher;
use crate::routes::hooks::calls::Calls;

/// What every handler can reach.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub store: Store,
    /// The broker. The handlers only ping it; `publisher` publishes.
    pub broker: SharedBroker,
    /// Publishes the messages of tasks that were stored, or that are due early.
    pub publisher: Publisher,
    /// The time.
    pub clock: SharedClock,
    /// The calls of vendors that are followed.
    pub calls: Calls,
    /// Random numbers, for task ids and request ids.
    pub random: Arc<Random>,
    /// How long a task may wait to be sent (`QUEUE_TIMEOUT`).
    pub queue_timeout: Duration,
    /// Which other origins' pages may call the API (`CORS_ALLOWED_ORIGINS`).
    pub cors: Cors,
    /// How the listings name actions (`LISTING_ACTIONS`).
    pub listing_actions: ListingActions,
    /// The answers under way, whose bytes have a bound.
    pub answers: Answers,
    /// Refuses what is too much for one client.
    pub throttle: Throttle,
    /// Whether `/metrics` is served elsewhere (`METRICS_BIND`), and not here.
    pub metrics_apart: bool,
    /// Once it is requested, `/readyz` says 503.
    pub stop: Stop,
    /// The figures for `/metrics`. [`crate::start::spawn`] describes those of the API.
    pub figures: Figures,
}

/// The state that axum passes to handlers.
pub(crate) type App = Arc<Api>;
