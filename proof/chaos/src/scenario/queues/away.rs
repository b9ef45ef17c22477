//! The broker is away, or there and mute, while clients go on.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use harness::client::http;
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::check::check;
use crate::record::Answered;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;

/// How often a song is asked for.
const EVERY: Duration = Duration::from_millis(200);

/// Half of the submits, and all of them, are taken within these times without a broker; where a busy
/// machine made them slow with one, within three times as long as then.
const BOUNDS: Took = Took {
    half: Duration::from_secs(1),
    longest: Duration::from_secs(5),
};

/// Nobody listens at its port.
pub const AWAY: Scenario = Scenario {
    name: "broker-away-under-load",
    about: "The broker is stopped for a while under steady load. Every submit is taken all the while, as \
            fast as ever, and all of the tasks succeed once it is back.",
    harsh: true,
    lasts: Some(Duration::from_secs(20)),
    body: |run| Box::pin(away(run)),
};

/// It takes connections and bytes, and says nothing.
pub const HANGS: Scenario = Scenario {
    name: "broker-hangs-under-load",
    about: "The wires to the broker carry nothing for a while under steady load. Every submit is taken all \
            the while, as fast as ever, and all of the tasks succeed once they carry again.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(hangs(run)),
};

async fn away(run: &Run) {
    run.on_site(&patient().env("TASK_TIMEOUT", "30m"), async |site| {
        let ann = Asker::new(site, "ann").await;
        let with = load(run, &ann, Duration::from_secs(4), "with_the_broker").await;
        site.servers.rabbitmq.lock().await.stop().await;
        let without = load(run, &ann, run.duration, "without_the_broker").await;
        without.is_sane(with);
        for member in site.members() {
            let answer = http().get(format!("{}/readyz", member.url)).send().await;
            let answer = answer.expect("it answers");
            let (status, text) = (answer.status().as_u16(), answer.text().await);
            let text = text.expect("it answers");
            assert!(status == 503 && text.contains("broker"), "{status} {text}");
        }
        site.servers.mend().await;
        settle(run, site, &ann).await;
    })
    .await;
}

async fn hangs(run: &Run) {
    run.on_site(&patient(), async |site| {
        let ann = Asker::new(site, "ann").await;
        let with = load(run, &ann, Duration::from_secs(4), "with_the_broker").await;
        for member in site.members() {
            member.rabbitmq.black_hole();
        }
        let without = load(run, &ann, Duration::from_secs(15), "while_it_hangs").await;
        without.is_sane(with);
        for member in site.members() {
            member.rabbitmq.mend();
        }
        settle(run, site, &ann).await;
    })
    .await;
}

/// How long submits took.
#[derive(Debug, Clone, Copy)]
struct Took {
    half: Duration,
    longest: Duration,
}

impl Took {
    fn is_sane(self, with_a_broker: Self) {
        let half = BOUNDS.half.max(3 * with_a_broker.half);
        assert!(
            self.half < half,
            "with a broker {with_a_broker:?}, without one {self:?}"
        );
        let longest = BOUNDS.longest.max(3 * with_a_broker.longest);
        assert!(
            self.longest < longest,
            "with a broker {with_a_broker:?}, without one {self:?}"
        );
    }
}

/// Asks for a song at every beat, answered or not, for so long. Each must be taken when it is first
/// asked for.
async fn load(run: &Run, ann: &Asker, lasts: Duration, name: &'static str) -> Took {
    let mut beat = interval(EVERY);
    let mut open = FuturesUnordered::new();
    let mut took = Vec::new();
    let started = Instant::now();
    while started.elapsed() < lasts || !open.is_empty() {
        tokio::select! {
            _ = beat.tick(), if started.elapsed() < lasts => open.push(async {
                let asked = Instant::now();
                ann.song(&format!("Song {asked:?}")).await;
                asked.elapsed()
            }),
            Some(elapsed) = open.next() => took.push(elapsed),
        }
    }
    took.sort();
    let (half, longest) = (took[took.len() / 2], took[took.len() - 1]);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    run.fact(
        name,
        json!({"submits": took.len(), "median_ms": millis(half), "longest_ms": millis(longest)}),
    );
    for asked in ann.asked() {
        let first = &asked.answers[0];
        assert!(matches!(first, Answered::Task(_)), "{asked:?}");
    }
    Took { half, longest }
}

/// Everything ends soon: nothing that was swept meanwhile is left alone for its two minutes.
async fn settle(run: &Run, site: &Site, ann: &Asker) {
    let within = Duration::from_secs(75) + run.duration;
    let sums = check(run, site, within, &ann.expected()).await;
    let all = ann.asked().len();
    assert_eq!(sums.tasks, [("SUCCESS".to_owned(), all)].into());
}
