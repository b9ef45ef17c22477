//! Messages that come twice, too late, too early, in any order, or to the wrong queue.

use futures_util::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::scenario::prelude::*;

/// The limit for all songs.
const LIMIT: Duration = Duration::from_mins(1);
const SONGS: usize = 30;
const ROUNDS: usize = 12;

pub async fn doubled(run: &Run) {
    let slow = ["--song-time", "3s..6s"];
    let setup = patient()
        .upstreams(&[("first", &slow), ("second", &slow)])
        .workers(2);
    run.on_cluster(&setup, async |cluster| {
        let mut random = StdRng::seed_from_u64(run.seed);
        let ann = PatientClient::new(cluster, "ann").await;
        let songs = titles("Song", SONGS);
        let mut published = 0;
        let (tasks, ()) = tokio::join!(ann.songs(&songs), async {
            for _ in 0..ROUNDS {
                let mut messages = messages(&unfinished(cluster).await);
                messages.shuffle(&mut random);
                published += messages.len();
                publish(cluster, &messages).await;
                sleep(Duration::from_millis(300)).await;
            }
        });
        run.fact("messages_published_by_hand", published);
        ann.all_succeed(&tasks, LIMIT).await;
        for song in &songs {
            assert_eq!(submits_of(cluster, song).await, (1, 1), "{song}");
        }
        let metrics = Metrics::read(&cluster.workers).await;
        let stale = metrics.sum("task_center_turns_total", &["turn=\"stale\""]);
        run.fact("stale_turns", stale);
        assert!(stale >= SONGS as u64, "only {stale} messages were stale");
        let sums = check(run, cluster, LIMIT, &ann.expected()).await;
        sums.assert_ended(SONGS, 0);
    })
    .await;
}

/// Id, turn, stage and channel of an unfinished task.
type Unfinished = (i64, i64, String, Option<i64>);

async fn unfinished(cluster: &Cluster) -> Vec<Unfinished> {
    let read = "SELECT id, turn, stage, channel_id FROM unfinished_tasks";
    let mut database = cluster.connect().await;
    let read = sqlx::query_as(read).fetch_all(&mut database).await;
    read.expect("the database answers")
}

/// Every message that could be about these tasks, and some that could not. The submit message of a
/// task in stage `sending` is left out: only the sweep may send it, once the worker is dead.
fn messages(tasks: &[Unfinished]) -> Vec<(&'static str, Value)> {
    let submit = |id: i64, turn: i64| {
        let message = json!({"v": 1, "submit": {"id": id, "turn": turn}});
        ("submit", message)
    };
    let poll = |channel: i64, tasks: &[(i64, i64)]| {
        let tasks = tasks
            .iter()
            .map(|(id, turn)| json!({"id": id, "turn": turn}));
        let tasks: Vec<Value> = tasks.collect();
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
            // In the task's own queue this is the current message, in the other one it is nonsense.
            all.extend([submit(id, turn), submit(id, turn), submit(id, turn)]);
        }
        let current = poll(channel, &[(id, turn)]);
        all.extend([current.clone(), current.clone(), current]);
        all.extend([poll(wrong, &[(id, turn)]), poll(77, &[(id, turn)])]);
        let mixed = [(id, turn), (id, turn), (id, turn - 1), (1 << 50, 1)];
        all.push(poll(channel, &mixed));
        for stale in (0..turn).rev().take(3) {
            all.extend([submit(id, stale), poll(channel, &[(id, stale)])]);
        }
        all.extend([submit(id, turn + 1000), poll(channel, &[(id, turn + 1000)])]);
    }
    all
}

async fn publish(cluster: &Cluster, messages: &[(&'static str, Value)]) {
    futures_util::stream::iter(messages)
        .for_each_concurrent(8, async |(queue, message)| {
            let (rabbitmq, text) = (cluster.rabbitmq(), message.to_string());
            rabbitmq.publish("work", queue, &text, "string").await;
        })
        .await;
}
