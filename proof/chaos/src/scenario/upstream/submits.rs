//! The upstream refuses submits, has no time for them, or loses its answers.

use super::with_ann;
use crate::scenario::prelude::*;

const RETRY_AFTER: Duration = Duration::from_secs(4);

pub async fn busy(run: &Run) {
    let busy = [&QUICK[..], &["--retry-after", "4s"]].concat();
    let setup = patient()
        .upstreams(&[("busy", &busy), ("quiet", &QUICK)])
        .env("SUBMIT_ATTEMPTS", "1");
    with_ann(run, &setup, async |cluster, ann| {
        switch(cluster, "quiet", false).await;
        only_delays(cluster, ann).await;
        switch(cluster, "quiet", true).await;
        others_go_on(cluster, ann).await;
        (10, 0)
    })
    .await;
}

async fn only_delays(cluster: &Cluster, ann: &PatientClient) {
    let started = Instant::now();
    let delayed = ann.song("Rest sim:429-retry-afterx1").await;
    ann.succeeds(&delayed, SOON).await;
    let took = started.elapsed();
    assert!(took > RETRY_AFTER, "submitted again within {took:?}");
    let faults = [
        ("429x2", 3),
        ("fetch-429x2", 1),
        ("fetch-429-retry-afterx1", 1),
    ];
    let mut tasks = Vec::new();
    for (fault, submits) in faults {
        let title = format!("Later sim:{fault}");
        tasks.push((ann.song(&title).await, title, submits));
    }
    for (id, title, submits) in tasks {
        ann.succeeds(&id, SOON).await;
        assert_eq!(submits_of(cluster, &title).await, (submits, 1), "{title}");
    }
}

async fn others_go_on(cluster: &Cluster, ann: &PatientClient) {
    let busy = &cluster.channels[0].upstream;
    busy.set_faults(json!({"submit-429": 1})).await;
    prefer(cluster, "busy").await;
    let before = accepted(cluster, 0).await;
    let tasks = ann.songs(&titles("Elsewhere", 6)).await;
    ann.all_succeed(&tasks, SOON).await;
    assert_eq!(accepted(cluster, 0).await, before, "the busy one accepted");
    busy.set_faults(json!({})).await;
}

/// The shortest outage of all upstreams: longer than the first retry.
pub const SHORTEST_OUTAGE: Duration = Duration::from_secs(8);
/// The longest: a task's attempts take longer.
const LONGEST_OUTAGE: Duration = Duration::from_mins(5);

pub async fn down(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("TASK_TIMEOUT", "30m");
    let outage = run.duration.clamp(SHORTEST_OUTAGE, LONGEST_OUTAGE);
    // The last attempt comes five minutes after the one before.
    let within = SOON + LONGEST_OUTAGE;
    with_ann(run, &setup, async |cluster, ann| {
        prefer(cluster, "first").await;
        set_faults(cluster, 0, every_call_fails()).await;
        let tasks = ann.songs(&titles("Elsewhere", 6)).await;
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(
            accepted(cluster, 0).await,
            0,
            "the one that is down accepted"
        );
        assert_eq!(accepted(cluster, 1).await, 6);

        set_faults(cluster, 0, json!({"submit-code": 1})).await;
        let code = ann.song("A server's error with a status of 200").await;
        ann.succeeds(&code, SOON).await;
        assert_eq!(accepted(cluster, 1).await, 7);

        let mut tasks = ann.songs(&titles("Accepted sim:takes=2s", 4)).await;
        set_faults(cluster, 0, every_call_fails()).await;
        set_faults(cluster, 1, every_call_fails()).await;
        tasks.extend(ann.songs(&titles("Meanwhile", 6)).await);
        sleep(outage).await;
        for task in ann.client.tasks(&tasks).await {
            assert_ne!(task["status"], "FAILURE", "{task}");
        }
        set_faults(cluster, 0, json!({})).await;
        set_faults(cluster, 1, json!({})).await;
        ann.all_succeed(&tasks, within).await;
        (17, 0)
    })
    .await;
}

/// The faults are tried in this order: the last of each kind takes the calls that are left.
fn every_call_fails() -> Value {
    json!({"submit-500": "30%", "submit-502": "50%", "submit-503": 1,
           "fetch-500": "30%", "fetch-502": "50%", "fetch-503": 1})
}

async fn set_faults(cluster: &Cluster, channel: usize, faults: Value) {
    cluster.channels[channel].upstream.set_faults(faults).await;
}

/// The channels that refuse us, and their answer to a submit.
const LOCKED: [(&str, &str); 3] = [
    ("wrong-key", "submit-401=100%"),
    ("no-credit", "submit-402=100%"),
    ("banned", "submit-403=100%"),
];

pub async fn our_key(run: &Run) {
    let locked = LOCKED.map(|(_, fault)| [&QUICK[..], &["--faults", fault]].concat());
    let setup = patient()
        .upstreams(&[
            (LOCKED[0].0, &locked[0]),
            (LOCKED[1].0, &locked[1]),
            (LOCKED[2].0, &locked[2]),
            ("open", &QUICK),
        ])
        .env("SUBMIT_ATTEMPTS", "1");
    with_ann(run, &setup, async |cluster, ann| {
        for (name, _) in LOCKED {
            prefer(cluster, name).await;
        }
        let mut tasks = ann.songs(&titles("Song", 12)).await;
        ann.all_succeed(&tasks, SOON).await;
        // Fetches are refused, too, for a while; the upstream still has the tasks.
        for fault in ["fetch-401x1", "fetch-403x1"] {
            tasks.push(ann.song(&format!("Later sim:{fault}")).await);
        }
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(accepted(cluster, 3).await, tasks.len() as u64);
        let log = cluster.workers[0].log();
        for (number, (name, _)) in LOCKED.into_iter().enumerate() {
            let counts = cluster.channels[number].upstream.counts().await;
            let submits = counts["submits"]["asked"].as_u64();
            assert!(submits > Some(0), "{name} was never tried: {counts}");
            assert_eq!(accepted(cluster, number).await, 0);
            let texts = ["ERROR", "this channel refuses us", name];
            let is_logged = |line: &str| texts.iter().all(|text| line.contains(text));
            assert!(log.lines().any(is_logged), "no log line about {name}");
        }
        (tasks.len(), 0)
    })
    .await;
}

pub async fn refuses(run: &Run) {
    let setup = patient().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    with_ann(run, &setup, async |cluster, ann| {
        let refusals = [
            ("refuse", "moderation"),
            ("404", "no such model"),
            ("422", "too long"),
        ];
        let mut refund = 0;
        // Before a channel accepted anything, a 404 speaks of its base URL.
        prefer(cluster, "first").await;
        let well = ann.song("Allowed").await;
        ann.succeeds(&well, SOON).await;
        for (fault, said) in refusals {
            let title = format!("Forbidden sim:{fault}");
            let id = ann.song(&title).await;
            let reason = ann.fails(&id, SOON).await;
            assert!(reason.contains(said), "{title}: {reason}");
            assert_eq!(submits_of(cluster, &title).await, (1, 0), "{title}");
            refund += SONG;
            assert_eq!(refunded(cluster).await, refund, "{title}");
        }
        (1, refusals.len())
    })
    .await;
}

pub async fn answer_lost(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s");
    run.on_cluster(&setup, async |cluster| {
        prefer(cluster, "first").await;
        let ann = PatientClient::new(cluster, "ann").await;
        let mut lost = resets(cluster, &ann).await;
        let accepted = ["drop-after", "hang-after", "torn", "empty", "no-id"];
        let not_accepted = ["drop-before", "hang-before", "html"];
        for (faults, times) in [(&accepted[..], 1), (&not_accepted[..], 0)] {
            for fault in faults {
                let title = format!("Lost sim:{fault}");
                lost.push((ann.song(&title).await, title, (1, times)));
            }
        }
        for (id, title, submits) in &lost {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("not known"), "{title}: {reason}");
            assert_eq!(submits_of(cluster, title).await, *submits, "{title}");
        }
        let well = ann.song("Well").await;
        ann.succeeds(&well, SOON).await;
        let sums = check(run, cluster, SOON, &ann.expected()).await;
        sums.assert_ended(1, lost.len());
        for (_, title, submits) in &lost {
            assert_eq!(submits_of(cluster, title).await, *submits, "{title}");
        }
    })
    .await;
}

/// Resets one connection before the request arrives, and one before the answer arrives. Both are held
/// first, because the channel cools down after the first reset. Returns each task's id, its title, and
/// how many submits the upstream got and accepted.
async fn resets(cluster: &Cluster, ann: &PatientClient) -> Vec<(String, String, (u64, u64))> {
    let wire = cluster.channels[0].proxy();
    let mut request = wire.hold(&[SUBMIT]);
    let mut answer = wire.hold(&[SUBMIT, OK]);
    let first = ann.song("Reset on its way").await;
    request.reached().await;
    let second = ann.song("Reset on the way back").await;
    answer.reached().await;
    request.reset();
    answer.reset();
    vec![
        (first, "Reset on its way".to_owned(), (0, 0)),
        (second, "Reset on the way back".to_owned(), (1, 1)),
    ]
}
