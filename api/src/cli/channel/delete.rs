//! `channel delete`.

use shared::store::channels::by_hand::Deleted;

use super::super::{CommandContext, CommandError, Output};
use super::no_channel;

pub(super) async fn run(context: CommandContext<'_>, name: &str) -> Result<Output, CommandError> {
    match context.store.delete_channel(name).await? {
        Deleted::Done => {
            let human = format!(
                "The channel `{name}` is deleted. Its tasks and figures stay, and its name is free."
            );
            let json = serde_json::json!({"name": name, "deleted": true});
            Output::new(human, &json)
        }
        Deleted::NoChannel => Err(no_channel(name)),
        Deleted::Needed { under_way, waiting } => Err(CommandError::new(format!(
            "tasks need the channel `{name}`: {under_way} are being sent to it or are at its upstream, and \
             {waiting} wait that only this channel can take; `channel disable --name {name}` sends nothing new \
             there, and it can be deleted once they have ended"
        ))),
    }
}
