//! The built-in simulator: the upstream while there is no other channel.

use std::io::{self, IsTerminal as _};
use std::net::Ipv4Addr;

use shared::clock::Millis;
use shared::process::Failed;
use shared::process::start::print;
use shared::secret::Secret;
use shared::store::Store;
use shared::store::channels::NewChannel;
use shared::task::Platform;
use suno_simulator::{Options, Simulator};

/// Starts the simulator and writes its channel, unless there is another channel. Creating the first
/// real channel disables this one in the same transaction, so that no paid task goes to a
/// simulator.
pub async fn start_if_needed(store: &Store, now: Millis) -> Result<Option<Simulator>, Failed> {
    let channels = store.channels().await?;
    if channels.iter().any(|channel| !channel.builtin) {
        return Ok(None);
    }
    let simulator = suno_simulator::start(Options {
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        ..Options::default()
    })
    .await?;
    let (url, key) = (simulator.base_url(), Secret::new(""));
    let channel = NewChannel {
        idempotent: false,
        builtin: true,
        ..NewChannel::new("builtin-simulator", Platform::SUNO, url, key)
    };
    store.put_channel(channel, now).await?;
    Ok(Some(simulator))
}

/// Disables the channel of a simulator that ran here before. Says so if there is no other.
pub async fn retire(store: &Store) -> Result<(), Failed> {
    let channels = store.channels().await?;
    for channel in channels.iter().filter(|one| one.builtin && one.enabled) {
        store.enable_channel(&channel.name, false).await?;
    }
    if channels.iter().all(|channel| channel.builtin) {
        tracing::warn!(
            "there is no channel yet, and API_BIND is public, so no simulator stands in for the upstream: submits \
             are refused until `channel create` makes one; `serve --simulator` starts a simulator all the same"
        );
    }
    Ok(())
}

/// Tells where the simulator listens and how to replace it.
pub fn introduce(simulator: &Simulator) {
    if !io::stdout().is_terminal() {
        tracing::warn!(
            simulator = simulator.base_url(),
            "there is no channel yet, so a simulator stands in for the upstream, and no music is made; \
             `channel create` puts your own upstream in its place"
        );
        return;
    }
    print(&format!(
        "There is no channel yet, so a simulator stands in for the upstream, on {}: no music is made.\n\
         Your own upstream takes its place with:\n\n  \
         task-center channel create --name suno --base-url https://… --key …\n",
        simulator.base_url()
    ));
}
