//! An API all of whose connections are in use.

use std::time::Duration;

use futures_util::future::join_all;
use harness::client::Client;
use sqlx::Connection as _;
use tokio::time::{Instant, timeout};

use crate::check::{Expected, check};
use crate::record::{Answered, Asked, Record};
use crate::run::{Run, Scenario};
use crate::scenario::asking::{ask, ask_until_answered, song};
use crate::site::{Setup, Site};
use harness::proxy::gate::{Gate, Pattern};

/// What the user is granted.
const QUOTA: i64 = 10_000_000;

/// How long one who finds no connection free may have to wait for the word that it is so: 5 s, and
/// what a busy machine takes.
const TOLD: Duration = Duration::from_secs(15);

/// How many ask while there is no connection.
const MANY: usize = 6;

/// Somebody else holds what they wait for.
pub const BY_A_LOCK: Scenario = Scenario {
    name: "pool-exhausted-by-a-lock",
    about: "Somebody holds a lock behind everybody's back, and the submits that wait for it hold all of \
            an API's connections. Others are told 503 within seconds, and nothing is taken from them; \
            when the lock goes, those that waited, and asked again, are answered, and all is well.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(by_a_lock(run)),
};

async fn by_a_lock(run: &Run) {
    run.on_site(&setup(), async |site| {
        let ann = site.user("ann", QUOTA, None).await;
        let bob = site.user("bob", QUOTA, None).await;
        let mut database = site.connect().await;
        let mut lock = database.begin().await.expect("a transaction begins");
        let take = sqlx::query("SELECT 1 FROM users WHERE name = 'ann' FOR UPDATE");
        take.execute(&mut *lock).await.expect("the row is free");
        // As many as there are connections.
        let waiting = join_all(["Held 1", "Held 2"].map(|title| insisted(&ann, title)));
        let others = async {
            wait_for_waiters(site, 2).await;
            let refused = refused_in_time(&bob).await;
            lock.rollback().await.expect("the lock goes");
            refused
        };
        let (mut all, refused) = tokio::join!(waiting, others);
        assert!(all.iter().all(|one| one.tasks().count() == 1), "{all:?}");
        nothing_taken(site, &bob).await;
        all.extend(refused);
        well_again(run, site, &bob, all).await;
    })
    .await;
}

/// What they wait for takes its time.
pub const BY_A_SLOW_WIRE: Scenario = Scenario {
    name: "pool-exhausted-by-a-slow-wire",
    about: "The commits of two submits stand still on the wire, and with them all of an API's \
            connections. Others are told 503 within seconds, and nothing is taken from them; when the \
            wire carries again, the two are answered, and all is well.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(by_a_slow_wire(run)),
};

async fn by_a_slow_wire(run: &Run) {
    run.on_site(&setup(), async |site| {
        let ann = site.user("ann", QUOTA, None).await;
        let bob = site.user("bob", QUOTA, None).await;
        let eve = site.user("eve", QUOTA, None).await;
        let wire = &site.apis[0].postgres;
        let commit = [
            Pattern::to_server("BEGIN\0"),
            Pattern::to_server("COMMIT\0"),
        ];
        let mut held = [(); 2].map(|()| wire.hold(&commit));
        // Of two users, who do not wait for each other.
        let waiting = join_all([asked(&ann, "Held 1"), asked(&eve, "Held 2")]);
        let others = async {
            join_all(held.iter_mut().map(Gate::reached)).await;
            let refused = refused_in_time(&bob).await;
            held.into_iter().for_each(Gate::release);
            refused
        };
        let (mut all, refused) = tokio::join!(waiting, others);
        assert!(all.iter().all(|one| one.tasks().count() == 1), "{all:?}");
        nothing_taken(site, &bob).await;
        all.extend(refused);
        well_again(run, site, &bob, all).await;
    })
    .await;
}

/// The wire swallows everything.
pub const BY_A_BLACK_HOLE: Scenario = Scenario {
    name: "pool-exhausted-by-a-black-hole",
    about: "An API's wire to the database takes everything and carries nothing. Who asks is told 503 \
            within seconds, and nothing is taken; when the wire carries again, all is well.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(by_a_black_hole(run)),
};

async fn by_a_black_hole(run: &Run) {
    run.on_site(&setup(), async |site| {
        let ann = site.user("ann", QUOTA, None).await;
        let bob = site.user("bob", QUOTA, None).await;
        // All connections are there before it happens.
        let mut all = join_all(["Before 1", "Before 2"].map(|title| asked(&ann, title))).await;
        let wire = &site.apis[0].postgres;
        wire.black_hole();
        all.extend(refused_in_time(&bob).await);
        wire.mend();
        nothing_taken(site, &bob).await;
        well_again(run, site, &bob, all).await;
    })
    .await;
}

fn setup() -> Setup {
    Setup::default().env("DATABASE_MAX_CONNECTIONS", "2")
}

/// Asks under an idempotency key until it is answered: who waits for a lock in vain is told 503, too.
async fn insisted(client: &Client, title: &str) -> Asked {
    let record = Record::default();
    ask_until_answered(std::slice::from_ref(client), title, &record).await;
    record.all().remove(0)
}

/// Asks once, without a key.
async fn asked(client: &Client, title: &str) -> Asked {
    let answers = vec![ask(client, title, None).await];
    let (title, user) = (title.to_owned(), client.id);
    Asked {
        title,
        user,
        answers,
    }
}

/// Waits until so many statements wait for a lock.
async fn wait_for_waiters(site: &Site, many: i64) {
    let mut database = site.connect().await;
    let waiters = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    harness::wait::eventually(TOLD, "submits to wait for the lock", async || {
        let waiters: i64 = sqlx::query_scalar(waiters)
            .fetch_one(&mut database)
            .await
            .ok()?;
        (waiters >= many).then_some(())
    })
    .await;
}

/// Many submits at once, each of which is told in time that we are busy.
async fn refused_in_time(client: &Client) -> Vec<Asked> {
    let one = async |number: usize| {
        let (title, started) = (format!("Refused {number}"), Instant::now());
        let body = song(&title);
        let answer = timeout(TOLD, client.submit("music", &body)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{title} hangs"));
        assert_eq!(
            answer.status,
            503,
            "{} after {:?}",
            answer.text,
            started.elapsed()
        );
        assert_eq!(answer.json["code"], "internal_error", "{}", answer.text);
        Asked {
            title,
            user: client.id,
            answers: vec![Answered::Refused(503)],
        }
    };
    join_all((0..MANY).map(one)).await
}

/// Nothing of what a user asked for is there.
async fn nothing_taken(site: &Site, client: &Client) {
    let mut database = site.connect().await;
    let tasks: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks WHERE user_id = $1")
        .bind(client.id)
        .fetch_one(&mut database)
        .await
        .expect("the database counts");
    assert_eq!(tasks, 0);
}

/// The API takes songs as if nothing had been, and everything adds up.
async fn well_again(run: &Run, site: &Site, client: &Client, mut asked: Vec<Asked>) {
    for number in 0..MANY {
        let title = format!("After {number}");
        let task = client.song(&title).await;
        asked.push(Asked {
            title,
            user: client.id,
            answers: vec![Answered::Task(task)],
        });
    }
    let granted = ["ann", "bob", "eve"]
        .map(|name| (name.to_owned(), QUOTA))
        .into();
    let expected = Expected {
        asked,
        granted,
        parked: false,
    };
    let sums = check(run, site, Duration::from_mins(1), &expected).await;
    let tasks: usize = sums.tasks.values().sum();
    assert_eq!(sums.tasks.get("SUCCESS"), Some(&tasks), "{sums:?}");
}
