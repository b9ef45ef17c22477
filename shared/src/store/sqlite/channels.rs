//! Channels, their cool-downs, and prices.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::channels::{Channel, NewChannel, Price};
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _};
use crate::task::ChannelId;
use crate::task::cool_down::{CoolDown, Cooling};

impl SqliteStore {
    pub(in crate::store) async fn create_channel(
        &self,
        channel: NewChannel,
        now: Millis,
    ) -> Result<Option<ChannelId>> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let Some(id) = insert_channel(&mut tx, &channel, now).await? else {
                tx.rollback().await?;
                return Ok(None);
            };
            if !channel.builtin {
                disable_builtin(&mut tx).await?;
            }
            tx.commit().await?;
            Ok(Some(id))
        })
        .await
    }

    pub(in crate::store) async fn put_channel(
        &self,
        channel: NewChannel,
        now: Millis,
    ) -> Result<ChannelId> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let id = upsert_channel(&mut tx, &channel, now).await?;
            if !channel.builtin {
                disable_builtin(&mut tx).await?;
            }
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    pub(in crate::store) async fn channels(&self) -> Result<Vec<Channel>> {
        sqlx::query(
            "SELECT id, name, platform, base_url, key, enabled, builtin, priority, weight,
                    used_quota, cool_until, cool_count
             FROM channels
             ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(row::channel)
        .collect()
    }

    pub(in crate::store) async fn enable_channel(&self, name: &str, enabled: bool) -> Result<bool> {
        let (store, name) = (self.clone(), name.to_owned());
        detach(async move {
            let mut tx = store.begin().await?;
            let changed = sqlx::query(
                "UPDATE channels
                 SET enabled = ?
                 WHERE name = ?",
            )
            .bind(enabled)
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    pub(in crate::store) async fn cool_down(
        &self,
        channel: ChannelId,
        kind: CoolDown,
        asked: Option<Duration>,
        now: Millis,
    ) -> Result<Millis> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let cooling = cooling(&mut tx, channel).await?;
            let cooled = cooling.after_failure(kind, asked, now);
            if cooled != cooling {
                set_cooling(&mut tx, channel, cooled).await?;
            }
            tx.commit().await?;
            Ok(cooled.until)
        })
        .await
    }

    pub(in crate::store) async fn warm_up(&self, channel: ChannelId) -> Result<()> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            // The end of a cool-down under way stays: others may have been told of it.
            sqlx::query(
                "UPDATE channels
                 SET cool_count = 0
                 WHERE id = ?
                   AND cool_count > 0",
            )
            .bind(channel.0)
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    pub(in crate::store) async fn prices(&self) -> Result<Vec<Price>> {
        sqlx::query(
            "SELECT platform, action, quota
             FROM prices
             ORDER BY platform, action DESC",
        )
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(row::price)
        .collect()
    }

    pub(in crate::store) async fn set_price(&self, price: Price) -> Result<()> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            sqlx::query(
                "INSERT INTO prices (platform, action, quota)
                 VALUES (?, ?, ?)
                 ON CONFLICT (platform, action) DO UPDATE
                 SET quota = excluded.quota",
            )
            .bind(price.platform.as_str())
            .bind(price.action.as_str())
            .bind(price.quota.get())
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}

/// `None`: the name is taken.
async fn insert_channel(
    connection: &mut SqliteConnection,
    channel: &NewChannel,
    now: Millis,
) -> Result<Option<ChannelId>> {
    sqlx::query(
        "INSERT INTO channels (name, platform, base_url, key, builtin, priority, weight, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    )
    .bind(&channel.name)
    .bind(channel.platform.as_str())
    .bind(&channel.base_url)
    .bind(channel.key.expose())
    .bind(channel.builtin)
    .bind(channel.priority)
    .bind(channel.weight)
    .bind(now.0)
    .fetch_optional(connection)
    .await?
    .map(|made| Ok(ChannelId(made.int("id")?)))
    .transpose()
}

/// One that is there gets this address and key; an operator's priority and weight stay. New ones are
/// a clean start: it is enabled, and does not rest. The same ones change nothing: an operator may
/// have disabled it.
async fn upsert_channel(
    connection: &mut SqliteConnection,
    channel: &NewChannel,
    now: Millis,
) -> Result<ChannelId> {
    let put = sqlx::query(
        "INSERT INTO channels (name, platform, base_url, key, builtin, priority, weight, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE
         SET base_url = excluded.base_url,
             key = excluded.key,
             builtin = excluded.builtin,
             enabled = enabled OR base_url <> excluded.base_url OR key <> excluded.key,
             cool_until = CASE WHEN base_url = excluded.base_url AND key = excluded.key
                               THEN cool_until ELSE 0 END,
             cool_count = CASE WHEN base_url = excluded.base_url AND key = excluded.key
                               THEN cool_count ELSE 0 END
         RETURNING id",
    )
    .bind(&channel.name)
    .bind(channel.platform.as_str())
    .bind(&channel.base_url)
    .bind(channel.key.expose())
    .bind(channel.builtin)
    .bind(channel.priority)
    .bind(channel.weight)
    .bind(now.0)
    .fetch_one(connection)
    .await?;
    Ok(ChannelId(put.int("id")?))
}

async fn disable_builtin(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query(
        "UPDATE channels
         SET enabled = 0
         WHERE builtin = 1
           AND enabled = 1",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Until when a channel cools down, and how many cool-downs in a row that makes.
async fn cooling(connection: &mut SqliteConnection, channel: ChannelId) -> Result<Cooling> {
    let found = sqlx::query(
        "SELECT cool_until, cool_count
         FROM channels
         WHERE id = ?",
    )
    .bind(channel.0)
    .fetch_one(connection)
    .await?;
    let count = found.int("cool_count")?;
    Ok(Cooling {
        until: Millis(found.int("cool_until")?),
        count: row::count("channels", "cool_count", channel.0, count)?,
    })
}

async fn set_cooling(
    connection: &mut SqliteConnection,
    channel: ChannelId,
    cooling: Cooling,
) -> Result<()> {
    sqlx::query(
        "UPDATE channels
         SET cool_until = ?, cool_count = ?
         WHERE id = ?",
    )
    .bind(cooling.until.0)
    .bind(cooling.count)
    .bind(channel.0)
    .execute(connection)
    .await?;
    Ok(())
}
