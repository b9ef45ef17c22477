//! What is printed, what must be configured, what is not there.

use e2e::{Kind, on, setup};
use harness::client::{http, readiness};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::operator::{Done, Operator};
use harness::process::Launch;
use harness::programs::Program;
use harness::proxy::Proxy;
use harness::servers::ServerUrls;
use harness::suite::test;
use harness::wait::eventually;
use libtest_mimic::Trial;
use reqwest::Url;
use serde_json::{Value, json};

use crate::{LIMIT, status, until};

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
            "a program that starts before its servers serves, says so, and waits for them",
            LIMIT,
            waits,
        ),
        test("what waiting does not mend ends a start", LIMIT, hopeless),
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
        let what = format!("{} to be ready", node.name);
        until(&what, async || status(url, "readyz").await == Some(200)).await;
        for path in ["healthz", "metrics"] {
            assert_eq!(status(url, path).await, Some(200), "{}: /{path}", node.name);
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

/// The status and the body of `/readyz` of a process that answers.
async fn ready(url: &str) -> (u16, Value) {
    readiness(&http(), url).await.expect("it answers")
}

async fn waits() {
    let servers = ServerUrls::from_environment();
    let database = Database::create(&servers.postgres, "e2e").await;
    for program in [Program::Api, Program::Worker] {
        let options = database.options();
        let address = format!("{}:{}", options.get_host(), options.get_port());
        let postgres = Proxy::to(address).await;
        let mut amqp = servers.amqp.clone();
        let address = format!(
            "{}:{}",
            amqp.host_str().expect("it has a host"),
            amqp.port().unwrap_or(5672)
        );
        let rabbitmq = Proxy::to(address).await;
        let port = rabbitmq.address();
        let port = port.rsplit(':').next().and_then(|port| port.parse().ok());
        amqp.set_host(Some("127.0.0.1")).expect("it is a host");
        amqp.set_port(port).expect("it is a port");
        postgres.cut();
        rabbitmq.cut();

        let folder = Folder::new();
        let mut process = Launch::new(program, folder.path())
            .env("API_BIND", "127.0.0.1:0")
            .env("WORKER_BIND", "127.0.0.1:0")
            .env("QUEUE_PREFIX", format!("e2e_{}", unique()))
            .env("DATABASE_URL", database.url_through(&postgres.address()))
            .env("AMQP_URL", amqp.to_string())
            .start("early");
        let url = process.url().await;
        let alive = http().get(format!("{url}/healthz")).send().await;
        assert_eq!(alive.expect("it answers").status(), 200);
        until("the database to be unreachable", async || {
            let (status, state) = ready(&url).await;
            assert_eq!(status, 503, "{state}");
            state["database"] == "unreachable"
        })
        .await;
        if program == Program::Api {
            let list = http().get(format!("{url}/api/task/self"));
            let list = list.bearer_auth("x").header("New-Api-User", "1");
            let answer = list.send().await.expect("it answers");
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
        }
        let told = async || process.log().contains("waiting for the database");
        until("the log to say so", told).await;

        postgres.mend();
        let mut expected = json!({"database": "ok", "broker": "unreachable", "clock": "ok"});
        let mut without_broker = 200;
        if program == Program::Worker {
            expected["local"] = json!("ok");
            without_broker = 503;
        }
        eventually(LIMIT, "the database", async || {
            let (status, state) = ready(&url).await;
            (status == without_broker && state == expected).then_some(())
        })
        .await;
        rabbitmq.mend();
        eventually(LIMIT, "readiness", async || {
            let (status, state) = ready(&url).await;
            (status == 200 && state["broker"] == "ok").then_some(())
        })
        .await;
        process.stop(LIMIT).await;
    }
    database.remove().await;
}

async fn hopeless() {
    let servers = ServerUrls::from_environment();
    let database = Database::create(&servers.postgres, "e2e").await;
    let good = database.url();
    let amqp = servers.amqp.to_string();
    let mut nobody = Url::parse(&good).expect("it is a URL");
    nobody.set_username("nobody").expect("it takes a user");
    nobody
        .set_password(Some(SECRET))
        .expect("it takes a password");
    let mut elsewhere = nobody.clone();
    elsewhere
        .set_username(servers.postgres.get_username())
        .expect("it takes a user");
    elsewhere.set_path("/no_such_database");
    let mut stranger = servers.amqp.clone();
    stranger.set_username("nobody").expect("it takes a user");
    stranger
        .set_password(Some(SECRET))
        .expect("it takes a password");
    for program in [Program::Api, Program::Worker] {
        let prefix = format!("e2e_{}", unique());
        for url in [nobody.as_str(), elsewhere.as_str()] {
            let env = [
                ("DATABASE_URL", url),
                ("AMQP_URL", &amqp),
                ("QUEUE_PREFIX", &prefix),
            ];
            told(&refused(program, &env).await, "DATABASE_URL");
        }
        let env = [
            ("DATABASE_URL", good.as_str()),
            ("AMQP_URL", stranger.as_str()),
            ("QUEUE_PREFIX", &prefix),
        ];
        told(&refused(program, &env).await, "AMQP_URL");
    }
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'of a newer program', true, '', 0)";
    database.execute(newer).await;
    let env = [("DATABASE_URL", good.as_str()), ("AMQP_URL", &amqp)];
    told(
        &refused(Program::Api, &env).await,
        "newer than this program",
    );
    let env = [("DATABASE_URL", "sqlite:///proc/no/such.db")];
    told(&refused(Program::TaskCenter, &env).await, "DATABASE_URL");
    database.remove().await;
}

/// The variable is named where an operator looks: on stderr, as a line or in a log line.
fn told(done: &Done, name: &str) {
    let told = done.stderr.contains(name);
    assert!(told, "{name} is not named: {}", done.stderr);
}
