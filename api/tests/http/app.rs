//! The API under test: one way to start it, and everything around it.

use std::sync::Arc;
use std::time::Duration;

use api::http::answers::Answers;
use api::http::throttle::{Bounds, Throttle};
use api::routes::hooks::calls::Calls;
use api::{Api, Publisher};
use axum::Router;
use harness::folder::Folder;
use shared::broker::in_process::InProcess;
use shared::broker::{Broker as _, Consumer, Queue};
use shared::clock::{Clock as _, ManualClock, Millis};
use shared::config::{Cors, DatabaseUrl, ListingActions, Networks};
use shared::process::lifecycle::Stop;
use shared::process::telemetry::Figures;
use shared::random::Random;
use shared::secret::Secret;
use shared::store::accounts::{NewKey, NewUser, Role};
use shared::store::channels::NewChannel;
use shared::store::turns::SubmitJob;
use shared::store::{Plans, Store};
use shared::task::{AtTurn, ChannelId, KeyId, Platform, Quota, RowId, Turn, UserId};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::log::ask_all_subscribers;

/// The body of a song submit, where it does not matter which.
pub const SONG: &str = r#"{"prompt":"p"}"#;

/// 2024-05-20T07:55:49Z.
const NOW: Millis = Millis(1_716_191_749_000);

/// A router with a database of its own and a clock that stands still.
pub struct TestApp {
    pub store: Store,
    pub broker: Arc<InProcess>,
    pub clock: Arc<ManualClock>,
    pub random: Arc<Random>,
    pub publisher: Publisher,
    pub router: Router,
    pub stop: Stop,
    folder: Folder,
}

/// A user with an access token and an API key.
#[derive(Clone)]
pub struct TestUser {
    pub id: UserId,
    pub name: String,
    pub token: String,
    pub key: String,
    pub key_id: KeyId,
}

/// Takes any number of requests from one client.
pub fn unbounded() -> Bounds {
    Bounds {
        rate: 0,
        at_once: usize::MAX,
        trusted_proxies: Networks::default(),
    }
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with_cors(Cors::None).await
    }

    pub async fn with_cors(cors: Cors) -> Self {
        Self::with(cors, ListingActions::default()).await
    }

    pub async fn with(cors: Cors, listing_actions: ListingActions) -> Self {
        Self::with_answers(cors, listing_actions, Answers::default()).await
    }

    pub async fn with_answers(
        cors: Cors,
        listing_actions: ListingActions,
        answers: Answers,
    ) -> Self {
        Self::with_all(cors, listing_actions, answers, unbounded()).await
    }

    /// An app that takes so much from one client.
    pub async fn with_throttle(bounds: Bounds) -> Self {
        let (cors, actions) = (Cors::Any, ListingActions::default());
        Self::with_all(cors, actions, Answers::default(), bounds).await
    }

    async fn with_all(
        cors: Cors,
        listing_actions: ListingActions,
        answers: Answers,
        throttle: Bounds,
    ) -> Self {
        ask_all_subscribers();
        let folder = Folder::new();
        let database = DatabaseUrl::Sqlite(folder.path().join("api.db"));
        let store = Store::open(&database, 4, Plans::Kept)
            .await
            .expect("the database opens");
        store.migrate().await.expect("the tables are made");
        let broker = Arc::new(InProcess::new());
        let publisher = Publisher::start(broker.clone());
        let clock = Arc::new(ManualClock::at(NOW));
        let random = Arc::new(Random::seeded(7));
        let stop = Stop::new();
        let router = api::router(Api {
            store: store.clone(),
            broker: broker.clone(),
            publisher: publisher.clone(),
            clock: clock.clone(),
            calls: Calls::default(),
            random: random.clone(),
            queue_timeout: Duration::from_mins(30),
            cors,
            listing_actions,
            answers,
            throttle: Throttle::new(throttle),
            metrics_apart: false,
            stop: stop.clone(),
            figures: Figures::install(),
        });
        Self {
            store,
            broker,
            clock,
            random,
            publisher,
            router,
            stop,
            folder,
        }
    }

    /// Executes SQL beside the store that breaks the database.
    pub async fn break_with(&self, sql: &'static str) {
        let file = self.folder.path().join("api.db");
        let options = SqliteConnectOptions::new().filename(file);
        let connection = options.foreign_keys(false).connect().await;
        let mut connection = connection.expect("the database opens");
        let done = sqlx::raw_sql(sql).execute(&mut connection).await;
        done.expect("the statement is right");
    }

    /// An app with the channel `main` and the user `alice`, who can pay for many songs.
    pub async fn with_alice() -> (Self, TestUser) {
        let app = Self::new().await;
        app.channel("main").await;
        let alice = app.user("alice").await;
        (app, alice)
    }

    pub async fn user(&self, name: &str) -> TestUser {
        self.user_with(name, Role::User, 100_000_000).await
    }

    pub async fn admin(&self, name: &str) -> TestUser {
        self.user_with(name, Role::Admin, 0).await
    }

    pub async fn user_with(&self, name: &str, role: Role, quota: i64) -> TestUser {
        let token = Secret::access_token(&self.random);
        let user = NewUser {
            name: name.to_owned(),
            role,
            quota: quota.try_into().expect("it is a quota"),
            token: token.digest(),
        };
        let id = self.store.create_user(user, self.clock.now()).await;
        let id = id.expect("the database works").expect("the name is new");
        let (key, key_id) = self.key(id, None).await;
        TestUser {
            id,
            name: name.to_owned(),
            token: token.expose().to_owned(),
            key,
            key_id,
        }
    }

    /// Another API key of a user.
    pub async fn key(&self, user: UserId, limit: Option<i64>) -> (String, KeyId) {
        let limit = limit.map(|limit| Quota::try_from(limit).expect("it is a quota"));
        self.key_with(user, |key| key.limit = limit).await
    }

    /// Another API key of a user, with what `set` changes.
    pub async fn key_with(&self, user: UserId, set: impl FnOnce(&mut NewKey)) -> (String, KeyId) {
        let key = Secret::api_key(&self.random);
        let mut new = NewKey::new(user, "key", key.digest());
        set(&mut new);
        let id = self.store.create_key(new, self.clock.now()).await;
        (key.expose().to_owned(), id.expect("the key is made"))
    }

    pub async fn channel(&self, name: &str) -> ChannelId {
        let url = "http://upstream.invalid".to_owned();
        let channel = NewChannel {
            max_tasks: 1_000,
            ..NewChannel::new(name, Platform::SUNO, url, Secret::new("upstream-key"))
        };
        let id = self.store.create_channel(channel, self.clock.now()).await;
        id.expect("the database works").expect("the name is new")
    }

    /// What is left of a user's quota.
    pub async fn quota_of(&self, user: &TestUser) -> i64 {
        let user = self.store.user_by_name(&user.name).await;
        let user = user.expect("the database works").expect("they exist");
        user.quota.get()
    }

    pub async fn disable_user(&self, name: &str) {
        let disabled = self.store.enable_user(name, false).await;
        assert!(disabled.expect("the database works"));
    }

    pub async fn disable_key(&self, user: &TestUser) {
        let disabled = self.store.enable_key(user.key_id, false).await;
        assert!(disabled.expect("the database works"));
    }

    pub async fn disable_channel(&self, name: &str) {
        let disabled = self.store.enable_channel(name, false).await;
        assert!(disabled.expect("the database works"));
    }

    /// The time of the app's clock.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How many messages the queues hold.
    pub async fn queued(&self) -> u64 {
        let depths = self.broker.depths().await.expect("it answers");
        depths.iter().map(|depth| depth.messages).sum()
    }

    /// The first submit of a task, as a worker gets it from the store.
    pub async fn submit_job(&self, row: i64) -> SubmitJob {
        let at = AtTurn {
            row: RowId(row),
            turn: Turn::FIRST,
        };
        let job = self.store.submit_job(at).await;
        job.expect("the database works").expect("it is to be sent")
    }

    /// The queue of submits, as a worker consumes it.
    pub async fn submits(&self) -> Box<dyn Consumer> {
        let consumer = self.broker.consume(Queue::Submit, 1_000).await;
        consumer.expect("the queue can be consumed")
    }

    /// Audits the database and returns the number of tasks.
    pub async fn audited_tasks(&self) -> i64 {
        let audit = self.store.audit().await.expect("the database works");
        assert_eq!(audit.breaks, Vec::<String>::new());
        audit.tasks
    }
}
