//! `task-center serve`: starts and runs the server.

use shared::clock::SharedClock;
use shared::config::{Config, DatabaseUrl, Program};
use shared::process::start::announce;
use shared::process::{Failed, Process, Started};
use shared::random::Random;
use shared::store::Store;
use suno_simulator::Simulator;

use crate::center::Center;
use crate::first_start::FirstUsers;
use crate::{builtin, first_start};

/// Serves until a signal, or until a component ends too early. On an address that others reach nothing pretends to be
/// an upstream, unless `simulator` asks for it.
pub async fn serve(config: Config, simulator: bool) -> Result<(), Failed> {
    let pretends = simulator || config.api_bind.ip().to_canonical().is_loopback();
    let process = Process::start(&config, Program::TaskCenter).await?;
    let (stop, started) = (process.stop.clone(), process.started.clone());
    let (store, clock) = (process.store.clone(), process.clock.clone());
    let random = process.random.clone();
    let server = api::start::bind(&config, Program::TaskCenter).await?;
    let center = Center::start(
        process,
        server,
        api::start::Settings::of(&config),
        worker::Settings::of(&config),
    )?;
    // While a server is away, `/readyz` says so.
    let is_late = !started.is_done();
    if is_late {
        announce(&center.url);
    }
    let first = First::make(&started, &store, &clock, &random, pretends).await;
    if !is_late {
        announce(&center.url);
    }
    match &first {
        Ok(first) => first.introduce(&center.url, &config.database_url),
        Err(_) => stop.request(),
    }
    let ended = center.run().await;
    if let Some(simulator) = first?.simulator {
        simulator.shutdown().await;
    }
    Ok(ended?)
}

/// What a first start makes.
#[derive(Default)]
struct First {
    simulator: Option<Simulator>,
    users: Option<FirstUsers>,
}

impl First {
    /// Makes what is missing, once database and broker are there.
    async fn make(
        started: &Started,
        store: &Store,
        clock: &SharedClock,
        random: &Random,
        pretends: bool,
    ) -> Result<Self, Failed> {
        if !started.wait().await {
            return Ok(Self::default());
        }
        let simulator = if pretends {
            builtin::start_if_needed(store, clock.now()).await?
        } else {
            builtin::retire(store).await?;
            None
        };
        // After every step that can fail, because the secrets are shown only once.
        let users = first_start::make_users(store, random, clock.now(), pretends).await?;
        Ok(Self { simulator, users })
    }

    fn introduce(&self, url: &str, database: &DatabaseUrl) {
        if let Some(users) = &self.users {
            users.introduce(url, database);
        }
        if let Some(simulator) = &self.simulator {
            builtin::introduce(simulator);
        }
    }
}
