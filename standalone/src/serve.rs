//! `task-center serve`: starts and runs the server.

use shared::clock::{Clock as _, SystemClock};
use shared::config::{Config, Program};
use shared::process::start::announce;
use shared::process::{Failed, Process};

use crate::center::Center;
use crate::{builtin, first_start};

/// Serves until a signal, or until a component ends too early.
pub async fn serve(config: Config) -> Result<(), Failed> {
    let process = Process::start(&config, Program::TaskCenter).await?;
    let (store, random) = (process.store.clone(), process.random.clone());
    let simulator = builtin::start_if_needed(&store, SystemClock.now()).await?;
    let server = api::start::bind(&config, Program::TaskCenter).await?;
    // After every step that can fail, because the secrets are shown only once.
    let users = first_start::make_users(&store, &random, SystemClock.now()).await?;
    let center = Center::start(
        process,
        server,
        api::start::Settings::of(&config),
        worker::Settings::of(&config),
    )?;
    announce(&center.url);
    if let Some(users) = users {
        users.introduce(&center.url);
    }
    if let Some(simulator) = &simulator {
        builtin::introduce(simulator);
    }
    let ended = center.run().await;
    if let Some(simulator) = simulator {
        simulator.shutdown().await;
    }
    Ok(ended?)
}
