//! The API and a worker in one process.

use std::sync::Arc;
use std::time::Duration;

use api::Publisher;
use api::start::Servers;
use shared::process::Process;
use shared::process::lifecycle::ComponentDied;

pub struct Center {
    pub url: String,
    process: Process,
    publisher: Publisher,
    grace: Duration,
}

impl Center {
    /// Adds both sides to the components of `process`. They serve and work until its stop.
    pub fn start(
        mut process: Process,
        servers: Servers,
        api: api::start::Settings,
        worker: worker::Settings,
    ) -> Result<Self, reqwest::Error> {
        let url = servers.url();
        let grace = worker::run::grace(&worker).max(api.grace());
        let publisher = api::start::spawn(&mut process, servers, api);
        worker::run::spawn(&mut process, worker, Arc::default(), || {})?;
        Ok(Self {
            url,
            process,
            publisher,
            grace,
        })
    }

    /// Runs until a stop is requested and everything under way is finished, or a component died.
    pub async fn run(mut self) -> Result<(), ComponentDied> {
        let ended = self.process.run(self.grace).await;
        self.publisher.stop().await;
        self.process.close().await;
        ended
    }
}
