//! A worker, the database or the broker is killed again and again while limits hold: of users, of a key and of a
//! channel, beside a channel whose ceiling is learnt. The upstreams tell when each song was made, so nobody was above
//! a limit at any moment; and at the end nothing counts as running.

use std::collections::BTreeMap;

use harness::places::{Made, most_at_once};

use crate::scenario::prelude::*;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker,
    Database,
    Broker,
}

struct Crash {
    name: &'static str,
    about: &'static str,
    victim: Victim,
}

static CRASHES: [Crash; 3] = [
    Crash {
        name: "flow-worker-killed",
        about: "Users, a key and a channel have limits, another channel has a learnt ceiling, and everybody \
                submits more than that. Workers are killed again and again.",
        victim: Victim::Worker,
    },
    Crash {
        name: "flow-database-killed",
        about: "The same, and PostgreSQL is killed again and again.",
        victim: Victim::Database,
    },
    Crash {
        name: "flow-broker-killed",
        about: "The same, and RabbitMQ is killed again and again.",
        victim: Victim::Broker,
    },
];

/// The limits of users, and of the key of each, and how many run at once at most. 0: no limit.
const USERS: [(&str, usize, usize); 3] = [("ann", 2, 0), ("bob", 3, 2), ("carl", 0, 0)];

/// The limit of the first channel. Its upstream would take any number.
const LIMITED: usize = 4;

/// A song ends long before anybody takes its worker for dead: so a song whose worker was killed as it sent it is
/// over when its place is given to the next.
const SONG: [&str; 2] = ["--song-time", "300ms..1500ms"];
/// The second upstream refuses a fourth song at once, and nobody says so before.
const PLACES: [&str; 2] = ["--places", "3"];

/// The pause between two submits of a user, between two kills, and until what was killed is started again.
const SUBMIT_EVERY: Duration = Duration::from_millis(500);
const KILL_EVERY: Duration = Duration::from_secs(4);
const AWAY: Duration = Duration::from_secs(1);

/// The limit until all tasks have ended, once everything is mended.
const SETTLED: Duration = Duration::from_mins(3);

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |crash: &'static Crash| {
        let scenario = Scenario::new(crash.name, crash.about, async |run| {
            killed(run, crash).await;
        });
        let scenario = scenario.lasts(20);
        match crash.victim {
            Victim::Worker => scenario,
            Victim::Database | Victim::Broker => scenario.exclusive(),
        }
    };
    CRASHES.iter().map(scenario).collect()
}

async fn killed(run: &Run, crash: &Crash) {
    let learnt = [SONG, PLACES].concat();
    let setup = patient()
        .workers(2)
        .env("TASK_TIMEOUT", "10m")
        .upstreams(&[("limited", &SONG), ("learnt", &learnt)]);
    run.on_cluster(&setup, async |cluster| {
        let users = limited_users(cluster).await;
        let most = LIMITED.to_string();
        command(
            cluster,
            &["channel", "set", "--name", "limited", "--max-tasks", &most],
        )
        .await;
        let until = Instant::now() + run.duration;
        let load = join_all(users.iter().map(|user| submit_until(user, until)));
        let faults = kill_until(run, cluster, crash.victim, until);
        tokio::select! {
            _ = async { tokio::join!(load, faults) } => {}
            _ = join_all(cluster.nodes().map(Node::supervise)) => {}
        }
        cluster.mend().await;
        let mut expected = Expected::default();
        for user in &users {
            let of_user = user.expected();
            expected.submits.extend(of_user.submits);
            expected.granted.extend(of_user.granted);
        }
        let sums = check(run, cluster, SETTLED, &expected).await;
        assert!(sums.tasks.contains_key("SUCCESS"), "{sums:?}");
        nobody_was_above_a_limit(run, cluster).await;
        nothing_counts_as_running(run, cluster).await;
    })
    .await;
}

/// The users, whose names, and those of their keys, stand at the beginning of each prompt.
async fn limited_users(cluster: &Cluster) -> Vec<PatientClient> {
    let mut users = Vec::new();
    for (name, of_user, of_key) in USERS {
        let user = PatientClient::new(cluster, name).await;
        let of_user = of_user.to_string();
        command(
            cluster,
            &["user", "set", "--name", name, "--max-tasks", &of_user],
        )
        .await;
        let keys = cluster
            .operator()
            .json(&["key", "list", "--user", name])
            .await;
        let (id, of_key) = (keys[0]["id"].to_string(), of_key.to_string());
        command(
            cluster,
            &["key", "set", "--id", &id, "--max-tasks", &of_key],
        )
        .await;
        users.push(user);
    }
    users
}

async fn command(cluster: &Cluster, arguments: &[&str]) {
    let done = cluster.operator().run(arguments).await;
    assert_eq!(done.code, 0, "`{}`: {}", arguments.join(" "), done.stderr);
}

async fn submit_until(user: &PatientClient, until: Instant) {
    let name = &user.client.name;
    let mut number = 0;
    while Instant::now() < until {
        let title = format!("user-{name} key-{name} Song {number}");
        user.submit_until_certain(&title).await;
        number += 1;
        sleep(SUBMIT_EVERY).await;
    }
}

/// Kills the victim again and again, and starts it again each time.
async fn kill_until(run: &Run, cluster: &Cluster, victim: Victim, until: Instant) {
    let mut kills = 0;
    let mut workers = cluster.workers.iter().cycle();
    while kills < 2 || Instant::now() + KILL_EVERY < until {
        sleep(KILL_EVERY).await;
        match victim {
            Victim::Worker => {
                let worker = workers.next().expect("the setup has workers");
                // Nobody else starts it meanwhile.
                let mut running = worker.take().await;
                running.kill().await;
                sleep(AWAY).await;
                worker.start(&mut running);
            }
            Victim::Database => {
                let mut postgres = cluster.servers().postgres.lock().await;
                postgres.kill().await;
                sleep(AWAY).await;
                postgres.run().await;
            }
            Victim::Broker => {
                let mut rabbitmq = cluster.servers().rabbitmq.lock().await;
                rabbitmq.kill().await;
                sleep(AWAY).await;
                rabbitmq.run().await;
            }
        }
        kills += 1;
    }
    run.fact("kills", kills);
}

/// Over both upstreams together, at any moment.
async fn nobody_was_above_a_limit(run: &Run, cluster: &Cluster) {
    let (mut all, mut limits): (Vec<Made>, _) = (Vec::new(), Vec::new());
    for channel in &cluster.channels {
        let name = &channel.upstream.name;
        let mut made = channel.upstream.made().await;
        for made in &mut made {
            made.owners.push(name.clone());
        }
        all.extend(made);
    }
    limits.push(("limited".to_owned(), LIMITED));
    for (name, of_user, of_key) in USERS {
        limits.extend([
            (format!("user-{name}"), of_user),
            (format!("key-{name}"), of_key),
        ]);
    }
    let mut most = BTreeMap::new();
    for (whose, limit) in limits.into_iter().filter(|(_, limit)| *limit > 0) {
        let made = all.iter().filter(|made| made.owners.contains(&whose));
        let at_once = most_at_once(made);
        if at_once > limit {
            run.violation(format!(
                "{whose} had {at_once} songs at once, and may have {limit}"
            ));
        }
        most.insert(whose, json!({"at_once": at_once, "limit": limit}));
    }
    run.fact("most_songs_at_once", most);
    let refused = cluster.channels[1].upstream.places().await.all.refused;
    run.fact("refused_by_the_learnt_channel", refused);
}

async fn nothing_counts_as_running(run: &Run, cluster: &Cluster) {
    let channels = cluster.operator().json(&["channel", "list"]).await;
    for channel in channels.as_array().expect("channels are a list") {
        if channel["running"] != 0 {
            run.violation(format!(
                "all tasks have ended, and at a channel some run: {channel}"
            ));
        }
    }
    let leaked = "SELECT coalesce(sum(abs(tasks)), 0)::BIGINT FROM running_tasks";
    assert_eq!(
        number(cluster, leaked).await,
        0,
        "places are taken for tasks that ended"
    );
}
