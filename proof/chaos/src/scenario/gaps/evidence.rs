//! What these scenarios assert beside balanced books.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::client::{Client, SONG, http};
use harness::wait::eventually;

use crate::books::Sums;
use crate::check::{Expected, check};
use crate::member::Member;
use crate::record::Asked;
use crate::run::Run;
use crate::site::Site;

/// What Ann is granted.
const QUOTA: i64 = 3_000_000;

/// What the longest lease, the sweep's grace and its beat come to, with the setup's short times; a
/// busy machine included.
const OVERDUE: Duration = Duration::from_mins(2);

/// A moment of any length on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// The one who asks for songs.
pub async fn ann(site: &Site) -> Client {
    site.user("ann", QUOTA, None).await
}

/// Waits until all is settled, proves the books, and that so many tasks succeeded and failed, paid
/// for and given back.
pub async fn ends(run: &Run, site: &Site, asked: Vec<Asked>, good: usize, bad: usize) -> Sums {
    let expected = Expected {
        asked,
        granted: [("ann".to_owned(), QUOTA)].into(),
        parked: false,
    };
    let sums = check(run, site, OVERDUE, &expected).await;
    let count = |status: &str| sums.tasks.get(status).copied().unwrap_or_default();
    assert_eq!(
        (count("SUCCESS"), count("FAILURE")),
        (good, bad),
        "{sums:?}"
    );
    let price = |tasks: usize| SONG * i64::try_from(tasks).unwrap_or(i64::MAX);
    assert_eq!(
        (sums.charged, sums.refunded),
        (price(good + bad), price(bad))
    );
    sums
}

/// How often a title was asked for, and accepted, by the first upstream.
pub async fn upstream(site: &Site, title: &str) -> (u64, u64) {
    site.channels[0].upstream.asked_and_accepted(title).await
}

/// How many tasks there are of this title, as another connection sees them: committed.
pub async fn stored(site: &Site, title: &str) -> i64 {
    let mut database = site.connect().await;
    let count = "SELECT count(*) FROM tasks WHERE request::json ->> 'title' = $1";
    let counted = sqlx::query_scalar(count).bind(title);
    counted
        .fetch_one(&mut database)
        .await
        .expect("the database counts")
}

/// The words for what happened to a task, in order, and how often.
pub async fn history(site: &Site, task: &str) -> BTreeMap<String, usize> {
    let shown = site.operator().json(&["task", "show", task]).await;
    let history = shown["history"].as_array().expect("a history is a list");
    let mut kinds = BTreeMap::new();
    for event in history {
        let kind = event["kind"].as_str().expect("a kind is a word");
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// Waits until a worker was given a message, `submit` or `poll`, for a turn that is gone.
pub async fn refuses_a_stale(worker: &Member, work: &str) {
    let what = format!("a stale {work} to come to {}", worker.name);
    let labels = [format!("work=\"{work}\""), "turn=\"stale\"".to_owned()];
    eventually(SOON, &what, async || {
        let figures = http().get(format!("{}/metrics", worker.url)).send().await;
        let figures = figures.ok()?.text().await.ok()?;
        let mut lines = figures.lines();
        let stale = lines.find(|line| {
            line.starts_with("task_center_turns_total{")
                && labels.iter().all(|label| line.contains(label.as_str()))
        })?;
        (!stale.ends_with(" 0")).then_some(())
    })
    .await;
}

/// What a worker says whose "accepted" was refused.
pub const TOO_LATE: &str = "accepted a task that is at another turn by now";

/// Waits until a member logs any of these words.
pub async fn logs(member: &Member, words: &[&str]) {
    let what = format!("{} to log {words:?}", member.name);
    eventually(SOON, &what, async || {
        let log = member.log();
        words.iter().any(|words| log.contains(words)).then_some(())
    })
    .await;
}
