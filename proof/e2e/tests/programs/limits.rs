//! Clients that send too much, at a program with its own clock.

use std::time::Duration;

use harness::client::{Client, raw_post};
use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::suite::test;
use libtest_mimic::Trial;
use reqwest::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::{LIMIT, until};

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "a key above API_RATE_LIMIT gets 429 until it has waited, and another rate at once when it is set",
            LIMIT,
            rate,
        ),
        test(
            "failed sign-ins count by the address that a trusted proxy names",
            LIMIT,
            sign_ins,
        ),
        test(
            "one key with slow requests on all connections it can get leaves others theirs",
            LIMIT,
            at_once,
        ),
    ]
}

/// A running `task-center` with the users Ann and Bob, and its command line.
struct Center {
    process: Process,
    operator: Operator,
    ann: Client,
    bob: Client,
    _folder: Folder,
}

impl Center {
    async fn start(env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let launch = Launch::new(Program::TaskCenter, folder.path());
        let launch = launch.env("API_BIND", "127.0.0.1:0");
        let launch = env
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, *value));
        let operator = Operator(launch.clone());
        operator.json(&["migrate"]).await;
        let mut process = launch.start("center");
        let url = process.url().await;
        let user = async |name: &str| {
            let create = ["user", "create", "--name", name, "--quota", "100000000"];
            let user = operator.json(&create).await;
            let create = ["key", "create", "--user", name, "--label", "first"];
            let key = operator.json(&create).await;
            let text = |text: &serde_json::Value| text.as_str().unwrap_or_default().to_owned();
            let (token, key) = (text(&user["access_token"]), text(&key["key"]));
            let id = user["id"].as_i64().expect("an id is a number");
            Client::new(name, id, &token, &key, &url)
        };
        let (ann, bob) = (user("ann").await, user("bob").await);
        Self {
            process,
            operator,
            ann,
            bob,
            _folder: folder,
        }
    }
}

async fn fetch(client: &Client, key: &str, forwarded: &str) -> Response {
    let request = client.http.get(format!("{}/suno/fetch/x", client.url));
    let request = request
        .bearer_auth(key)
        .header("X-Forwarded-For", forwarded);
    request.send().await.expect("the API answers")
}

/// Sends so many fetches one after the other; returns how many got 429, and the longest `Retry-After`.
async fn fetches(client: &Client, times: usize) -> (usize, u64) {
    let (mut refused, mut wait) = (0, 0);
    for _ in 0..times {
        let answer = fetch(client, &client.key, "198.51.100.1").await;
        if answer.status() == 429 {
            refused += 1;
            let seconds = answer.headers()["retry-after"].to_str();
            let seconds: Option<u64> = seconds.ok().and_then(|text| text.parse().ok());
            let seconds = seconds.filter(|seconds| *seconds >= 1);
            wait = seconds.expect("whole seconds").max(wait);
        } else {
            assert_eq!(answer.status(), 400);
        }
    }
    (refused, wait)
}

async fn rate() {
    let center = Center::start(&[("API_RATE_LIMIT", "2")]).await;
    let (refused, wait) = fetches(&center.ann, 60).await;
    // 20, and those of the seconds that it took.
    assert!((20..=40).contains(&refused), "{refused}");
    assert_eq!(fetches(&center.bob, 10).await.0, 0);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(fetches(&center.ann, 1).await.0, 0);
    let keys = ["key", "list", "--user", "ann"];
    let id = center.operator.json(&keys).await[0]["id"].to_string();
    let set = ["key", "set", "--id", &id, "--rate", "0"];
    assert_eq!(center.operator.json(&set).await["rate"], 0);
    assert_eq!(fetches(&center.ann, 100).await.0, 0);
    center.process.stop(LIMIT).await;
}

async fn sign_ins() {
    let center = Center::start(&[("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]).await;
    let failed = async |forwarded: &str| {
        let answer = fetch(&center.ann, "sk-wrong", forwarded).await;
        answer.status().as_u16()
    };
    let mut statuses = Vec::new();
    for n in 0..30 {
        let forged = format!("198.51.100.{n}, 203.0.113.5, 10.1.1.1");
        statuses.push(failed(&forged).await);
    }
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!((8..=10).contains(&refused), "{statuses:?}");
    assert_eq!(failed("203.0.113.6").await, 401);
    let good = fetch(&center.ann, &center.ann.key, "203.0.113.5").await;
    assert_eq!(good.status(), 400);
    center.process.stop(LIMIT).await;
}

async fn at_once() {
    // One connection to write and two to read: 40 requests of one key at once.
    let center = Center::start(&[("DATABASE_MAX_CONNECTIONS", "2")]).await;
    let address = center.ann.url.replace("http://", "");
    let whole = raw_post(
        "/suno/submit/music",
        &center.ann.key,
        None,
        r#"{"prompt":"p"}"#,
    );
    let half = &whole[..whole.len() - 1];
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(&address).await.expect("it listens");
        stream.write_all(half.as_bytes()).await.expect("it is sent");
        held.push(stream);
    }
    until("one more is too many", async || {
        fetch(&center.ann, &center.ann.key, "").await.status() == 429
    })
    .await;
    for _ in 0..20 {
        center.bob.song("Others go on").await;
    }
    drop(held);
    until("the places are free", async || {
        fetch(&center.ann, &center.ann.key, "").await.status() == 400
    })
    .await;
    center.process.stop(LIMIT).await;
}
