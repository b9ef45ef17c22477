//! Every row of the table in `docs/upstreams/suno.md`, "How upstreams misbehave", with what must
//! never follow.
//!
//! | what upstreams do | scenario | what must not happen |
//! |---|---|---|
//! | 429 with or without `Retry-After` | `upstream-busy` | a failed task, an attempt counted |
//! | 5xx for minutes | `upstream-down` | a failed task, a task that waits for the one that is down |
//! | connection refused; TLS or DNS errors | `upstream-unreachable` | a failed task |
//! | 401, 402, 403 | `upstream-refuses-our-key` | a failed task while another channel serves; silence |
//! | 400, 404, 422 on submit | `upstream-refuses-the-request` | a retry |
//! | accepts, then cuts or times out | `upstream-answer-lost` | a second submit |
//! | ids left out; 404 for a batch | `upstream-forgets-ids` | others that fail or wait for it |
//! | ids never asked for; one twice | `upstream-answers-about-strangers` | another's data, a crash |
//! | `UNKNOWN`, statuses never seen | `upstream-says-nothing-we-know` | a failure before our deadline |
//! | a state that goes backwards | `upstream-contradicts-itself`, `goes_backwards` | progress that runs backwards |
//! | `fail_reason` beside another status | `upstream-contradicts-itself`, `warns_early` | a refund |
//! | finishes after our deadline | `upstream-finishes-late` | a second refund, a charge taken back |
//! | prints keys, addresses, ids | `upstream-leaks` | any of them in a client's eyes, or in a log |
//! | megabytes; a byte every few seconds | `upstream-floods-and-drips` | a worker that is stuck or swells |
//! | never answers (beside one that does) | `upstream-hangs-beside-a-good-one` | slower songs at the good one |

mod answer_lost;
mod busy;
mod contradicts;
mod down;
mod floods;
mod forgets;
mod hangs;
mod late;
mod leaks;
mod our_key;
mod refuses;
mod strangers;
mod unknown;
mod unreachable;

use std::time::Duration;

use crate::run::Scenario;
use crate::site::Site;

/// How long anything may take that takes seconds where nobody else is busy.
const SOON: Duration = Duration::from_secs(90);

/// Songs that take a second or so, and nothing else.
const QUICK: [&str; 2] = ["--song-time", "500ms..1500ms"];

/// The scenarios, in the order of the table.
pub const SCENARIOS: [Scenario; 14] = [
    busy::BUSY,
    down::DOWN,
    unreachable::UNREACHABLE,
    our_key::OUR_KEY,
    refuses::REFUSES,
    answer_lost::ANSWER_LOST,
    forgets::FORGETS,
    strangers::STRANGERS,
    unknown::UNKNOWN,
    contradicts::CONTRADICTS,
    late::LATE,
    leaks::LEAKS,
    floods::FLOODS,
    hangs::HANGS,
];

/// How often a title was asked for and accepted, at all upstreams together.
async fn seen(site: &Site, title: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for channel in &site.channels {
        let (asked, accepted) = channel.upstream.asked_and_accepted(title).await;
        sum = (sum.0 + asked, sum.1 + accepted);
    }
    sum
}

/// How many submits one upstream accepted.
async fn accepted(site: &Site, channel: usize) -> u64 {
    let counts = site.channels[channel].upstream.counts().await;
    counts["submits"]["accepted"]
        .as_u64()
        .expect("a count is a number")
}

/// Has a channel taken before all others while it is well.
async fn prefer(site: &Site, channel: &str) {
    let prefer = format!("UPDATE channels SET priority = 10 WHERE name = '{channel}'");
    site.execute(&prefer).await;
}

/// Takes a channel out of the choice for new tasks, or back into it, as an operator does. Workers
/// know it a second later.
async fn switch(site: &Site, channel: &str, on: bool) {
    let word = if on { "enable" } else { "disable" };
    let done = site
        .operator()
        .run(&["channel", word, "--name", channel])
        .await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

/// How much was given back so far, by the ledger.
async fn refunded(site: &Site) -> i64 {
    let mut database = site.connect().await;
    let sum = "SELECT coalesce(sum(amount), 0)::BIGINT FROM ledger WHERE kind = 'refund'";
    let sum = sqlx::query_scalar(sum).fetch_one(&mut database).await;
    sum.expect("the database sums")
}
