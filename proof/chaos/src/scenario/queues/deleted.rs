//! Queues, exchanges and bindings are deleted while they are used.

use futures_util::future::select;
use harness::rabbitmq::RabbitMq;

use crate::scenario::prelude::*;
use Deleted::{Bindings, Everything, Exchange, Queue, WaitingExchanges, WaitingQueues};

/// The limit until everything is declared and consumed again.
const AGAIN: Duration = Duration::from_mins(1);

/// A task whose message is lost twice waits two minutes for its second sweep.
const SWEPT_TWICE: Duration = Duration::from_mins(4);

const INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
enum Deleted {
    Queue(&'static str),
    Exchange(&'static str),
    /// Those of the work queues.
    Bindings,
    /// All but the work queues.
    WaitingQueues,
    /// All but that of the work queues.
    WaitingExchanges,
    Everything,
}

pub async fn work_queues(run: &Run) {
    let steps = [
        Queue("submit"),
        Queue("poll"),
        Exchange("work"),
        Bindings,
        Everything,
    ];
    delete_under_load(run, &steps).await;
}

pub async fn waiting_queues(run: &Run) {
    let one = [Queue("delay.1s"), Exchange("delay.1s")];
    delete_under_load(
        run,
        &[&one[..], &[WaitingQueues, WaitingExchanges]].concat(),
    )
    .await;
}

async fn delete_under_load(run: &Run, steps: &[Deleted]) {
    run.on_cluster(&patient().workers(2), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let before = topology(cluster.rabbitmq()).await;
        let load = async {
            for number in 0.. {
                ann.song(&format!("Song {number}")).await;
                sleep(INTERVAL).await;
            }
        };
        let deleting = async {
            // Until every queue is in use.
            sleep(Duration::from_secs(2)).await;
            for step in steps {
                delete(cluster.rabbitmq(), *step).await;
                recovers(cluster, &ann, &before, *step).await;
            }
        };
        select(Box::pin(load), Box::pin(deleting)).await;
        run.fact("songs", ann.submits().len());
        let rabbitmq = cluster.rabbitmq();
        rabbitmq.publish("work", "poll", "nonsense", "string").await;
        let expected = Expected {
            parked: true,
            ..ann.expected()
        };
        let sums = check(run, cluster, SWEPT_TWICE, &expected).await;
        assert_eq!(sums.tasks.len(), 1, "{:?}", sums.tasks);
        assert!(sums.tasks["SUCCESS"] >= ann.submits().len());
        eventually(AGAIN, "the nonsense to be parked", async || {
            let parked = cluster.rabbitmq().messages("parking", 10).await;
            (parked.len() == 1).then_some(())
        })
        .await;
    })
    .await;
}

async fn delete(rabbitmq: &RabbitMq, step: Deleted) {
    match step {
        Queue(name) => rabbitmq.delete_queue(name).await,
        Exchange(name) => rabbitmq.delete_exchange(name).await,
        Bindings => {
            rabbitmq.unbind("work", "submit", "submit").await;
            rabbitmq.unbind("work", "poll", "poll").await;
        }
        WaitingQueues | WaitingExchanges => {
            // The one in use comes last: a worker that misses it declares everything again.
            let rungs = [
                300, 180, 120, 60, 50, 40, 30, 28, 24, 20, 15, 12, 10, 8, 6, 5, 4, 3, 2, 1,
            ];
            let waiting = rungs.map(|rung| format!("delay.{rung}s"));
            let parking = ["parking", "dead"].map(str::to_owned);
            for name in parking.iter().chain(&waiting) {
                match step {
                    WaitingQueues => rabbitmq.delete_queue(name).await,
                    _ => rabbitmq.delete_exchange(name).await,
                }
            }
        }
        Everything => rabbitmq.delete_all().await,
    }
}

/// Everything is declared again, and a new song succeeds.
async fn recovers(cluster: &Cluster, ann: &PatientClient, before: &[String], step: Deleted) {
    let what = format!("everything to be declared again after {step:?}");
    eventually(AGAIN, &what, async || {
        let now = topology(cluster.rabbitmq()).await;
        (now == before).then_some(())
    })
    .await;
    let task = ann.song(&format!("After {step:?}")).await;
    ann.succeeds(&task, SWEPT_TWICE).await;
}

/// All queues, exchanges and bindings by name, sorted.
async fn topology(rabbitmq: &RabbitMq) -> Vec<String> {
    let (queues, exchanges) = (rabbitmq.queues().await, rabbitmq.exchanges().await);
    let bindings = rabbitmq.bindings().await;
    let named = |kind: &'static str| move |found: &Value| format!("{kind} {}", found["name"]);
    let bindings = bindings.iter().map(|binding| {
        let [from, to, key] = ["source", "destination", "routing_key"].map(|name| &binding[name]);
        format!("binding {from} {key} {to}")
    });
    let queues = queues.iter().map(named("queue"));
    let exchanges = exchanges.iter().map(named("exchange"));
    let mut all: Vec<String> = queues.chain(exchanges).chain(bindings).collect();
    all.sort();
    all
}
