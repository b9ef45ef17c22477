//! A worker leaves tasks of a platform that it has no driver for to other workers.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::in_process::InProcess;
use shared::clock::{Clock as _, SystemClock};
use shared::config::DatabaseUrl;
use shared::process::lifecycle::Stop;
use shared::random::Random;
use shared::secret::{Secret, SecretDigest};
use shared::store::accounts::{NewKey, NewUser, Role};
use shared::store::channels::NewChannel;
use shared::store::prices::Price;
use shared::store::submissions::{NewTask, Submitted};
use shared::store::turns::Accepted;
use shared::store::{Plans, Store};
use shared::task::wait::{PollPace, Rung};
use shared::task::{Action, Actions, AtTurn, Platform, Quota, Status, TaskId, Turn};
use worker::Settings;
use worker::context::Context;
use worker::poll::poll;
use worker::schedule::FollowUp;
use worker::submit::submit;

const LONG: Duration = Duration::from_mins(5);

/// A worker on `store` and a broker of its own.
fn context(store: &Store, random: &Arc<Random>) -> Context {
    let settings = Settings {
        task_timeout: Duration::from_mins(30),
        pace: PollPace {
            initial: LONG,
            max: LONG,
        },
        submit_attempts: 1,
        submit_timeout: LONG,
        fetch_timeout: LONG,
        public_url: None,
    };
    let (broker, clock) = (Arc::new(InProcess::new()), Arc::new(SystemClock));
    let (store, random) = (store.clone(), Arc::clone(random));
    let (rest, stop) = (Arc::default(), Stop::new());
    Context::new(store, broker, clock, random, settings, rest, stop).expect("a client is made")
}

#[tokio::test]
async fn a_task_of_a_platform_without_a_driver_waits() {
    let random = Arc::new(Random::from_system());
    let folder = format!("task-center-test-{}", random.letters_and_digits(16));
    let folder = std::env::temp_dir().join(folder);
    let url = DatabaseUrl::Sqlite(folder.join("task-center.db"));
    let store = Store::open(&url, 2, Plans::Kept).await.expect("it opens");
    store.migrate().await.expect("the tables are made");
    let now = SystemClock.now();
    let context = context(&store, &random);

    let platform: Platform = "newer".parse().expect("it is a name");
    let action: Action = "video".parse().expect("it is a name");
    let quota = Quota::from(7);
    let user = NewUser {
        name: "ann".to_owned(),
        role: Role::User,
        quota,
        token: SecretDigest::of("token"),
    };
    let user = store.create_user(user, now).await.expect("it answers");
    let user = user.expect("the name is new");
    let key = NewKey::new(user, "key", SecretDigest::of("key"));
    let key = store.create_key(key, now);
    let key = key.await.expect("a key is made");
    let url = "http://localhost:1".to_owned();
    let channel = NewChannel {
        actions: Actions::only([action]),
        ..NewChannel::new("newer", platform, url, Secret::new(""))
    };
    let channel = store.create_channel(channel, now).await;
    let channel = channel.expect("it answers").expect("the name is new");
    let price = Price {
        platform,
        action,
        model: None,
        quota,
    };
    store.set_price(&price).await.expect("it has a price");
    let task_id = TaskId::random(&random);
    let task = NewTask {
        task_id: task_id.clone(),
        user,
        key,
        platform,
        action,
        model: None,
        request: "{}".to_owned(),
        input: String::new(),
        pinned: None,
        idempotency: None,
        deadline: now.after(LONG),
    };
    let Ok(Submitted::Stored { row, .. }) = store.submit(task, now).await else {
        panic!("it is stored");
    };

    let at = AtTurn {
        row,
        turn: Turn::FIRST,
    };
    // It stands in its line, and needs no message.
    assert!(matches!(submit(&context, at).await, Ok(None)));

    // A worker with a driver submits it.
    let begun = store
        .begin_submit(at, channel, 1, now.after(LONG), now)
        .await;
    let accepted = Accepted {
        at: begun.expect("it answers").expect("it is not stale"),
        channel,
        upstream_id: "u".to_owned(),
        due_at: now,
    };
    let at = store.accept(vec![accepted], now).await.expect("it answers");
    let next = poll(&context, channel, None, &at)
        .await
        .expect("it answers");
    let [FollowUp::Poll { delay, .. }] = next[..] else {
        panic!("it is to be polled later: {next:?}");
    };
    assert_eq!(delay.map(Rung::seconds), Some(30));

    let shown = store.story(&task_id).await.expect("it answers");
    let task = shown.expect("the task is there").task;
    assert_eq!((task.status, task.action), (Status::Submitted, action));
    store.close().await;
    std::fs::remove_dir_all(folder).expect("the folder goes");
}
