//! How many tasks each channel may have at once, where its platform tells: asked now and then, and kept in the database
//! for all workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Millis;
use shared::store::channels::Channel;
use shared::task::ChannelId;
use upstream::Driver;

use crate::context::Context;

/// The pause between two looks for channels that are to be asked.
const LOOK: Duration = Duration::from_secs(15);
/// How long an answer holds.
const EVERY: Duration = Duration::from_mins(10);
/// How long after a failure a channel is asked again.
const AGAIN: Duration = Duration::from_mins(1);

/// When each channel is asked next, and the address and the key that it was asked with.
type Asked = HashMap<ChannelId, (i64, Millis)>;

/// Asks until a stop is requested.
pub async fn run(context: Arc<Context>) {
    let mut asked = Asked::new();
    while !context.stop.is_requested() {
        // Whoever cannot read the channels asks nothing; other parts say so.
        let channels = context.channels.all().await.unwrap_or_default();
        for channel in channels.iter() {
            let driver = context.upstreams.driver(channel);
            let telling = driver.filter(|driver| driver.limits().tells_most_tasks);
            if let Some(driver) = telling.filter(|_| is_due(&asked, channel, context.now())) {
                let next = ask(&context, driver, channel).await;
                let next = context.now().after(next);
                asked.insert(channel.id, (channel.address_digest(), next));
            }
        }
        tokio::select! {
            () = context.stop.requested() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn is_due(asked: &Asked, channel: &Channel, now: Millis) -> bool {
    let is_well = channel.enabled && channel.poll_cool_until <= now;
    is_well
        && asked.get(&channel.id).is_none_or(|(digest, next)| {
            // Another address or key is another account.
            *digest != channel.address_digest() || *next <= now
        })
}

/// Asks a channel; returns how long to wait before the next time.
async fn ask(context: &Context, driver: Driver<'_>, channel: &Channel) -> Duration {
    if context.wait_to_fetch(channel.id, 1).await.is_err() {
        return AGAIN;
    }
    let most = match driver.most_tasks(channel).await {
        Ok(most) => most.unwrap_or(0),
        Err(what) => {
            tracing::warn!(channel = %channel.name, what,
                "the channel does not tell how many tasks it may have at once; what it told last holds");
            return AGAIN;
        }
    };
    let noted = context
        .ask_store("note a channel's own limit", || {
            context.store.note_own_limit(channel.id, most)
        })
        .await;
    match noted {
        Ok(true) => {
            tracing::info!(channel = %channel.name, tasks = most,
                "the platform told how many tasks this channel may have at once");
            context.looks.notify_one();
            EVERY
        }
        Ok(false) => EVERY,
        Err(_) => AGAIN,
    }
}
