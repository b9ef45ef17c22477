//! Queues, exchanges and bindings that are deleted under those who use them.

use std::time::Duration;

use futures_util::future::select;
use harness::rabbitmq::RabbitMq;
use harness::wait::eventually;
use tokio::time::sleep;

use crate::check::{Expected, check};
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;

/// How long it may take until everything is declared and consumed again.
const AGAIN: Duration = Duration::from_mins(1);

/// A task whose message is lost twice waits two minutes for its second sweep.
const SWEPT_TWICE: Duration = Duration::from_mins(4);

/// How often a song is asked for meanwhile.
const EVERY: Duration = Duration::from_millis(250);

/// Those that workers consume from.
pub const WORK: Scenario = Scenario {
    name: "work-queues-deleted",
    about: "Under load, each work queue is deleted under its consumers, then their exchange, then their \
            bindings, then all there is. Each time everything is declared and consumed again, and \
            every task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        Box::pin(under_load(
            run,
            &[
                Victim::Queue("submit"),
                Victim::Queue("poll"),
                Victim::Exchange("work"),
                Victim::Bindings,
                Victim::All,
            ],
        ))
    },
};

/// Those that messages wait in, and those for what nobody can handle.
pub const WAITING: Scenario = Scenario {
    name: "waiting-queues-deleted",
    about: "Under load, a waiting queue is deleted with what waits in it, then the exchange in front of it, \
            then all waiting queues and the parking, then their exchanges. Each time everything is declared \
            again, every task succeeds, and what no worker can read is parked.",
    harsh: false,
    lasts: None,
    body: |run| {
        Box::pin(under_load(
            run,
            &[
                Victim::Queue("delay.2s"),
                Victim::Exchange("delay.2s"),
                Victim::Side("queues"),
                Victim::Side("exchanges"),
            ],
        ))
    },
};

#[derive(Debug, Clone, Copy)]
enum Victim {
    /// One queue.
    Queue(&'static str),
    /// One exchange.
    Exchange(&'static str),
    /// Those of the work queues.
    Bindings,
    /// Everything of this kind but what is worked on.
    Side(&'static str),
    /// Everything.
    All,
}

async fn under_load(run: &Run, victims: &[Victim]) {
    run.on_site(&patient().workers(2), async |site| {
        let ann = Asker::new(site, "ann").await;
        let before = topology(&site.rabbitmq).await;
        let asking = async {
            for number in 0.. {
                ann.song(&format!("Song {number}")).await;
                sleep(EVERY).await;
            }
        };
        let deleting = async {
            // Something is under way everywhere.
            sleep(Duration::from_secs(2)).await;
            for victim in victims {
                delete(&site.rabbitmq, *victim).await;
                is_there_again(site, &ann, &before, *victim).await;
            }
        };
        select(Box::pin(asking), Box::pin(deleting)).await;
        run.fact("songs", ann.asked().len());
        site.rabbitmq
            .publish("work", "poll", "nonsense", "string")
            .await;
        let expected = Expected {
            parked: true,
            ..ann.expected()
        };
        let sums = check(run, site, SWEPT_TWICE, &expected).await;
        assert_eq!(sums.tasks.len(), 1, "{:?}", sums.tasks);
        assert!(sums.tasks["SUCCESS"] >= ann.asked().len());
        eventually(AGAIN, "the nonsense to be parked", async || {
            let parked = site.rabbitmq.messages("parking", 10).await;
            (parked.len() == 1).then_some(())
        })
        .await;
    })
    .await;
}

async fn delete(rabbitmq: &RabbitMq, victim: Victim) {
    match victim {
        Victim::Queue(name) => rabbitmq.delete_queue(name).await,
        Victim::Exchange(name) => rabbitmq.delete_exchange(name).await,
        Victim::Bindings => {
            rabbitmq.unbind("work", "submit", "submit").await;
            rabbitmq.unbind("work", "poll", "poll").await;
        }
        Victim::Side(kind) => {
            // The one that is used comes last: whoever misses it declares everything again.
            let rungs = [300, 180, 120, 60, 30, 20, 12, 8, 5, 3, 2];
            let waiting = rungs.map(|rung| format!("delay.{rung}s"));
            for name in ["parking", "dead"]
                .map(str::to_owned)
                .iter()
                .chain(&waiting)
            {
                match kind {
                    "queues" => rabbitmq.delete_queue(name).await,
                    _ => rabbitmq.delete_exchange(name).await,
                }
            }
        }
        Victim::All => rabbitmq.delete_all().await,
    }
}

/// All of it is declared again, and a song that is asked for then goes all the way.
async fn is_there_again(site: &Site, ann: &Asker, before: &[String], victim: Victim) {
    let what = format!("everything to be there again after {victim:?}");
    eventually(AGAIN, &what, async || {
        let now = topology(&site.rabbitmq).await;
        (now == before).then_some(())
    })
    .await;
    let task = ann.song(&format!("After {victim:?}")).await;
    ann.succeeds(&task, SWEPT_TWICE).await;
}

/// The names of all queues and exchanges, and what is bound to what.
async fn topology(rabbitmq: &RabbitMq) -> Vec<String> {
    let (queues, exchanges) = (rabbitmq.queues().await, rabbitmq.exchanges().await);
    let bindings = rabbitmq.bindings().await;
    let queues = queues
        .iter()
        .map(|queue| format!("queue {}", queue["name"]));
    let exchanges = exchanges
        .iter()
        .map(|exchange| format!("exchange {}", exchange["name"]));
    let bindings = bindings.iter().map(|binding| {
        let [from, to, key] = ["source", "destination", "routing_key"].map(|name| &binding[name]);
        format!("binding {from} {key} {to}")
    });
    let mut all: Vec<String> = queues.chain(exchanges).chain(bindings).collect();
    all.sort();
    all
}
