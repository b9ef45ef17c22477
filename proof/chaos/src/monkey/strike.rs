//! What each fault does. One that finds its victim in trouble already does nothing.

use std::time::Duration;

use harness::process::Signal;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use crate::member::Member;
use crate::site::Site;
use harness::proxy::Proxy;
use harness::proxy::gate::Pattern;
use harness::servers::postgres::Postgres;
use harness::servers::rabbitmq::RabbitMqServer;
use harness::spread::Tally;

/// How long a commit may take to come by.
const COMMIT: Duration = Duration::from_secs(3);

/// Does it, and undoes it.
pub(super) async fn strike(site: &Site, fault: Fault, mut random: StdRng, tally: &Tally) {
    let happened = match fault {
        Fault::KillWorker | Fault::FreezeWorker | Fault::StopWorker => {
            process(fault, one_of(&site.workers, &mut random), &mut random).await
        }
        Fault::KillApi | Fault::FreezeApi => {
            process(fault, one_of(&site.apis, &mut random), &mut random).await
        }
        Fault::KillPostgres | Fault::RestartPostgres | Fault::FreezePostgres => {
            match site.servers.postgres.try_lock() {
                Ok(mut server) => postgres(fault, &mut server, &mut random).await,
                Err(_) => false,
            }
        }
        Fault::EndConnections => end_connections(site).await,
        Fault::KillRabbitMq | Fault::RestartRabbitMq | Fault::FreezeRabbitMq => {
            match site.servers.rabbitmq.try_lock() {
                Ok(mut server) => rabbitmq(fault, &mut server, &mut random).await,
                Err(_) => false,
            }
        }
        Fault::CutWire | Fault::ResetWire | Fault::BlackHoleWire | Fault::DelayWire => {
            member_wire(fault, site, &mut random).await
        }
        Fault::LoseCommit => lose(&[Pattern::to_server("COMMIT")], site, &mut random).await,
        Fault::LoseCommitsAnswer => {
            let words = [Pattern::to_server("COMMIT"), Pattern::from_server("COMMIT")];
            lose(&words, site, &mut random).await
        }
        Fault::ResetUpstream | Fault::BlackHoleUpstream | Fault::DelayUpstream => {
            let channel = random.random_range(0..site.channels.len());
            wire(fault, &site.channels[channel].wire, &mut random).await;
            true
        }
    };
    if happened {
        tally.count(fault.name());
    }
}

async fn process(fault: Fault, member: &Member, random: &mut StdRng) -> bool {
    let Some(mut running) = member.try_take() else {
        return false;
    };
    match fault {
        Fault::FreezeWorker => {
            running.signal(Signal::Freeze).await;
            // Now and then longer than a lease and the sweep's grace.
            let long = random.random_bool(0.15);
            pause(random, if long { 50_000..70_000 } else { 500..15_000 }).await;
            running.signal(Signal::Thaw).await;
        }
        Fault::FreezeApi => {
            running.signal(Signal::Freeze).await;
            pause(random, 200..6_000).await;
            running.signal(Signal::Thaw).await;
        }
        Fault::StopWorker => {
            running.signal(Signal::Terminate).await;
            pause(random, 0..8_000).await;
            running.kill().await;
        }
        _ => {
            running.kill().await;
            pause(random, 0..4_000).await;
        }
    }
    member.start(&mut running);
    true
}

async fn postgres(fault: Fault, server: &mut Postgres, random: &mut StdRng) -> bool {
    match fault {
        Fault::FreezePostgres => {
            server.signal(Signal::Freeze).await;
            pause(random, 200..8_000).await;
            server.signal(Signal::Thaw).await;
            return true;
        }
        Fault::RestartPostgres => server.stop().await,
        _ => server.kill().await,
    }
    pause(random, 0..6_000).await;
    server.run().await;
    true
}

async fn rabbitmq(fault: Fault, server: &mut RabbitMqServer, random: &mut StdRng) -> bool {
    match fault {
        Fault::FreezeRabbitMq => {
            server.signal(Signal::Freeze).await;
            // Now and then longer than the connections' heartbeats allow.
            pause(random, 200..25_000).await;
            server.signal(Signal::Thaw).await;
            return true;
        }
        Fault::RestartRabbitMq => server.stop().await,
        _ => server.kill().await,
    }
    pause(random, 0..10_000).await;
    server.run().await;
    true
}

/// Terminates every connection to the site's database, commits under way included.
async fn end_connections(site: &Site) -> bool {
    let Ok(server) = site.servers.postgres.try_lock() else {
        return false;
    };
    let mut connection = site.database().connect().await;
    drop(server);
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut connection)
    .await;
    ended.is_ok()
}

async fn member_wire(fault: Fault, site: &Site, random: &mut StdRng) -> bool {
    let member = any_member(site, random);
    let Ok(_wires) = member.wires.try_lock() else {
        return false;
    };
    let chosen = if random.random_bool(0.5) {
        &member.postgres
    } else {
        &member.rabbitmq
    };
    wire(fault, chosen, random).await;
    true
}

async fn wire(fault: Fault, wire: &Proxy, random: &mut StdRng) {
    match fault {
        Fault::CutWire => wire.cut(),
        Fault::ResetWire | Fault::ResetUpstream => wire.reset(),
        Fault::BlackHoleWire | Fault::BlackHoleUpstream => wire.black_hole(),
        _ => wire.delay(Duration::from_millis(random.random_range(5..400))),
    }
    let reset = matches!(fault, Fault::ResetWire | Fault::ResetUpstream);
    pause(random, if reset { 0..2_000 } else { 200..15_000 }).await;
    wire.mend();
}

/// Resets a member's connection to the database in the moment that these words pass.
async fn lose(words: &[Pattern], site: &Site, random: &mut StdRng) -> bool {
    let member = any_member(site, random);
    let mut gate = member.postgres.hold(words);
    let reached = timeout(COMMIT, gate.reached()).await.is_ok();
    gate.reset();
    reached
}

fn any_member<'a>(site: &'a Site, random: &mut StdRng) -> &'a Member {
    if random.random_bool(0.5) {
        one_of(&site.apis, random)
    } else {
        one_of(&site.workers, random)
    }
}

fn one_of<'a, T>(all: &'a [T], random: &mut StdRng) -> &'a T {
    &all[random.random_range(0..all.len())]
}

async fn pause(random: &mut StdRng, millis: std::ops::Range<u64>) {
    sleep(Duration::from_millis(random.random_range(millis))).await;
}
