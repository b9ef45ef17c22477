//! What tasks cost.

use serde::Serialize;

use super::row::{self, Cells};
use super::sql::sql;
use super::{Result, Store};
use crate::task::platform::default_prices;
use crate::task::{Action, Platform, Quota};

/// What an action costs. The commands print these fields as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    /// The platform.
    pub platform: Platform,
    /// The action.
    pub action: Action,
    /// The model; `None`: every model that has no price of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The price of one task.
    pub quota: Quota,
}

impl Store {
    /// Every price, by platform, action and model.
    pub async fn prices(&self) -> Result<Vec<Price>> {
        let select = "SELECT platform, action, NULL AS model, quota FROM prices
                      UNION ALL
                      SELECT platform, action, model, quota FROM model_prices
                      ORDER BY platform, action, model NULLS FIRST";
        let found = self.database.all(sql(select)).await?;
        found.iter().map(price).collect()
    }

    /// Adds the default price of each task that has no price yet; an operator's price stays.
    pub(super) async fn add_default_prices(&self) -> Result<()> {
        self.database
            .write(|tx| {
                Box::pin(async move {
                    for (platform, action, quota) in default_prices() {
                        let insert = sql("INSERT INTO prices (platform, action, quota)
                             VALUES ($1, $2, $3)
                             ON CONFLICT (platform, action) DO NOTHING")
                        .bind(platform.as_str()) // $1 platform
                        .bind(action.as_str()) // $2 action
                        .bind(quota.get()); // $3 quota
                        tx.execute(insert).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Sets what tasks cost from now on.
    pub async fn set_price(&self, price: &Price) -> Result<()> {
        let upsert = match &price.model {
            None => sql("INSERT INTO prices (platform, action, quota)
                 VALUES ($1, $2, $3)
                 ON CONFLICT (platform, action) DO UPDATE SET quota = excluded.quota"),
            Some(_) => sql("INSERT INTO model_prices (platform, action, quota, model)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (platform, action, model) DO UPDATE SET quota = excluded.quota"),
        };
        let mut upsert = upsert
            .bind(price.platform.as_str()) // $1 platform
            .bind(price.action.as_str()) // $2 action
            .bind(price.quota.get()); // $3 quota
        if let Some(model) = &price.model {
            upsert = upsert.bind(model.as_str()); // $4 model
        }
        self.database.execute(upsert).await?;
        Ok(())
    }
}

/// A row of `prices`.
fn price(found: &impl Cells) -> Result<Price> {
    Ok(Price {
        platform: row::parse("prices", "platform", 0, &found.text("platform")?)?,
        action: row::parse("prices", "action", 0, &found.text("action")?)?,
        model: found.text_or_null("model")?,
        quota: row::quota("prices", "quota", 0, found.int("quota")?)?,
    })
}
