//! `price …`: what tasks cost.

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use shared::store::channels::Price;
use shared::task::{Action, Platform, Quota};

use super::table::table;
use super::{Answer, Desk, Refusal};

/// What can be done with prices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set what tasks cost that are submitted from now on
    Set {
        /// The platform
        #[arg(long, value_parser = super::platform())]
        platform: Platform,
        /// The action
        #[arg(long, value_parser = action())]
        action: Action,
        /// The price of one task
        #[arg(long)]
        quota: Quota,
    },
    /// List all prices
    List,
}

fn action() -> impl TypedValueParser<Value = Action> {
    PossibleValuesParser::new(Action::known().into_iter().map(Action::as_str))
        .try_map(|text| text.parse::<Action>())
}

#[derive(Serialize)]
struct Listed<'a> {
    platform: &'a str,
    action: &'a str,
    quota: Quota,
}

impl Command {
    pub(super) async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Set {
                platform,
                action,
                quota,
            } => {
                let price = Price {
                    platform,
                    action,
                    quota,
                };
                desk.store.set_price(price).await?;
                let human = format!("A {platform} {action} task costs {quota} from now on.");
                Answer::new(human, &listed(&price))
            }
            Self::List => list(desk).await,
        }
    }
}

async fn list(desk: Desk<'_>) -> Result<Answer, Refusal> {
    let prices = desk.store.prices().await?;
    let json: Vec<Listed<'_>> = prices.iter().map(listed).collect();
    let rows: Vec<[String; 3]> = prices.iter().map(row).collect();
    Answer::new(table(["PLATFORM", "ACTION", "QUOTA"], &rows), &json)
}

fn listed(price: &Price) -> Listed<'_> {
    Listed {
        platform: price.platform.as_str(),
        action: price.action.as_str(),
        quota: price.quota,
    }
}

fn row(price: &Price) -> [String; 3] {
    [
        price.platform.to_string(),
        price.action.to_string(),
        price.quota.to_string(),
    ]
}
