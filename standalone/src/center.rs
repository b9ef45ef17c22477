//! Both sides in one process: the API, and a worker beside it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use api::http::observe;
use api::http::server::Server;
use api::{Api, SubmitPublisher, router};
use shared::broker::SharedBroker;
use shared::clock::SharedClock;
use shared::config::Cors;
use shared::process::count_folder;
use shared::process::gauges::{self, Gauges};
use shared::process::lifecycle::{ComponentDied, Components, Stop};
use shared::process::telemetry::Figures;
use shared::random::Random;
use shared::store::Store;
use worker::{Settings, Worker};

/// Why it does not go on, in words for the person in front of it.
pub type Failed = Box<dyn Error + Send + Sync>;

/// What both sides stand on.
#[derive(Clone)]
pub struct Ground {
    /// The database.
    pub store: Store,
    /// The broker.
    pub broker: SharedBroker,
    /// The time.
    pub clock: SharedClock,
    /// Chance.
    pub random: Arc<Random>,
    /// The figures.
    pub figures: Figures,
}

/// How both sides are set up.
pub struct Setup {
    /// The API's socket.
    pub server: Server,
    /// Which browsers may call it from other origins.
    pub cors: Cors,
    /// The deadline of a task, counted from its submit.
    pub task_timeout: Duration,
    /// How the worker works.
    pub worker: Settings,
}

/// A task center that was started.
pub struct Center {
    /// Where clients find it.
    pub url: String,
    components: Components,
    submit_publisher: SubmitPublisher,
    ground: Ground,
    stop: Stop,
    grace: Duration,
}

impl Center {
    /// Starts both sides. They serve and work until `stop`; see [`Center::run`].
    pub fn start(ground: Ground, setup: Setup, stop: Stop) -> Result<Self, Failed> {
        let server = setup.server;
        let url = server.url();
        let submit_publisher = SubmitPublisher::start(ground.broker.clone());
        ground.figures.describe(gauges::FIGURES);
        ground.figures.describe(&observe::FIGURES);
        ground.figures.describe(worker::FIGURES);
        let routes = router(Api {
            store: ground.store.clone(),
            broker: ground.broker.clone(),
            submit_publisher: submit_publisher.clone(),
            clock: ground.clock.clone(),
            random: ground.random.clone(),
            task_timeout: setup.task_timeout,
            cors: setup.cors,
            figures: ground.figures.clone(),
        });
        let worker = Worker::new(
            ground.store.clone(),
            ground.broker.clone(),
            ground.clock.clone(),
            ground.random.clone(),
            setup.worker,
            stop.clone(),
        )?;
        let mut components = Components::new();
        let stopping = stop.clone();
        components.spawn("HTTP server", async move {
            server
                .serve(routes, async move { stopping.requested().await })
                .await
        });
        components.spawn("worker", worker.run(|| {}));
        let gauges = Gauges {
            store: ground.store.clone(),
            broker: ground.broker.clone(),
            clock: ground.clock.clone(),
        };
        components.spawn("gauges", gauges.run(stop.clone()));
        let folds = count_folder::run(ground.store.clone(), ground.random.clone(), stop.clone());
        components.spawn("fold", folds);
        let grace = worker::run::grace(setup.worker);
        Ok(Self {
            url,
            components,
            submit_publisher,
            ground,
            stop,
            grace,
        })
    }

    /// Runs until a stop is asked for and everything under way is finished, or a part died.
    pub async fn run(self) -> Result<(), ComponentDied> {
        let ended = self.components.run(self.stop, self.grace).await;
        self.submit_publisher.stop().await;
        self.ground.broker.close().await;
        self.ground.store.close().await;
        ended
    }
}
