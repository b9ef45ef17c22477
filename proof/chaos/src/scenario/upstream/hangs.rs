//! A channel that hangs for ever beside one that works.

use std::time::Duration;

use harness::wait::eventually;
use serde_json::json;
use tokio::time::sleep;

use super::{SOON, switch};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How many songs hang in their polls.
const HUNG: usize = 120;

/// How many rounds are measured, after one that is not, and how many songs each has at the good one.
const ROUNDS: usize = 3;
const SONGS: usize = 20;

/// How much slower songs may be beside it: a tenth.
const SLOWER: f64 = 1.1;

/// The beat that polls are published on, in seconds. On which side of it a song falls is chance, and of
/// the slowest few songs of a round chance may make that much.
const BEAT: f64 = 0.5;

/// What the good one is: found at the second poll, with time to spare on both sides.
const GOOD: [&str; 4] = ["--song-time", "3300ms", "--submit-latency", "50ms"];

/// Measured on two sites at the same time, so that a busy machine is as busy for both.
pub const HANGS: Scenario = Scenario {
    name: "upstream-hangs-beside-a-good-one",
    about: "One site has a good channel, another has the same one and beside it a channel that never answers \
            submits nor polls of the many tasks it has. The same songs, at the same time: those of the good \
            channel take no more than a tenth longer.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(hangs(run)),
};

async fn hangs(run: &Run) {
    let setup = patient()
        .env("UPSTREAM_SUBMIT_TIMEOUT", "15s")
        .env("UPSTREAM_FETCH_TIMEOUT", "15s");
    let one = setup.clone().upstreams(&[("good", &GOOD)]);
    let two = setup.upstreams(&[("good", &GOOD), ("hangs", &["--song-time", "1s"])]);
    let both = run.on_site(&one, async |alone| {
        let measured = async |beside: &Site| side_by_side(run, alone, beside).await;
        Box::pin(run.on_site(&two, measured)).await;
    });
    Box::pin(both).await;
}

async fn side_by_side(run: &Run, alone: &Site, beside: &Site) {
    let (ann, bob) = (
        Asker::new(alone, "ann").await,
        Asker::new(beside, "bob").await,
    );
    hang(beside, &bob).await;
    let (mut by_itself, mut with_it) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let name = format!("Round {round}");
        let (one, two) = tokio::join!(
            measure(alone, &ann, &name, 1),
            measure(beside, &bob, &name, 2)
        );
        // The first warms both up.
        if round > 0 {
            by_itself.push(one);
            with_it.push(two);
        }
    }
    let hung = beside.channels[1].upstream.counts().await;
    run.fact("hung_submits_of_one_channel", &hung["faults"]);
    for (name, percent, chance) in [("p50_s", 50, 0.0), ("p90_s", 90, BEAT)] {
        let (one, two) = (median(&by_itself, percent), median(&with_it, percent));
        run.fact(
            name,
            json!({"alone": one, "beside": two, "slower": two / one}),
        );
        assert!(
            two <= one * SLOWER + chance,
            "{name}: {one:.2} s alone, {two:.2} s beside one that hangs"
        );
    }
    beside.channels[1].upstream.set_faults(json!({})).await;
    check(run, alone, SOON, &ann.expected()).await;
    let sums = check(run, beside, SOON, &bob.expected()).await;
    // Those whose submits hung are not known; everything else was made.
    let lost = sums.tasks.get("FAILURE").copied().unwrap_or_default();
    assert!(lost > 0, "no submit ever hung");
    assert_eq!(sums.reasons.values().sum::<usize>(), lost);
    assert!(
        sums.reasons.keys().all(|why| why.contains("not known")),
        "{:?}",
        sums.reasons
    );
}

/// Gives the channel tasks that it accepts, then has it answer nothing any more.
async fn hang(site: &Site, bob: &Asker) {
    switch(site, "good", false).await;
    let upstream = &site.channels[1].upstream;
    upstream.set_faults(json!({"fetch-hang": 1})).await;
    bob.songs(&titles("Hung", HUNG)).await;
    eventually(SOON, "all to be accepted", async || {
        let counts = upstream.counts().await;
        (counts["submits"]["accepted"] == HUNG).then_some(())
    })
    .await;
    upstream
        .set_faults(json!({"submit-hang-before": 1, "fetch-hang": 1}))
        .await;
    switch(site, "good", true).await;
}

/// One round: asks for so many songs a channel, and reads how long those of the good channel took.
async fn measure(site: &Site, asker: &Asker, round: &str, channels: usize) -> Vec<f64> {
    let all = titles(round, SONGS * channels);
    // The same number of songs a second for each channel.
    for some in all.chunks(2 * channels) {
        asker.songs(some).await;
        sleep(Duration::from_millis(100)).await;
    }
    eventually(SOON, "the good channel's songs", async || {
        let took = took(site, round).await;
        let waiting = took.iter().any(Option::is_none);
        (!waiting && !took.is_empty()).then(|| took.into_iter().flatten().collect())
    })
    .await
}

/// How long each song of a round took at the good channel, from the submit to the SUCCESS in its
/// history, in seconds; nothing for one that has not succeeded yet.
async fn took(site: &Site, round: &str) -> Vec<Option<f64>> {
    let mut database = site.connect().await;
    // The channels have their ids in the order in which they were made: the good one is 1.
    sqlx::query_scalar(
        "SELECT CASE WHEN t.status = 'SUCCESS' THEN (
                    (SELECT at FROM task_events e WHERE e.task_id = t.id AND kind = 'ended')
                    - (SELECT at FROM task_events e WHERE e.task_id = t.id AND kind = 'stored')
                )::FLOAT8 / 1000 END
         FROM tasks t
         LEFT JOIN unfinished_tasks u ON u.id = t.id
         WHERE t.request::JSONB ->> 'title' LIKE $1 || ' %'
           AND coalesce(t.channel_id, u.channel_id, 1) = 1",
    )
    .bind(round)
    .fetch_all(&mut database)
    .await
    .expect("the database reads")
}

/// The median over the rounds of a percentile.
fn median(rounds: &[Vec<f64>], percent: usize) -> f64 {
    let of_round = |round: &Vec<f64>| {
        let mut round = round.clone();
        round.sort_by(f64::total_cmp);
        round[(round.len() - 1) * percent / 100]
    };
    let mut all: Vec<f64> = rounds.iter().map(of_round).collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    f64::midpoint(all[middle], all[(all.len() - 1) / 2])
}
