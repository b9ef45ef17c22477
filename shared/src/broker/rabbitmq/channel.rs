//! Channels: opened within a time limit, and closed in order.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::error::within;
use crate::broker::Result;

/// The longest wait for one answer. The first declaration of a quorum queue takes some 50 ms.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// Opens a channel.
pub(super) async fn open(connection: &Connection) -> Result<Channel> {
    within(ANSWER, "opening a channel", connection.create_channel()).await
}

/// Opens a channel on which the broker confirms what is published.
pub(super) async fn open_confirming(connection: &Connection) -> Result<Channel> {
    let channel = open(connection).await?;
    let confirming = channel.confirm_select(ConfirmSelectOptions::default());
    within(ANSWER, "opening a channel", confirming).await?;
    Ok(channel)
}

/// Closes a channel. If that fails, the channel is as good as closed.
pub(super) async fn close(channel: &Channel) {
    let closed = channel.close(200, "done".into());
    if let Err(error) = within(ANSWER, "closing a channel", closed).await {
        tracing::debug!(%error, "a channel was not closed in order");
    }
}

/// How many messages are ready in a queue; `Err` if there is no such queue. `doing` says what for.
pub(super) async fn depth(channel: &Channel, queue: &str, doing: &str) -> Result<u64> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
    Ok(within(ANSWER, doing, asked).await?.message_count().into())
}

/// Publishes so that a message that no queue takes comes back.
pub(super) fn mandatory() -> BasicPublishOptions {
    BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    }
}
