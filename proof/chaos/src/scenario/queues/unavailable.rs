//! The broker is killed, stopped, or does not answer.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::interval;

use crate::scenario::prelude::*;

const INTERVAL: Duration = Duration::from_millis(200);

/// The limits without a broker. On a busy machine the limits are three times what submits took with
/// a broker, if that is longer.
const LIMITS: Latency = Latency {
    median: Duration::from_secs(1),
    longest: Duration::from_secs(5),
};

/// How many tasks wait in a run for each second of its duration.
const PER_SECOND: usize = 20;

pub async fn away(run: &Run) {
    run.on_cluster(&patient().env("TASK_TIMEOUT", "30m"), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let before = load(run, &ann, Duration::from_secs(4), "with_the_broker").await;
        cluster.servers().rabbitmq.lock().await.stop().await;
        let without = load(run, &ann, run.duration, "without_the_broker").await;
        without.assert_like(before);
        is_ready(cluster, "unreachable").await;
        cluster.servers().mend().await;
        all_succeed(run, cluster, &ann).await;
    })
    .await;
}

pub async fn hangs(run: &Run) {
    run.on_cluster(&patient(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let before = load(run, &ann, Duration::from_secs(4), "with_the_broker").await;
        for node in cluster.nodes() {
            node.rabbitmq().black_hole();
        }
        let without = load(run, &ann, Duration::from_secs(15), "while_it_hangs").await;
        without.assert_like(before);
        for node in cluster.nodes() {
            node.rabbitmq().mend();
        }
        all_succeed(run, cluster, &ann).await;
    })
    .await;
}

/// The broker takes no messages for want of memory, as its alarm has it.
pub async fn short_of_memory(run: &Run) {
    run.on_cluster(&patient().env("TASK_TIMEOUT", "30m"), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let before = load(run, &ann, Duration::from_secs(4), "with_the_broker").await;
        let watermark = async |share: &str| {
            let rabbitmq = cluster.servers().rabbitmq.lock().await;
            let set = ["set_vm_memory_high_watermark", share];
            rabbitmq.control(&set).await;
        };
        watermark("0.000001").await;
        let without = load(run, &ann, Duration::from_secs(10), "without_memory").await;
        without.assert_like(before);
        is_ready(cluster, "blocked: memory").await;
        watermark("0.4").await;
        all_succeed(run, cluster, &ann).await;
    })
    .await;
}

/// Waits until each process says this of the broker: an API takes submits all the same, a worker can do nothing.
async fn is_ready(cluster: &Cluster, broker: &str) {
    let apis = cluster.apis.iter().map(|node| (node, 200));
    let workers = cluster.workers.iter().map(|node| (node, 503));
    for (node, expected) in apis.chain(workers) {
        let what = format!("{} to say {broker:?} of the broker", node.name);
        eventually(SOON, &what, async || {
            let (status, state) = readiness(&http(), &node.url).await?;
            (status == expected && state["broker"] == broker).then_some(())
        })
        .await;
    }
}

#[derive(Debug, Clone, Copy)]
struct Latency {
    median: Duration,
    longest: Duration,
}

impl Latency {
    fn assert_like(self, before: Self) {
        let median = LIMITS.median.max(3 * before.median);
        let longest = LIMITS.longest.max(3 * before.longest);
        assert!(
            self.median < median && self.longest < longest,
            "with a broker {before:?}, without one {self:?}"
        );
    }
}

/// Submits a song in each interval, whether the ones before are answered or not. Each must be
/// accepted at the first request.
async fn load(run: &Run, ann: &PatientClient, lasts: Duration, name: &'static str) -> Latency {
    let mut interval = interval(INTERVAL);
    let mut open = FuturesUnordered::new();
    let mut took = Vec::new();
    let started = Instant::now();
    while started.elapsed() < lasts || !open.is_empty() {
        tokio::select! {
            _ = interval.tick(), if started.elapsed() < lasts => open.push(async {
                let submitted = Instant::now();
                ann.song(&format!("Song {submitted:?}")).await;
                submitted.elapsed()
            }),
            Some(elapsed) = open.next() => took.push(elapsed),
        }
    }
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    run.fact(
        name,
        json!({"submits": took.len(), "median_ms": millis(median), "longest_ms": millis(longest)}),
    );
    for submit in ann.submits() {
        let first = &submit.answers[0];
        assert!(matches!(first, SubmitAnswer::Task(_)), "{submit:?}");
    }
    Latency { median, longest }
}

/// Every task succeeds, and none waits for the two minutes of a second sweep.
async fn all_succeed(run: &Run, cluster: &Cluster, ann: &PatientClient) {
    let within = Duration::from_secs(75) + run.duration;
    let sums = check(run, cluster, within, &ann.expected()).await;
    sums.assert_ended(ann.submits().len(), 0);
}

pub async fn killed(run: &Run) {
    let upstream = ["--song-time", "500ms..1500ms", "--retry-after", "20s"];
    let setup = patient()
        .upstreams(&[("busy", &upstream)])
        .env("TASK_TIMEOUT", "30m");
    run.on_cluster(&setup, async |cluster| {
        let seconds = usize::try_from(run.duration.as_secs()).expect("no run lasts that long");
        let tasks = PER_SECOND * seconds.max(1);
        let upstream = &cluster.channels[0].upstream;
        upstream
            .set_faults(json!({"fetch-429-retry-after": 1}))
            .await;
        let ann = PatientClient::new(cluster, "ann").await;
        ann.songs(&titles("Song", tasks)).await;
        let waiting = wait_in_the_ladder(cluster, tasks).await;
        run.fact("messages_in_the_ladder", waiting);
        cluster.servers().rabbitmq.lock().await.kill().await;
        upstream.set_faults(json!({})).await;
        sleep(Duration::from_secs(3)).await;
        cluster.servers().mend().await;
        // What expired meanwhile may be three minutes late; the sweep is faster.
        let within = Duration::from_mins(3) + run.duration * 2;
        let sums = check(run, cluster, within, &ann.expected()).await;
        sums.assert_ended(tasks, 0);
    })
    .await;
}

/// Waits until so many tasks are at the upstream and wait for a poll; returns how many messages the waiting queues
/// hold for them.
async fn wait_in_the_ladder(cluster: &Cluster, tasks: usize) -> u64 {
    eventually(Duration::from_mins(2), "the ladder to fill", async || {
        let accepted = "SELECT count(*) FROM unfinished_tasks WHERE stage = 'poll'";
        let accepted = number(cluster, accepted).await;
        let queues = cluster.rabbitmq().queues().await;
        let waiting = queues.iter().filter(|queue| {
            let name = queue["name"].as_str().unwrap_or_default();
            name.contains(".delay.")
        });
        let sum: u64 = waiting.filter_map(|queue| queue["messages"].as_u64()).sum();
        (usize::try_from(accepted) == Ok(tasks) && sum > 0).then_some(sum)
    })
    .await
}
