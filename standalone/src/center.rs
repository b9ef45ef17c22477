//! The API and a worker in one process.

use std::sync::Arc;

use api::SubmitPublisher;
use api::start::Servers;
use shared::process::Process;
use shared::process::lifecycle::ComponentDied;

pub struct Center {
    pub url: String,
    process: Process,
    publisher: SubmitPublisher,
    worker: worker::Settings,
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
        let publisher = api::start::spawn(&mut process, servers, api);
        worker::run::spawn(&mut process, worker, Arc::default(), || {})?;
        Ok(Self {
            url,
            process,
            publisher,
            worker,
        })
    }

    /// Runs until a stop is requested and everything under way is finished, or a component died.
    pub async fn run(mut self) -> Result<(), ComponentDied> {
        let grace = worker::run::grace(self.worker).max(api::start::grace());
        let ended = self.process.run(grace).await;
        self.publisher.stop().await;
        self.process.close().await;
        ended
    }
}
