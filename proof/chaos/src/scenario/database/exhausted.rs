//! All connections of an API to its database are in use.

use sqlx::Connection as _;
use tokio::time::timeout;

use crate::scenario::prelude::*;

/// Longest wait for a 503 because the pool is exhausted: 5 s, on a busy machine.
const REFUSED: Duration = Duration::from_secs(15);

/// How many submits come while there is no connection, and how many after.
const SUBMITS: usize = 6;

pub async fn by_a_lock(run: &Run) {
    exhausted(run, async |cluster, [ann, bob, _]| {
        let mut database = cluster.connect().await;
        let mut lock = database.begin().await.expect("a transaction begins");
        let take = sqlx::query("SELECT 1 FROM users WHERE name = 'ann' FOR UPDATE");
        take.execute(&mut *lock).await.expect("the row is free");
        // As many as there are connections. A submit whose wait for the lock times out gets a 503.
        let waiting = join_all(["Held 1", "Held 2"].map(|title| ann.submit_until_certain(title)));
        let others = async {
            two_wait_for_a_lock(cluster).await;
            refused_in_time(bob).await;
            lock.rollback().await.expect("the lock is released");
        };
        tokio::join!(waiting, others).0
    })
    .await;
}

pub async fn by_a_slow_wire(run: &Run) {
    exhausted(run, async |cluster, [ann, bob, eve]| {
        let wire = cluster.apis[0].postgres();
        let mut held = [(); 2].map(|()| wire.hold(&[BEGIN, COMMIT]));
        // Of two users, so that neither waits for the other's lock.
        let waiting = join_all([submit_once(ann, "Held 1"), submit_once(eve, "Held 2")]);
        let others = async {
            join_all(held.iter_mut().map(Gate::reached)).await;
            refused_in_time(bob).await;
            held.into_iter().for_each(Gate::release);
        };
        tokio::join!(waiting, others).0
    })
    .await;
}

pub async fn by_a_black_hole(run: &Run) {
    exhausted(run, async |cluster, [ann, bob, _]| {
        // All connections exist before the fault.
        let before = join_all(["Before 1", "Before 2"].map(|title| submit_once(ann, title))).await;
        let wire = cluster.apis[0].postgres();
        wire.black_hole();
        refused_in_time(bob).await;
        wire.mend();
        before
    })
    .await;
}

/// Exhausts an API's two connections by `fault`, with Ann, Bob and Eve. `fault` refuses the submits of
/// Bob, and returns the others. Afterwards the API accepts songs as before, and everything is right.
async fn exhausted(
    run: &Run,
    fault: impl AsyncFnOnce(&Cluster, [&PatientClient; 3]) -> Vec<Submit>,
) {
    let setup = Setup::default().env("DATABASE_MAX_CONNECTIONS", "2");
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let bob = PatientClient::new(cluster, "bob").await;
        let eve = PatientClient::new(cluster, "eve").await;
        let held = fault(cluster, [&ann, &bob, &eve]).await;
        assert!(
            held.iter().all(|submit| submit.tasks().count() == 1),
            "{held:?}"
        );
        let tasks =
            "SELECT count(*) FROM tasks t JOIN users u ON u.id = user_id WHERE name = 'bob'";
        assert_eq!(number(cluster, tasks).await, 0);
        for number in 0..SUBMITS {
            let title = format!("After {number}");
            let task = bob.client.song(&title).await;
            bob.log(&title, vec![SubmitAnswer::Task(task)]);
        }
        let expected = Expected {
            submits: [&ann, &bob, &eve].map(PatientClient::submits).concat(),
            granted: ["ann", "bob", "eve"]
                .map(|name| (name.to_owned(), PLENTY))
                .into(),
            parked: false,
        };
        let sums = check(run, cluster, Duration::from_mins(1), &expected).await;
        let tasks: usize = sums.tasks.values().sum();
        sums.assert_ended(tasks, 0);
    })
    .await;
}

async fn submit_once(client: &PatientClient, title: &str) -> Submit {
    let answer = client.try_song(title, None).await;
    client.log(title, vec![answer])
}

/// Waits until two statements wait for a lock.
async fn two_wait_for_a_lock(cluster: &Cluster) {
    let mut database = cluster.connect().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(REFUSED, "submits to wait for the lock", async || {
        let waiting = sqlx::query_scalar(waiting).fetch_one(&mut database).await;
        waiting.is_ok_and(|waiting: i64| waiting >= 2).then_some(())
    })
    .await;
}

/// Many submits at the same time each get a 503 in time.
async fn refused_in_time(bob: &PatientClient) {
    let one = async |number: usize| {
        let (title, started) = (format!("Refused {number}"), Instant::now());
        let body = song(&title);
        let answer = timeout(REFUSED, bob.client.submit("music", &body)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{title} hangs"));
        let took = started.elapsed();
        assert_eq!(answer.status, 503, "{} after {took:?}", answer.text);
        assert_eq!(answer.json["code"], "busy", "{}", answer.text);
        bob.log(&title, vec![SubmitAnswer::Refused(503)]);
    };
    join_all((0..SUBMITS).map(one)).await;
}
