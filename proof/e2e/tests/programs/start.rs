//! What is printed, what must be configured, what is not there.

use e2e::{Kind, on, setup};
use harness::client::http;
use harness::cluster::Cluster;
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::operator::{Done, Operator};
use harness::process::Launch;
use harness::programs::Program;
use harness::servers::ServerUrls;
use harness::suite::test;
use libtest_mimic::Trial;

use crate::LIMIT;

/// What must never be printed.
const SECRET: &str = "hunter2";

pub fn tests() -> Vec<Trial> {
    vec![
        on(
            Kind::Separate,
            "every program says where it serves and is healthy there",
            setup(),
            healthy,
        ),
        on(
            Kind::OneProcess,
            "the program says where it serves and is healthy there",
            setup(),
            healthy,
        ),
        test(
            "a value that is not right stops the start by its name",
            LIMIT,
            wrong_values,
        ),
        test("all mistakes are told together", LIMIT, all_mistakes),
        test(
            "api and worker start with nothing less than database and broker",
            LIMIT,
            not_set,
        ),
        test(
            "a database or a broker that is not there stops the start",
            LIMIT,
            not_there,
        ),
    ]
}

async fn healthy(cluster: &Cluster) {
    let program = if cluster.is_one_process() {
        Program::TaskCenter
    } else {
        Program::Api
    };
    // One more on port 0: the program says which port it got.
    let (more, url) = cluster.process(program, "one-more").await;
    let port = url.strip_prefix("http://127.0.0.1:");
    let port = port.and_then(|port| port.parse().ok());
    assert!(port.is_some_and(|port: u16| port > 0), "{url}");
    more.stop(LIMIT).await;
    for node in cluster.nodes() {
        let url = &node.url;
        assert_eq!(node.take().await.process().url().await, *url);
        for path in ["healthz", "readyz", "metrics"] {
            let answer = http().get(format!("{url}/{path}")).send().await;
            let status = answer.expect("it answers").status();
            assert_eq!(status, 200, "{}: /{path}", node.name);
        }
    }
}

/// Runs a program that must not start.
async fn refused(program: Program, env: &[(&str, &str)]) -> Done {
    let folder = Folder::new();
    let mut launch = Launch::new(program, folder.path())
        .env("API_BIND", "127.0.0.1:0")
        .env("WORKER_BIND", "127.0.0.1:0");
    for (name, value) in env {
        launch = launch.env(name, *value);
    }
    let done = Operator(launch).run(&[]).await;
    assert_eq!(done.code, 1, "{}: {done:?}", program.name());
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(!said.contains("listening on"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    done
}

async fn wrong_values() {
    let secret = format!("mysql://user:{SECRET}@host/name");
    let relative = format!("ftp://user:{SECRET}@host");
    for (name, value, shown) in [
        ("API_BIND", "3000", true),
        ("WORKER_BIND", "localhost", true),
        ("TASK_TIMEOUT", "soon", true),
        ("POLL_INITIAL_DELAY", "5", true),
        ("SUBMIT_ATTEMPTS", "0", true),
        ("DATABASE_MAX_CONNECTIONS", "-1", true),
        ("QUEUE_PREFIX", "amq.task", true),
        ("LOG_FORMAT", "xml", true),
        ("CORS_ALLOWED_ORIGINS", "example", true),
        ("DATABASE_URL", &secret, false),
        ("AMQP_URL", &relative, false),
        ("SUNO_BASE_URL", &relative, false),
    ] {
        let said = refused(Program::TaskCenter, &[(name, value)]).await.stderr;
        assert!(said.contains(name), "{name} is not named: {said}");
        assert_eq!(said.contains(&format!("`{value}`")), shown, "{said}");
        assert!(said.contains("it takes"), "{said}");
    }
}

async fn all_mistakes() {
    for program in [Program::TaskCenter, Program::Api, Program::Worker] {
        let env = [
            ("API_BIND", "x"),
            ("TASK_TIMEOUT", "y"),
            ("TLS_KEY", "z.pem"),
        ];
        let said = refused(program, &env).await.stderr;
        for name in ["API_BIND", "TASK_TIMEOUT", "TLS_CERT"] {
            assert!(said.contains(name), "{}: {name}: {said}", program.name());
        }
    }
}

async fn not_set() {
    for program in [Program::Api, Program::Worker] {
        let said = refused(program, &[]).await.stderr;
        assert!(said.contains("DATABASE_URL is not set"), "{said}");
        assert!(said.contains("AMQP_URL is not set"), "{said}");
    }
}

async fn not_there() {
    let servers = ServerUrls::from_environment();
    let database = Database::create(&servers.postgres, "e2e").await;
    // Nobody listens on port 1.
    let nowhere = format!("postgres://user:{SECRET}@127.0.0.1:1/name");
    let silent = format!("amqp://user:{SECRET}@127.0.0.1:1/%2f");
    let prefix = format!("e2e_{}", unique());
    let amqp = servers.amqp.to_string();
    for program in [Program::Api, Program::Worker] {
        let env = [
            ("DATABASE_URL", nowhere.as_str()),
            ("AMQP_URL", &amqp),
            ("QUEUE_PREFIX", &prefix),
        ];
        told(&refused(program, &env).await, "DATABASE_URL");
        let url = database.url();
        let env = [("DATABASE_URL", url.as_str()), ("AMQP_URL", &silent)];
        told(&refused(program, &env).await, "AMQP_URL");
    }
    let env = [("DATABASE_URL", "sqlite:///proc/no/such.db")];
    told(&refused(Program::TaskCenter, &env).await, "DATABASE_URL");
    database.remove().await;
}

/// The variable is named where an operator looks: on stderr, as a line or in a log line.
fn told(done: &Done, name: &str) {
    let told = done.stderr.contains(name);
    assert!(told, "{name} is not named: {}", done.stderr);
}
