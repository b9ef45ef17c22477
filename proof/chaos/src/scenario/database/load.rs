//! Clients that ask for songs all the time, at two APIs, while something is done to the database; and
//! whoever starts again what ended by it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use harness::client::Client;
use tokio::time::Instant;

use crate::check::{Expected, check};
use crate::member::Member;
use crate::record::Record;
use crate::run::Run;
use crate::scenario::asking::ask_on;
use crate::site::{Setup, Site};

/// What the user is granted: more than can be spent.
const QUOTA: i64 = 10_000_000_000;

/// How many songs are asked for at once.
const AT_ONCE: usize = 4;

/// The longest that what is left over may take, once all is well.
const SETTLED: Duration = Duration::from_mins(2);

/// Two APIs and two workers.
pub fn setup() -> Setup {
    Setup {
        apis: 2,
        workers: 2,
        ..Setup::default()
    }
}

/// Asks until the run's time is over and `trouble` has come to its end, then proves the books. The
/// trouble is told when its time is over.
pub async fn under_load(run: &Run, site: &Site, trouble: impl AsyncFnOnce(Instant)) {
    let ann = site.user("ann", QUOTA, None).await;
    let clients: Vec<Client> = site.apis.iter().map(|api| at(&ann, &api.url)).collect();
    let record = Record::default();
    let until = Instant::now() + run.duration;
    let all = async { tokio::join!(ask_on(&clients, AT_ONCE, until, &record), trouble(until)) };
    tokio::select! {
        _ = all => {}
        _ = join_all(site.members().map(Member::supervise)) => {}
    }
    site.mend().await;
    let mut ended = 0;
    for member in site.members() {
        ended += member.take().await.ended_by_itself;
    }
    run.fact("processes_that_gave_up", ended);
    let expected = Expected {
        asked: record.all(),
        granted: [("ann".to_owned(), QUOTA)].into(),
        parked: false,
    };
    let requests: usize = expected.asked.iter().map(|one| one.answers.len()).sum();
    run.fact("songs", expected.asked.len());
    run.fact("requests", requests);
    assert!(
        expected.asked.iter().all(|one| one.tasks().count() == 1),
        "each was answered with its task"
    );
    let sums = check(run, site, SETTLED, &expected).await;
    let tasks: usize = sums.tasks.values().sum();
    assert_eq!(tasks, expected.asked.len(), "no task that nobody asked for");
    assert!(sums.tasks.contains_key("SUCCESS"), "{sums:?}");
}

/// The same user at another API.
fn at(client: &Client, url: &str) -> Client {
    Client {
        base: Arc::new(std::sync::Mutex::new(url.to_owned())),
        ..client.clone()
    }
}
