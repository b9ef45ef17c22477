//! `price …`: what tasks cost.

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shared::store::prices::Price;
use shared::task::{Action, Platform, Quota};

use super::{CommandContext, CommandError, Output};

/// The commands on prices.
#[derive(Debug, Subcommand)]
pub enum PriceCommand {
    /// Set the price of tasks submitted from now on
    Set {
        /// The platform
        #[arg(long, value_parser = super::platform())]
        platform: Platform,
        /// The action
        #[arg(long, value_parser = action())]
        action: Action,
        /// The price of one task, in quota
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

impl PriceCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
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
                context.store.set_price(price).await?;
                let human = format!("A {platform} {action} task costs {quota} from now on.");
                Output::new(human, &price)
            }
            Self::List => list(context).await,
        }
    }
}

async fn list(context: CommandContext<'_>) -> Result<Output, CommandError> {
    let prices = context.store.prices().await?;
    let titles = ["PLATFORM", "ACTION", "QUOTA"];
    Output::list("There are no prices.", titles, &prices, row)
}

fn row(price: &Price) -> [String; 3] {
    [
        price.platform.to_string(),
        price.action.to_string(),
        price.quota.to_string(),
    ]
}
