//! Everything in one process, on one SQLite file: submits a second through HTTP, polls a second, and the
//! first page of a large listing, beside bare statements on the same file settings.
//!
//! | file | what it has |
//! |---|---|
//! | `file` | a database with users in it, and many tasks |
//! | `bare` | the statements of a submit, without anything around them |
//! | `polls` | polls a second |

mod bare;
mod file;
mod polls;

use std::time::Duration;

use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};
use tokio::net::{TcpListener, TcpStream};

use super::Effort;
use super::submits::{CLIENTS, SONG, people};
use crate::load::{self, Load};
use crate::report::{Cell, Spread, Table};
use harness::proc::{Usage, micros_each};

/// How many submits of the bare statements are one transaction, in turn.
const TOGETHER: [u32; 2] = [1, 32];

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let folder = Folder::new();
    let upstream = silent_upstream().await;
    let ours = prepare(&folder, "ours", &upstream, &[]).await;
    let bare = prepare(&folder, "bare", &upstream, &[]).await;
    let lasts = Duration::from_secs(effort.size(6, 1));
    let submits = submits(effort, &ours, &bare, lasts).await;
    let audit = bare.operator().run(&["audit"]).await;
    assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
    let polls = polls::measure(effort, &folder, lasts).await;
    let listing = listing(effort, &ours, lasts).await;
    vec![submits, polls, listing]
}

/// A database, and how to start on it.
struct Center {
    file: std::path::PathBuf,
    launch: Launch,
}

impl Center {
    fn operator(&self) -> Operator {
        Operator(self.launch.clone())
    }

    /// Folds what was written past the programs, as they do with what they write.
    async fn fold(&self) {
        let store = self.store().await;
        while store.fold(100_000).await.expect("it folds") > 0 {}
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
    file::people(&center.file).await;
    center
}

/// An upstream that takes connections and never says a word: tasks wait for it, and the worker has
/// nothing to write meanwhile.
async fn silent_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    format!("http://{address}")
}

async fn submits(effort: Effort, ours: &Center, bare: &Center, lasts: Duration) -> Table {
    let (process, url) = ours.start().await;
    let load = Load {
        address: load::address(&url),
        requests: (0..people::USERS)
            .map(|n| load::post("/suno/submit/music", &people::secret(n), SONG))
            .collect(),
        clients: CLIENTS,
        lasts,
    };
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let before = Usage::of(process.pid()).cpu;
        let answers = load.run().await;
        let complaint = &answers.complaint;
        assert!(
            complaint.is_none(),
            "{} refused: {complaint:?}",
            answers.bad
        );
        let cpu = Usage::of(process.pid()).cpu.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let cpu = micros_each(cpu, answers.good as f64);
        let mut bares = Vec::new();
        for together in TOGETHER {
            bares.push(bare::submits_a_second(&bare.file, together, lasts).await);
        }
        rounds.push((answers, cpu, bares));
    }
    process.kill().await;
    let about = format!(
        "Submits through HTTP to `task-center` on SQLite, {CLIENTS} clients on kept connections, {} \
         users; the upstream never answers. Bare: the same statements on a file with the same settings \
         (WAL, synchronous=FULL) by one sqlx connection, one or more submits a transaction. CPU of \
         `task-center` in µs a submit.",
        people::USERS
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
    for (which, together) in TOGETHER.iter().enumerate() {
        table.row(vec![
            format!("bare, {together} a transaction").into(),
            over(&|at| rounds[at].2[which]),
            over(&|at| rounds[at].0.a_second() / rounds[at].2[which]),
            "".into(),
            "".into(),
            "".into(),
        ]);
    }
    table
}

async fn listing(effort: Effort, ours: &Center, lasts: Duration) -> Table {
    let tasks = effort.size(1_000_000, 2_000);
    file::tasks(&ours.file, tasks).await;
    ours.fold().await;
    let (process, url) = ours.start().await;
    let first_page = |clients| Load {
        address: load::address(&url),
        requests: (0..people::USERS)
            .map(|n| load::get("/api/task/self", &file::token(n), people::user(n)))
            .collect(),
        clients,
        lasts,
    };
    let about = format!(
        "The first page of `GET /api/task/self` at {tasks} tasks of {} users and those of above.",
        people::USERS
    );
    let columns = ["clients", "a second", "p50 ms", "p99 ms"];
    let mut table = Table::new("embedded: first page", &about, &columns);
    for clients in [1, 8] {
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            let answers = first_page(clients).run().await;
            let complaint = &answers.complaint;
            assert!(
                complaint.is_none(),
                "{} refused: {complaint:?}",
                answers.bad
            );
            rounds.push(answers);
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
