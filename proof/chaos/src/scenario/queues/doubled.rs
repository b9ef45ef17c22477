//! Messages that come twice, too late, too early, in any order, and about the wrong thing.

use std::time::Duration;

use futures_util::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::check::check;
use crate::metrics::Figures;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How long all of it may take.
const SOON: Duration = Duration::from_mins(1);

/// How many songs are under way, and for how many rounds their messages are multiplied.
const SONGS: usize = 30;
const ROUNDS: usize = 12;

/// Every message of every task, many times.
pub const DOUBLED: Scenario = Scenario {
    name: "messages-doubled-and-reordered",
    about: "While songs are made by two workers, every current message is published several times more, with \
            stale ones, ones for the wrong channel or the wrong queue, and unknown ids among them, in \
            random order. Every song is asked for once, none is lost, nothing is parked.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(doubled(run)),
};

async fn doubled(run: &Run) {
    let slow = ["--song-time", "3s..6s"];
    let setup = patient()
        .upstreams(&[("first", &slow), ("second", &slow)])
        .workers(2);
    run.on_site(&setup, async |site| {
        let mut random = StdRng::seed_from_u64(run.seed);
        let ann = Asker::new(site, "ann").await;
        let songs = titles("Song", SONGS);
        let mut published = 0;
        let (tasks, ()) = tokio::join!(ann.songs(&songs), async {
            for _ in 0..ROUNDS {
                let mut messages = messages(&unfinished(site).await);
                messages.shuffle(&mut random);
                published += messages.len();
                publish(site, &messages).await;
                sleep(Duration::from_millis(300)).await;
            }
        });
        run.fact("messages_published_by_hand", published);
        ann.all_succeed(&tasks, SOON).await;
        for (asked, accepted) in seen(site, &songs).await {
            assert_eq!(
                (asked, accepted),
                (1, 1),
                "a song was asked for more than once"
            );
        }
        let mut stale = 0;
        for worker in &site.workers {
            stale += Figures::of(worker)
                .await
                .sum("task_center_turns_total", &["turn=\"stale\""]);
        }
        run.fact("stale_turns", stale);
        assert!(stale >= SONGS as u64, "only {stale} messages were stale");
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), SONGS)].into());
    })
    .await;
}

/// What is known of a task that is not ended: row, turn, stage, channel.
type Unfinished = (i64, i64, String, Option<i64>);

async fn unfinished(site: &Site) -> Vec<Unfinished> {
    let mut database = site.connect().await;
    let read = sqlx::query_as("SELECT id, turn, stage, channel_id FROM unfinished_tasks");
    read.fetch_all(&mut database)
        .await
        .expect("the database reads")
}

/// Every message that could ever be about these tasks, and some that could not. A message at the
/// turn of an intention means that its worker is dead: only the sweep may say so, and it is left out.
fn messages(tasks: &[Unfinished]) -> Vec<(&'static str, Value)> {
    let submit = |id: i64, turn: i64| {
        (
            "submit",
            json!({"v": 1, "submit": {"id": id, "turn": turn}}),
        )
    };
    let poll = |channel: i64, tasks: &[(i64, i64)]| {
        let tasks: Vec<Value> = tasks
            .iter()
            .map(|(id, turn)| json!({"id": id, "turn": turn}))
            .collect();
        (
            "poll",
            json!({"v": 1, "poll": {"channel": channel, "tasks": tasks}}),
        )
    };
    let mut all = vec![
        submit(1 << 50, 0),
        poll(1, &[(1 << 50, 1)]),
        poll(77, &[(1, 1)]),
    ];
    for (id, turn, stage, channel) in tasks {
        let (id, turn, channel) = (*id, *turn, channel.unwrap_or(1));
        let wrong = if channel == 1 { 2 } else { 1 };
        if stage != "sending" {
            // In its own queue it is the message itself, in the other one it is nonsense.
            all.extend([submit(id, turn), submit(id, turn), submit(id, turn)]);
        }
        let current = poll(channel, &[(id, turn)]);
        all.extend([current.clone(), current.clone(), current]);
        all.extend([poll(wrong, &[(id, turn)]), poll(77, &[(id, turn)])]);
        all.push(poll(
            channel,
            &[(id, turn), (id, turn), (id, turn - 1), (1 << 50, 1)],
        ));
        for stale in (0..turn).rev().take(3) {
            all.extend([submit(id, stale), poll(channel, &[(id, stale)])]);
        }
        all.extend([submit(id, turn + 1000), poll(channel, &[(id, turn + 1000)])]);
    }
    all
}

async fn publish(site: &Site, messages: &[(&'static str, Value)]) {
    futures_util::stream::iter(messages)
        .for_each_concurrent(8, async |(queue, message)| {
            let text = message.to_string();
            site.rabbitmq.publish("work", queue, &text, "string").await;
        })
        .await;
}

/// How often each was asked for and accepted, by both upstreams together.
async fn seen(site: &Site, titles: &[String]) -> Vec<(u64, u64)> {
    let mut sums = vec![(0, 0); titles.len()];
    for channel in &site.channels {
        let counts = channel.upstream.all_asked_and_accepted(titles).await;
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = (sum.0 + count.0, sum.1 + count.1);
        }
    }
    sums
}
