//! `channel test`.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::clock::SystemClock;
use upstream::{Upstreams, diagnosis};

use super::super::{CommandContext, CommandError, Output};
use super::no_channel;

/// How long an upstream may take to answer.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Tested {
    ok: bool,
    what: String,
}

pub(super) async fn run(context: CommandContext<'_>, name: &str) -> Result<Output, CommandError> {
    let channels = context.store.channels().await?;
    let channel = channels.iter().find(|channel| channel.name == name);
    let channel = channel.ok_or_else(|| no_channel(name))?;
    let upstreams = Upstreams::new(LONGEST, LONGEST, Arc::new(SystemClock)).map_err(|error| {
        CommandError::new(format!("no HTTP client could be made, so no call: {error}"))
    })?;
    let Some(driver) = upstreams.driver(channel) else {
        let dialect = channel
            .dialect
            .map(|dialect| format!(", dialect {dialect},"));
        return Err(CommandError::new(format!(
            "this program has no driver for the platform {}{} of the channel `{name}`; a newer one has",
            channel.platform,
            dialect.unwrap_or_default()
        )));
    };
    let tested = match driver.test(channel).await {
        Ok(after) => Tested {
            ok: true,
            what: diagnosis::took(after),
        },
        Err(what) => Tested { ok: false, what },
    };
    let human = format!("{name}: {}", tested.what);
    let output = Output::new(human, &tested)?;
    Ok(if tested.ok {
        output
    } else {
        output.with_error(format!("the channel `{name}` does not work as it is set"))
    })
}
