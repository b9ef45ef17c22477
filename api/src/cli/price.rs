//! `price …`: what tasks cost.

use clap::Subcommand;
use shared::store::prices::Price;
use shared::task::{Platform, Quota};

use super::channel::{action_of, known_action};
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
        #[arg(long, value_parser = known_action)]
        action: String,
        /// The model, as requests name it: its price counts instead of that of the action
        #[arg(long)]
        model: Option<String>,
        /// The price of one task, in quota
        #[arg(long)]
        quota: Quota,
    },
    /// List all prices
    List,
}

impl PriceCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            Self::Set {
                platform,
                action,
                model,
                quota,
            } => {
                let inputs = upstream::inputs(platform);
                let model = model.map(|model| match inputs {
                    Some(inputs) => inputs.priced_model(&model),
                    None => model,
                });
                let price = Price {
                    platform,
                    action: action_of(platform, &action)?,
                    model,
                    quota,
                };
                set(context, &price).await
            }
            Self::List => list(context).await,
        }
    }
}

async fn set(context: CommandContext<'_>, price: &Price) -> Result<Output, CommandError> {
    let model = price.model.as_deref();
    if model.is_some_and(str::is_empty) {
        let what = "--model takes the name of a model";
        return Err(CommandError::new(what.to_owned()));
    }
    context.store.set_price(price).await?;
    let Price {
        platform,
        action,
        quota,
        ..
    } = price;
    let of_model = model.map(|model| format!(" with the model `{model}`"));
    let of_model = of_model.unwrap_or_default();
    let human = format!("A {platform} {action} task{of_model} costs {quota} from now on.");
    Output::new(human, price)
}

async fn list(context: CommandContext<'_>) -> Result<Output, CommandError> {
    let prices = context.store.prices().await?;
    let titles = ["PLATFORM", "ACTION", "MODEL", "QUOTA"];
    Output::list("There are no prices.", titles, &prices, row)
}

fn row(price: &Price) -> [String; 4] {
    [
        price.platform.to_string(),
        price.action.to_string(),
        price.model.clone().unwrap_or_default(),
        price.quota.to_string(),
    ]
}
