//! A channel that never answers, beside one that works. Both clusters are measured at the same time, so that what
//! slows the machine for a moment slows both. The cluster with two channels has more to do, and on a machine that is
//! busy all the time that alone would make its songs slower: nothing else may run.

use harness::spread::percentile;

use crate::scenario::prelude::*;

/// How many tasks of the hanging channel wait for polls.
const HUNG: usize = 120;

/// How many rounds are measured after a warm-up, and how many songs of the good channel each has.
const ROUNDS: usize = 3;
const SONGS: usize = 20;

/// How much longer songs may take beside a hanging channel.
const SLOWER: f64 = 1.1;

/// The interval at which polls are published, in seconds. Chance decides whether a song is done before
/// or after a poll, so the slowest songs of a round may differ by this much.
const POLL_INTERVAL: f64 = 0.5;

/// Its songs are found at the second poll, well before and after the other polls.
const GOOD: [&str; 4] = ["--song-time", "3300ms", "--submit-latency", "50ms"];

pub async fn hangs(run: &Run) {
    let setup = patient()
        .env("UPSTREAM_SUBMIT_TIMEOUT", "15s")
        .env("UPSTREAM_FETCH_TIMEOUT", "15s");
    let one = setup.clone().upstreams(&[("good", &GOOD)]);
    let two = setup.upstreams(&[("good", &GOOD), ("hangs", &["--song-time", "1s"])]);
    let both = run.on_cluster(&one, async |alone| {
        let measured = async |beside: &Cluster| side_by_side(run, alone, beside).await;
        Box::pin(run.on_cluster(&two, measured)).await;
    });
    Box::pin(both).await;
}

async fn side_by_side(run: &Run, alone: &Cluster, beside: &Cluster) {
    let ann = PatientClient::new(alone, "ann").await;
    let bob = PatientClient::new(beside, "bob").await;
    hang(beside, &bob).await;
    let (mut by_itself, mut with_it) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let name = format!("Round {round}");
        let (one, two) = tokio::join!(
            measure(alone, &ann, &name, 1),
            measure(beside, &bob, &name, 2)
        );
        // The first round warms both up.
        if round > 0 {
            by_itself.push(one);
            with_it.push(two);
        }
    }
    let hung = &beside.channels[1].upstream;
    run.fact(
        "hung_submits_of_one_channel",
        &hung.counts().await["faults"],
    );
    for (name, share, chance) in [("p50_s", 0.5, 0.0), ("p90_s", 0.9, POLL_INTERVAL)] {
        let (one, two) = (median(&by_itself, share), median(&with_it, share));
        let fact = json!({"alone": one, "beside": two, "slower": two / one});
        run.fact(name, fact);
        assert!(
            two <= one * SLOWER + chance,
            "{name}: {one:.2} s alone, {two:.2} s beside one that hangs"
        );
    }
    hung.set_faults(json!({})).await;
    check(run, alone, SOON, &ann.expected()).await;
    let sums = check(run, beside, SOON, &bob.expected()).await;
    // A submit that hung has an unknown outcome; everything else was made.
    let lost = sums.tasks.get("FAILURE").copied().unwrap_or_default();
    assert!(lost > 0, "no submit ever hung");
    assert_eq!(sums.reasons.values().sum::<usize>(), lost);
    let mut reasons = sums.reasons.keys();
    assert!(reasons.all(|why| why.contains("not known")), "{sums:?}");
}

/// Gives the channel tasks that it accepts, and then lets it answer nothing.
async fn hang(cluster: &Cluster, bob: &PatientClient) {
    switch(cluster, "good", false).await;
    let upstream = &cluster.channels[1].upstream;
    upstream.set_faults(json!({"fetch-hang": 1})).await;
    bob.songs(&titles("Hung", HUNG)).await;
    eventually(SOON, "all to be accepted", async || {
        let counts = upstream.counts().await;
        (counts["submits"]["accepted"] == HUNG).then_some(())
    })
    .await;
    let all = json!({"submit-hang-before": 1, "fetch-hang": 1});
    upstream.set_faults(all).await;
    switch(cluster, "good", true).await;
}

/// One round: makes so many songs per channel, and reads how long those of the good channel took.
async fn measure(
    cluster: &Cluster,
    client: &PatientClient,
    round: &str,
    channels: usize,
) -> Vec<f64> {
    let all = titles(round, SONGS * channels);
    // Each channel gets the same number of songs per second.
    for some in all.chunks(2 * channels) {
        client.songs(some).await;
        sleep(Duration::from_millis(100)).await;
    }
    eventually(SOON, "the good channel's songs", async || {
        let took = took(cluster, round).await;
        let waiting = took.iter().any(Option::is_none);
        (!waiting && !took.is_empty()).then(|| took.into_iter().flatten().collect())
    })
    .await
}

/// The seconds from submit to SUCCESS of each song of a round at the good channel, by their history;
/// `None` while a song is unfinished.
async fn took(cluster: &Cluster, round: &str) -> Vec<Option<f64>> {
    // Channels have ids in the order in which they were made: the good one has 1.
    sqlx::query_scalar(
        "SELECT CASE WHEN t.status = 'SUCCESS' THEN (
                    (SELECT at FROM task_events e WHERE e.task_id = t.id AND kind = 'ended')
                    - (SELECT at FROM task_events e WHERE e.task_id = t.id AND kind = 'stored')
                )::FLOAT8 / 1000 END
         FROM tasks t
         LEFT JOIN unfinished_tasks u ON u.id = t.id
         WHERE t.input LIKE $1 || ' %'
           AND coalesce(t.channel_id, u.channel_id, 1) = 1",
    )
    .bind(round)
    .fetch_all(&mut cluster.connect().await)
    .await
    .expect("the database answers")
}

/// The median over the rounds of a percentile.
fn median(rounds: &[Vec<f64>], share: f64) -> f64 {
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let rounds = rounds.iter();
    let all = rounds.map(|round| percentile(&sorted(round.clone()), share));
    percentile(&sorted(all.collect()), 0.5)
}
