//! Submits that go wrong.

use harness::client::SONG;
use harness::cluster::{Cluster, QUICK};
use libtest_mimic::Trial;

use crate::dialects::{In, in_each};
use crate::{failure, success};

pub fn scenarios() -> Vec<Trial> {
    in_each(scenarios_in)
}

fn scenarios_in(dialect: &In) -> Vec<Trial> {
    let setup = || dialect.setup();
    let locked = [&QUICK[..], &["--faults", "submit-401=100%"]].concat();
    let idempotent = [&QUICK[..], &["--idempotent"]].concat();
    let two = setup().upstreams(&[("locked", &locked), ("open", &QUICK)]);
    vec![
        dialect.on(
            "a submit whose answer is lost fails, is refunded, and is never sent again",
            &setup(),
            lost_answers,
        ),
        dialect.on(
            "an idempotent channel gets a submit again whose answer is lost, and makes one song",
            &setup().upstreams(&[("twice", &idempotent), ("other", &idempotent)]),
            lost_answers_of_an_idempotent_channel,
        ),
        dialect.on(
            "an upstream that is busy or down only delays a task",
            &setup(),
            busy_and_down,
        ),
        dialect.on(
            "an upstream that is down for good gives its tasks back after the last attempt",
            &setup().env("SUBMIT_ATTEMPTS", "2"),
            down_for_good,
        ),
        dialect.on(
            "a channel that refuses our key fails nothing while another one takes it",
            &two,
            wrong_key,
        ),
        dialect.on(
            "a task that is refused is refunded at once and not asked for again",
            &setup(),
            refused,
        ),
        dialect.on(
            "what an upstream tells of our key and of itself reaches nobody",
            &setup().env("SUBMIT_ATTEMPTS", "2"),
            leaks,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn lost_answers(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    let accepted = [
        "drop-after",
        "hang-after",
        "torn",
        "empty",
        "no-id",
        "504",
        "408",
        "late-502",
    ];
    let not_accepted = ["drop-before", "hang-before", "html"];
    let mut tasks = Vec::new();
    for (faults, times) in [(&accepted[..], 1), (&not_accepted[..], 0)] {
        for fault in faults {
            let title = format!("Lost sim:{fault}");
            tasks.push((user.song(&title).await, title, times));
        }
    }
    for (id, title, times) in tasks {
        let reason = failure(&user, &id).await;
        assert!(reason.contains("not known"), "{title}: {reason}");
        let seen = cluster.upstream().asked_and_accepted(&title).await;
        assert_eq!(seen, (1, times), "{title}");
    }
    assert_eq!(cluster.quota("ann").await, (20 * SONG, 0));
}

async fn lost_answers_of_an_idempotent_channel(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let operator = cluster.operator();
    for channel in ["twice", "other"] {
        let set = ["channel", "set", "--name", channel, "--idempotent"];
        operator.json(&set).await;
    }
    let mut tasks = Vec::new();
    for fault in ["drop-after", "torn", "504"] {
        // The second try may be refused for a moment: the song stays with its channel all the same.
        let title = format!("Twice sim:{fault}x1 sim:429x1");
        tasks.push((user.song(&title).await, title));
    }
    for (id, title) in tasks {
        success(&user, &id).await;
        let mut seen = Vec::new();
        for channel in &cluster.channels {
            seen.push(channel.upstream.asked_and_accepted(&title).await);
            let submits = channel.upstream.submits(&title).await;
            for submit in submits["latest"].as_array().expect("a list") {
                assert_eq!(submit["idempotency_key"], id, "{submits}");
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [(0, 0), (3, 1)], "{title}");
    }
    assert_eq!(cluster.quota("ann").await, (7 * SONG, 3 * SONG));
}

async fn busy_and_down(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let mut tasks = Vec::new();
    for fault in ["429x1", "429-retry-afterx1", "503x1"] {
        let title = format!("Later sim:{fault}");
        tasks.push((user.song(&title).await, title));
    }
    for (id, title) in tasks {
        success(&user, &id).await;
        let seen = cluster.upstream().asked_and_accepted(&title).await;
        assert_eq!(seen, (2, 1), "{title}");
    }
    assert_eq!(cluster.quota("ann").await, (7 * SONG, 3 * SONG));
}

async fn down_for_good(cluster: &Cluster) {
    let user = cluster.user("ann", SONG).await;
    let title = "Never sim:500";
    let id = user.song(title).await;
    let reason = failure(&user, &id).await;
    assert!(reason.contains("2 attempts"), "{reason}");
    assert_eq!(cluster.upstream().asked_and_accepted(title).await, (2, 0));
    assert_eq!(cluster.quota("ann").await, (SONG, 0));
}

async fn wrong_key(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(user.song(&format!("Song {number}")).await);
    }
    for id in &ids {
        success(&user, id).await;
    }
    let [locked, open] = [0, 1].map(|at| &cluster.channels[at].upstream);
    assert_eq!(locked.counts().await["submits"]["accepted"], 0);
    assert_eq!(open.counts().await["submits"]["accepted"], 6);
}

async fn refused(cluster: &Cluster) {
    let user = cluster.user("ann", 11 * SONG).await;
    // Before a channel accepted anything, a 404 speaks of its base URL.
    let allowed = user.song("Allowed").await;
    success(&user, &allowed).await;
    for (fault, said) in [
        ("refuse", "moderation"),
        ("422", "too long"),
        ("detail", "too long"),
        ("404", "no such model"),
    ] {
        let title = format!("Forbidden sim:{fault}");
        let id = user.song(&title).await;
        let reason = failure(&user, &id).await;
        assert!(reason.contains(said), "{reason}");
        assert_eq!(cluster.upstream().asked_and_accepted(&title).await, (1, 0));
        assert_eq!(cluster.quota("ann").await, (10 * SONG, SONG));
        let listed = user.listed(&id).await;
        assert_eq!(listed["status"], "FAILURE");
        assert_eq!(listed["fail_reason"], reason);
        assert_eq!(listed["progress"], "100%");
    }
}

/// That no answer holds a key, an address or an upstream's id is checked after every scenario; here
/// the upstream tries hard.
async fn leaks(cluster: &Cluster) {
    let (user, admin) = (
        cluster.user("ann", 10 * SONG).await,
        cluster.admin("root").await,
    );
    let mut ids = Vec::new();
    for fault in ["fail", "refuse", "503", "402"] {
        ids.push(user.song(&format!("Tell sim:leak sim:{fault}")).await);
    }
    ids.push(user.lyrics("tell sim:leak sim:fail").await);
    for id in &ids {
        let reason = failure(&user, id).await;
        assert!(reason.contains('…'), "{reason} hides nothing");
        user.listed(id).await;
    }
    admin.page("/api/task/").await;
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
}
