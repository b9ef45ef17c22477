//! Answers of megabytes, and answers of a byte every few seconds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{SOON, seen};
use crate::check::check;
use crate::member::Member;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};

/// How many of each kind there are.
const EACH: usize = 4;

/// How much a worker may grow, in MiB: what it reads at most of the answers that it can be reading at
/// once (eight fetches of 16 MiB, a few submits of one), and room to breathe. All of the answers are
/// eight times as much.
const GROWTH: u64 = 200;

/// 64 MB to everything, or next to nothing.
pub const FLOODS: Scenario = Scenario {
    name: "upstream-floods-and-drips",
    about: "An upstream answers submits and fetches with 64 MB, or with a byte a second. The worker gives each \
            up in its time and size, does not grow, and songs elsewhere on it go on meanwhile.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(floods(run)),
};

async fn floods(run: &Run) {
    let wild = [
        "--song-time",
        "500ms..1500ms",
        "--huge",
        "64",
        "--drip",
        "1s",
    ];
    let setup = patient()
        .upstreams(&[("wild", &wild)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("TASK_TIMEOUT", "45s");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let worker = &site.workers[0];
        let before = resident(worker).await;
        let mut most = before;
        let (ended, never) = tokio::select! {
            ended = all_kinds(&ann) => ended,
            () = async {
                loop {
                    most = most.max(resident(worker).await);
                    sleep(Duration::from_millis(20)).await;
                }
            } => unreachable!("it looks for ever"),
        };
        run.fact(
            "worker_mib",
            serde_json::json!({"before": before, "most": most}),
        );
        assert!(
            most < before + GROWTH,
            "the worker grew from {before} to {most} MiB"
        );
        for title in &ended {
            assert_eq!(seen(site, title).await.0, 1, "{title}");
        }
        let sums = check(run, site, SOON, &ann.expected()).await;
        let failed = 2 * EACH + never;
        assert_eq!(sums.tasks["FAILURE"], failed, "{:?}", sums.tasks);
        assert_eq!(sums.tasks["SUCCESS"], ann.asked().len() - failed);
    })
    .await;
}

/// Asks for songs of all kinds, and waits for their ends; returns the titles whose submits went
/// wrong, and how many tasks never got a readable answer to a fetch.
async fn all_kinds(ann: &Asker) -> (Vec<String>, usize) {
    let started = Instant::now();
    let mut lost = Vec::new();
    let mut passing = Vec::new();
    for kind in ["huge", "drip"] {
        lost.extend(titles(&format!("Lost sim:submit-{kind}"), EACH));
        passing.extend(titles(&format!("Later sim:fetch-{kind}x1"), EACH));
    }
    // One whose result is too large for ever spoils no batch for the others.
    let never = ann.song("Never sim:fetch-huge").await;
    let plain = titles("Plain", EACH);
    let passing = ann.songs(&passing).await;
    let failing = ann.songs(&lost).await;
    let plain = ann.songs(&plain).await;
    for id in &failing {
        let reason = ann.fails(id, SOON).await;
        assert!(reason.contains("not known"), "{reason}");
    }
    ann.all_succeed(&[plain, passing].concat(), SOON).await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let reason = ann.fails(&never, SOON).await;
    assert!(reason.contains("deadline"), "{reason}");
    (lost, 1)
}

/// The memory that a process holds, in MiB.
async fn resident(member: &Member) -> u64 {
    let pid = member.pid().await.expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| {
        rest.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.expect("Linux says how much memory a process holds") / 1024
}
