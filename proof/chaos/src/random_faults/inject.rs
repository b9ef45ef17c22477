//! What each fault does, and how it ends. A fault whose target already has one does nothing.

use std::ops::Range;
use std::time::Duration;

use harness::process::Signal;
use harness::proxy::Proxy;
use harness::proxy::gate::Pattern;
use harness::servers::server::{Kind, Server};
use harness::spread::Counters;
use rand::RngExt as _;
use rand::rngs::StdRng;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::fault::{Break, Fault, Stop};
use crate::wire_patterns::{COMMIT, COMMITTED};
use harness::cluster::{Cluster, Node};

const COMMIT_PASSES: Duration = Duration::from_secs(3);

pub(super) async fn inject(
    cluster: &Cluster,
    (fault, name): (Fault, &'static str),
    mut random: StdRng,
    counters: &Counters,
) {
    let random = &mut random;
    let happened = match fault {
        Fault::Worker(stop) => {
            // Some workers stay frozen longer than a lease and the sweep's grace.
            let frozen = if random.random_bool(0.15) {
                50_000..70_000
            } else {
                500..15_000
            };
            stop_process(stop, one_of(&cluster.workers, random), frozen, random).await
        }
        Fault::Api(stop) => {
            stop_process(stop, one_of(&cluster.apis, random), 200..6_000, random).await
        }
        Fault::Postgres(stop) => {
            let server = &cluster.servers().postgres;
            stop_server(stop, server, 200..8_000, 0..6_000, random).await
        }
        Fault::RabbitMq(stop) => {
            let server = &cluster.servers().rabbitmq;
            // Sometimes it is frozen longer than the heartbeats of the connections allow.
            stop_server(stop, server, 200..25_000, 0..10_000, random).await
        }
        Fault::Terminate => terminate_connections(cluster).await,
        Fault::FailOver => {
            for node in cluster.nodes() {
                node.postgres().mute();
            }
            true
        }
        Fault::Refuse => refuse_connections(cluster, random).await,
        Fault::Lock => lock_a_table(cluster, random).await,
        Fault::WorstMoment => worst_moment(cluster, random).await,
        Fault::Wire(fault) => break_a_wire(fault, any_node(cluster, random), random).await,
        Fault::Upstream(fault) => {
            break_wire(fault, one_of(&cluster.channels, random).proxy(), random).await;
            true
        }
        Fault::LoseCommit => lose(&[COMMIT], cluster, random).await,
        Fault::LoseCommitAnswer => lose(&[COMMIT, COMMITTED], cluster, random).await,
    };
    if happened {
        counters.count(name);
    }
}

/// `frozen`: for how many milliseconds, if the process is to freeze.
async fn stop_process(stop: Stop, node: &Node, frozen: Range<u64>, random: &mut StdRng) -> bool {
    let Some(mut running) = node.try_take() else {
        return false;
    };
    match stop {
        Stop::Freeze => {
            running.signal(Signal::Freeze).await;
            pause(random, frozen).await;
            running.signal(Signal::Thaw).await;
        }
        Stop::Restart => {
            running.signal(Signal::Terminate).await;
            pause(random, 0..8_000).await;
            running.kill().await;
        }
        Stop::Kill => {
            running.kill().await;
            pause(random, 0..4_000).await;
        }
    }
    node.start(&mut running);
    true
}

/// `frozen`, `down`: for how many milliseconds.
async fn stop_server<K: Kind>(
    stop: Stop,
    server: &Mutex<Server<K>>,
    frozen: Range<u64>,
    down: Range<u64>,
    random: &mut StdRng,
) -> bool {
    let Ok(mut server) = server.try_lock() else {
        return false;
    };
    match stop {
        Stop::Freeze => {
            server.signal(Signal::Freeze).await;
            pause(random, frozen).await;
            server.signal(Signal::Thaw).await;
            return true;
        }
        Stop::Restart => server.stop().await,
        Stop::Kill => server.kill().await,
    }
    pause(random, down).await;
    server.run().await;
    true
}

/// `PostgreSQL` terminates every connection to the cluster's database, also in the middle of commits.
async fn terminate_connections(cluster: &Cluster) -> bool {
    let Ok(server) = cluster.servers().postgres.try_lock() else {
        return false;
    };
    let mut connection = cluster.database().connect().await;
    drop(server);
    terminate_others(&mut connection).await.is_ok()
}

/// `PostgreSQL` ends all connections to the cluster's database, and takes none for a while.
async fn refuse_connections(cluster: &Cluster, random: &mut StdRng) -> bool {
    let Ok(_server) = cluster.servers().postgres.try_lock() else {
        return false;
    };
    let options = cluster.database().options();
    let name = options.get_database().unwrap_or_default().to_owned();
    let mut inside = cluster.database().connect().await;
    let Ok(mut server) = options.database("postgres").connect().await else {
        return false;
    };
    let mut allow = async |allowed: bool| {
        let alter = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
        let done = sqlx::raw_sql(AssertSqlSafe(alter)).execute(&mut server);
        done.await.expect("the server is ours");
    };
    allow(false).await;
    let _ = terminate_others(&mut inside).await;
    pause(random, 500..10_000).await;
    allow(true).await;
    true
}

/// Somebody locks a table, now and then for longer than the lease of a submit.
async fn lock_a_table(cluster: &Cluster, random: &mut StdRng) -> bool {
    let tables = ["unfinished_tasks", "tasks", "users", "channels"];
    let table = tables[random.random_range(0..tables.len())];
    let mut connection = cluster.database().connect().await;
    let Ok(mut lock) = connection.begin().await else {
        return false;
    };
    let take =
        format!("SET LOCAL lock_timeout = '10s'; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    let taken = sqlx::raw_sql(AssertSqlSafe(take)).execute(&mut *lock).await;
    let long = random.random_bool(0.2);
    pause(random, if long { 35_000..50_000 } else { 500..8_000 }).await;
    // Another fault may have ended the connection, and the lock with it.
    let _ = lock.rollback().await;
    taken.is_ok()
}

/// `PostgreSQL` is away for longer than the lease of a submit, and a worker starts as it comes back.
async fn worst_moment(cluster: &Cluster, random: &mut StdRng) -> bool {
    let Ok(mut server) = cluster.servers().postgres.try_lock() else {
        return false;
    };
    let node = one_of(&cluster.workers, random);
    let Some(mut running) = node.try_take() else {
        return false;
    };
    running.signal(Signal::Terminate).await;
    server.kill().await;
    pause(random, 35_000..45_000).await;
    running.kill().await;
    server.run().await;
    node.start(&mut running);
    true
}

/// Terminates every other connection to this database; returns how many there were.
pub(crate) async fn terminate_others(database: &mut PgConnection) -> sqlx::Result<i64> {
    let terminate = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    terminate.fetch_one(database).await
}

/// Breaks a process's connections to the database or the broker.
async fn break_a_wire(fault: Break, node: &Node, random: &mut StdRng) -> bool {
    let Ok(_wires) = node.proxy_lock.try_lock() else {
        return false;
    };
    let database = random.random_bool(0.5);
    let wire = if database {
        node.postgres()
    } else {
        node.rabbitmq()
    };
    break_wire(fault, wire, random).await;
    true
}

async fn break_wire(fault: Break, wire: &Proxy, random: &mut StdRng) {
    match fault {
        Break::Cut => wire.cut(),
        Break::Reset => wire.reset(),
        Break::BlackHole => wire.black_hole(),
        Break::Delay => wire.delay(Duration::from_millis(random.random_range(5..400))),
        Break::Mute => return wire.mute(),
    }
    let reset = fault == Break::Reset;
    pause(random, if reset { 0..2_000 } else { 200..15_000 }).await;
    wire.mend();
}

/// Resets a process's connection to the database when these patterns pass.
async fn lose(patterns: &[Pattern], cluster: &Cluster, random: &mut StdRng) -> bool {
    let mut gate = any_node(cluster, random).postgres().hold(patterns);
    let reached = timeout(COMMIT_PASSES, gate.reached()).await.is_ok();
    gate.reset();
    reached
}

fn any_node<'a>(cluster: &'a Cluster, random: &mut StdRng) -> &'a Node {
    let of = if random.random_bool(0.5) {
        &cluster.apis
    } else {
        &cluster.workers
    };
    one_of(of, random)
}

fn one_of<'a, T>(all: &'a [T], random: &mut StdRng) -> &'a T {
    &all[random.random_range(0..all.len())]
}

async fn pause(random: &mut StdRng, millis: Range<u64>) {
    sleep(Duration::from_millis(random.random_range(millis))).await;
}
