//! What the routes stand on.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::SharedBroker;
use shared::clock::SharedClock;
use shared::config::Cors;
use shared::process::telemetry::Figures;
use shared::random::Random;
use shared::store::Store;

use crate::submit_publisher::SubmitPublisher;

/// Everything that the HTTP side needs from outside.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub store: Store,
    /// The broker. The routes only ask whether it answers; `submit_publisher` publishes.
    pub broker: SharedBroker,
    /// What tells the workers of a task that was just stored.
    pub submit_publisher: SubmitPublisher,
    /// The time.
    pub clock: SharedClock,
    /// Chance, for task ids and request ids.
    pub random: Arc<Random>,
    /// Our own deadline for a task, counted from its submit (`TASK_TIMEOUT`).
    pub task_timeout: Duration,
    /// Which browsers may call us from other origins (`CORS_ALLOWED_ORIGINS`).
    pub cors: Cors,
    /// The figures for `/metrics`. Its owner describes [`crate::http::observe::FIGURES`].
    pub figures: Figures,
}

/// The state of every route.
pub(crate) type App = Arc<Api>;
