//! Everything in one process on one SQLite file: submits and polls a second and the first page of a long
//! listing, beside the statements alone on a file with the same settings.
//!
//! | file | what it holds |
//! |---|---|
//! | `file` | a database file with users and many tasks |
//! | `baseline`, `submit.sql` | the statements of a submit alone |
//! | `polls` | polls a second |

mod baseline;
mod file;
mod polls;

use std::time::Duration;

use harness::folder::Folder;
use harness::operator::Operator;
use harness::proc::{Usage, micros_each};
use harness::process::{Launch, Process};
use harness::programs::Program;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};
use tokio::net::{TcpListener, TcpStream};

use super::Plan;
use super::submits::{CLIENTS, users};
use crate::load::{self, Load};
use crate::report::{Cell, Spread, Table};

/// The sizes of the baseline's batches: submits a transaction.
const BATCHES: [u32; 2] = [1, 32];

pub async fn measure(plan: &Plan) -> Vec<Table> {
    let folder = Folder::new();
    let upstream = silent_upstream().await;
    let ours = prepare(&folder, "ours", &upstream, &[]).await;
    let baseline = prepare(&folder, "baseline", &upstream, &[]).await;
    let lasts = Duration::from_secs(plan.size(6, 1));
    let submits = submits(plan, &ours, &baseline, lasts).await;
    let audit = baseline.operator().run(&["audit"]).await;
    assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
    let polls = polls::measure(plan, &folder, lasts).await;
    let listing = listing(plan, &ours, lasts).await;
    vec![submits, polls, listing]
}

/// A database file, and how to start a task center on it.
struct Center {
    file: std::path::PathBuf,
    launch: Launch,
}

impl Center {
    fn operator(&self) -> Operator {
        Operator(self.launch.clone())
    }

    /// Folds the noted changes into the counts of the listings, as the programs do.
    async fn fold(&self) {
        let store = self.store().await;
        while store.fold(100_000).await.expect("a fold succeeds") > 0 {}
    }

    async fn store(&self) -> Store {
        let store = Store::open(&DatabaseUrl::Sqlite(self.file.clone()), 2, Plans::Kept).await;
        store.expect("the file opens")
    }

    async fn start(&self) -> (Process, String) {
        let mut process = self.launch.start("task-center");
        let url = process.url().await;
        (process, url)
    }
}

async fn prepare(folder: &Folder, name: &str, upstream: &str, env: &[(&str, &str)]) -> Center {
    let file = folder.path().join(format!("{name}.db"));
    let mut launch = Launch::new(Program::TaskCenter, folder.path())
        .env("DATABASE_URL", format!("sqlite://{}", file.display()))
        .env("API_BIND", "127.0.0.1:0")
        .env("WORKER_BIND", "127.0.0.1:0")
        .env("SUNO_BASE_URL", upstream)
        .env("RUST_LOG", "info");
    for (name, value) in env {
        launch = launch.env(name, *value);
    }
    let center = Center { file, launch };
    let migrated = center.operator().run(&["migrate"]).await;
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    file::create_users(&center.file).await;
    center
}

/// An upstream that accepts connections and never answers, so that the worker writes nothing during a
/// measurement.
async fn silent_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        let mut open: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    format!("http://{address}")
}

async fn submits(plan: &Plan, ours: &Center, baseline: &Center, lasts: Duration) -> Table {
    let (process, url) = ours.start().await;
    let load = users::submits(&url, lasts);
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let before = Usage::of(process.pid()).cpu;
        let answers = load.run().await;
        let cpu = Usage::of(process.pid()).cpu.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let cpu = micros_each(cpu, answers.count() as f64);
        let mut bares = Vec::new();
        for batch in BATCHES {
            bares.push(baseline::submits_a_second(&baseline.file, batch, lasts).await);
        }
        rounds.push((answers, cpu, bares));
    }
    process.kill().await;
    let about = format!(
        "Submits through HTTP to `task-center` on SQLite, {CLIENTS} clients on kept connections, {} \
         users; the upstream never answers. Bare: the same statements on a file with the same settings \
         (WAL, synchronous=FULL) by one sqlx connection, one or more submits a transaction. CPU of \
         `task-center` in µs a submit.",
        users::USERS
    );
    let columns = ["what", "a second", "ours / this", "p50 ms", "p99 ms", "CPU"];
    let mut table = Table::new("embedded: submits", &about, &columns);
    let over =
        |value: &dyn Fn(usize) -> f64| -> Cell { Spread::of((0..rounds.len()).map(value)).into() };
    table.row(vec![
        "task center".into(),
        over(&|at| rounds[at].0.a_second()),
        "".into(),
        over(&|at| rounds[at].0.percentile(0.5)),
        over(&|at| rounds[at].0.percentile(0.99)),
        over(&|at| rounds[at].1),
    ]);
    for (which, batch) in BATCHES.iter().enumerate() {
        table.row(vec![
            format!("bare, {batch} a transaction").into(),
            over(&|at| rounds[at].2[which]),
            over(&|at| rounds[at].0.a_second() / rounds[at].2[which]),
            "".into(),
            "".into(),
            "".into(),
        ]);
    }
    table
}

async fn listing(plan: &Plan, ours: &Center, lasts: Duration) -> Table {
    let tasks = plan.size(1_000_000, 2_000);
    file::finished(&ours.file, tasks).await;
    ours.fold().await;
    let (process, url) = ours.start().await;
    let first_page = |clients| Load {
        address: load::address(&url),
        requests: (0..users::USERS)
            .map(|n| load::get("/api/task/self", &file::token(n), users::FIRST_USER + n))
            .collect(),
        clients,
        lasts,
    };
    let about = format!(
        "The first page of `GET /api/task/self` at {tasks} tasks of {} users and those of above.",
        users::USERS
    );
    let columns = ["clients", "a second", "p50 ms", "p99 ms"];
    let mut table = Table::new("embedded: first page", &about, &columns);
    for clients in [1, 8] {
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            rounds.push(first_page(clients).run().await);
        }
        let over = |value: fn(&load::Answers) -> f64| Spread::of(rounds.iter().map(value)).into();
        table.row(vec![
            clients.to_string().into(),
            over(load::Answers::a_second),
            over(|answers| answers.percentile(0.5)),
            over(|answers| answers.percentile(0.99)),
        ]);
    }
    process.kill().await;
    table
}
