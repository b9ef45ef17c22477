//! Channels, their cool-downs, and prices.

use std::time::Duration;

use super::PostgresStore;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::channels::{Channel, NewChannel, Price};
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _};
use crate::task::ChannelId;
use crate::task::cool_down::{CoolDown, Cooling};

type Tx = sqlx::PgTransaction<'static>;

impl PostgresStore {
    pub(in crate::store) async fn create_channel(
        &self,
        channel: NewChannel,
        now: Millis,
    ) -> Result<Option<ChannelId>> {
        let pool = self.pool.clone();
        detach(async move {
            let mut tx = pool.begin().await?;
            let Some(id) = insert(&mut tx, &channel, now).await? else {
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
        let pool = self.pool.clone();
        detach(async move {
            let mut tx = pool.begin().await?;
            let id = match insert(&mut tx, &channel, now).await? {
                Some(id) => id,
                None => readdress(&mut tx, &channel).await?,
            };
            if !channel.builtin {
                disable_builtin(&mut tx).await?;
            }
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    pub(in crate::store) async fn channels(&self) -> Result<Vec<Channel>> {
        let rows = sqlx::query(
            "SELECT id, name, platform, base_url, key, enabled, builtin, priority, weight,
                    used_quota, cool_until, cool_count
             FROM channels
             ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row::channel).collect()
    }

    pub(in crate::store) async fn enable_channel(&self, name: &str, enabled: bool) -> Result<bool> {
        let (pool, name) = (self.pool.clone(), name.to_owned());
        detach(async move {
            let done = sqlx::query("UPDATE channels SET enabled = $2 WHERE name = $1")
                .bind(name)
                .bind(enabled)
                .execute(&pool)
                .await?;
            Ok(done.rows_affected() == 1)
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
        let pool = self.pool.clone();
        detach(async move {
            let mut tx = pool.begin().await?;
            let cooling = lock_cooling(&mut tx, channel).await?;
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
        let pool = self.pool.clone();
        detach(async move {
            sqlx::query("UPDATE channels SET cool_count = 0 WHERE id = $1 AND cool_count > 0")
                .bind(channel.0)
                .execute(&pool)
                .await?;
            Ok(())
        })
        .await
    }

    pub(in crate::store) async fn prices(&self) -> Result<Vec<Price>> {
        let rows = sqlx::query(
            "SELECT platform, action, quota FROM prices ORDER BY platform, action DESC",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row::price).collect()
    }

    pub(in crate::store) async fn set_price(&self, price: Price) -> Result<()> {
        let pool = self.pool.clone();
        detach(async move {
            sqlx::query(
                "INSERT INTO prices (platform, action, quota) VALUES ($1, $2, $3)
                 ON CONFLICT (platform, action) DO UPDATE SET quota = EXCLUDED.quota",
            )
            .bind(price.platform.as_str())
            .bind(price.action.as_str())
            .bind(price.quota.get())
            .execute(&pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// `None`: the name is taken.
async fn insert(tx: &mut Tx, channel: &NewChannel, now: Millis) -> Result<Option<ChannelId>> {
    let id = sqlx::query_scalar(
        "INSERT INTO channels (name, platform, base_url, key, priority, weight, builtin, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    )
    .bind(&channel.name)
    .bind(channel.platform.as_str())
    .bind(&channel.base_url)
    .bind(channel.key.expose())
    .bind(i64::from(channel.priority))
    .bind(i64::from(channel.weight))
    .bind(channel.builtin)
    .bind(now.0)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id.map(ChannelId))
}

/// Gives the channel of that name this address and key. New ones are a clean start: it is enabled,
/// and does not rest. The same ones change nothing: an operator may have disabled it.
async fn readdress(tx: &mut Tx, channel: &NewChannel) -> Result<ChannelId> {
    let id = sqlx::query_scalar(
        "UPDATE channels
         SET base_url = $2, key = $3, builtin = $4,
             enabled = enabled OR base_url <> $2 OR key <> $3,
             cool_until = CASE WHEN base_url = $2 AND key = $3 THEN cool_until ELSE 0 END,
             cool_count = CASE WHEN base_url = $2 AND key = $3 THEN cool_count ELSE 0 END
         WHERE name = $1
         RETURNING id",
    )
    .bind(&channel.name)
    .bind(&channel.base_url)
    .bind(channel.key.expose())
    .bind(channel.builtin)
    .fetch_one(&mut **tx)
    .await?;
    Ok(ChannelId(id))
}

async fn disable_builtin(tx: &mut Tx) -> Result<()> {
    sqlx::query("UPDATE channels SET enabled = FALSE WHERE builtin AND enabled")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn lock_cooling(tx: &mut Tx, channel: ChannelId) -> Result<Cooling> {
    let found =
        sqlx::query("SELECT cool_until, cool_count FROM channels WHERE id = $1 FOR NO KEY UPDATE")
            .bind(channel.0)
            .fetch_one(&mut **tx)
            .await?;
    let count = row::count(
        "channels",
        "cool_count",
        channel.0,
        found.int("cool_count")?,
    )?;
    let until = Millis(found.int("cool_until")?);
    Ok(Cooling { until, count })
}

async fn set_cooling(tx: &mut Tx, channel: ChannelId, cooling: Cooling) -> Result<()> {
    sqlx::query("UPDATE channels SET cool_until = $2, cool_count = $3 WHERE id = $1")
        .bind(channel.0)
        .bind(cooling.until.0)
        .bind(i64::from(cooling.count))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
