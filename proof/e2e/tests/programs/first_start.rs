//! `task-center` with nothing configured.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use harness::client::Client;
use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::suite::test;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{LIMIT, SOON, until};

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "a first start prints credentials that work, and makes no more at the second",
            LIMIT,
            twice,
        ),
        test(
            "a first start that cannot listen loses nobody's credentials",
            LIMIT,
            port_taken,
        ),
        test(
            "the first real channel takes the simulator's place",
            LIMIT,
            first_channel,
        ),
        test(
            "on a public address nothing pretends to be an upstream unless it is told to",
            LIMIT,
            public,
        ),
    ]
}

async fn public() {
    for (arguments, users, channels) in [
        (&["serve"][..], vec!["admin"], 0),
        (&["serve", "--simulator"], vec!["admin", "demo"], 1),
    ] {
        let folder = Folder::new();
        let launch = launch(&folder).env("API_BIND", "0.0.0.0:0");
        let mut process = launch.clone().arguments(arguments).start("public");
        introduction(&mut process, &folder).await;
        let operator = Operator(launch);
        let listed = operator.json(&["user", "list"]).await;
        let listed = listed.as_array().expect("users are a list");
        let names: Vec<_> = listed.iter().map(|user| &user["name"]).collect();
        assert_eq!(names, users);
        let listed = operator.json(&["channel", "list"]).await;
        assert_eq!(listed.as_array().map(Vec::len), Some(channels), "{listed}");
        process.stop(SOON).await;
    }
}

fn launch(folder: &Folder) -> Launch {
    Launch::new(Program::TaskCenter, folder.path()).env("API_BIND", "127.0.0.1:0")
}

/// The file that the log names for the secrets of a first start.
fn secrets(folder: &Folder) -> PathBuf {
    folder.path().join("data/first-start-secrets.txt")
}

/// The secrets of a first start, once it serves and has said what it says of the simulator. Nobody reads along, so
/// neither what is printed nor the log holds a secret.
async fn introduction(process: &mut Process, folder: &Folder) -> String {
    let url = process.url().await;
    eventually(SOON, "the words on the simulator", async || {
        process.log().contains("simulator").then_some(())
    })
    .await;
    let printed = process.printed();
    assert!(
        printed.starts_with(&format!("listening on {url}\n")),
        "{printed}"
    );
    let words = fs::read_to_string(secrets(folder)).unwrap_or_default();
    for line in process.log().lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        // Tokens and keys are the longest words of the file.
        let mut long = words.split_whitespace().filter(|word| word.len() >= 32);
        let told = long.any(|word| line.to_string().contains(word) || printed.contains(word));
        assert!(!told, "{line}");
    }
    words
}

/// The word after `label` in the first line that holds both `line` and `label`.
fn word_after<'a>(words: &'a str, line: &str, label: &str) -> &'a str {
    let found = words
        .lines()
        .find(|text| text.contains(line) && text.contains(label));
    let found = found.unwrap_or_else(|| panic!("{line} {label} stands nowhere in:\n{words}"));
    let (_, rest) = found.split_once(label).unwrap_or_default();
    rest.split_whitespace().next().unwrap_or_default()
}

fn client(words: &str, name: &str, url: &str) -> Client {
    let id = word_after(words, name, "New-Api-User:").parse();
    let token = word_after(words, name, "access token:");
    let key = word_after(words, "API key", "API key:");
    Client::new(name, id.expect("an id is a number"), token, key, url)
}

async fn twice() {
    let folder = Folder::new();
    let mut first = launch(&folder).start("first");
    let words = introduction(&mut first, &folder).await;
    let mode = fs::metadata(secrets(&folder)).map(|file| file.permissions().mode() & 0o777);
    assert_eq!(mode.ok(), Some(0o600));
    until("the file of the secrets is named", async || {
        first.printed().contains("data/first-start-secrets.txt")
    })
    .await;
    fs::remove_file(secrets(&folder)).expect("it is there");
    assert!(words.contains("curl "), "a request to paste: {words}");
    let (demo, admin) = {
        let url = first.url().await;
        (client(&words, "demo", &url), client(&words, "admin", &url))
    };
    let id = demo.lyrics("a lullaby for a robot").await;
    assert_eq!(
        admin.page("/api/task/").await["items"][0]["username"],
        "demo"
    );
    eventually(SOON, "the simulator to take the task", async || {
        (demo.task(&id).await["status"] != "NOT_START").then_some(())
    })
    .await;
    assert!(folder.path().join("data/task-center.db").is_file());
    first.stop(SOON).await;

    let mut second = launch(&folder).start("second");
    let again = introduction(&mut second, &folder).await;
    assert_eq!(again, "", "secrets are shown once");
    let demo = demo.at(&second.url().await);
    assert_eq!(demo.page("/api/task/self").await["total"], 1);
    let operator = Operator(launch(&folder));
    let users = operator.json(&["user", "list"]).await;
    let users = users.as_array().expect("users are a list");
    let names: Vec<_> = users.iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["admin", "demo"]);
    // What the first process had is taken up by the second, at its new simulator: that one does not
    // know it, and the books still balance.
    assert_eq!(operator.json(&["audit"]).await["balanced"], true);
    second.stop(SOON).await;
}

async fn port_taken() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let done = Operator(launch(&folder).env("API_BIND", &address))
        .run(&[])
        .await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("API_BIND"), "{}", done.stderr);
    drop(taken);

    let mut next = launch(&folder).start("next");
    let words = introduction(&mut next, &folder).await;
    let demo = client(&words, "demo", &next.url().await);
    assert_eq!(demo.page("/api/task/self").await["total"], 0);
    next.stop(SOON).await;
}

async fn first_channel() {
    let folder = Folder::new();
    let mut process = launch(&folder).start("center");
    introduction(&mut process, &folder).await;
    let operator = Operator(launch(&folder));
    let create = "channel create --name real --base-url http://127.0.0.1:1";
    let create: Vec<&str> = create.split(' ').collect();
    operator.json(&create).await;
    let channels = operator.json(&["channel", "list"]).await;
    let channels = channels.as_array().expect("a list").iter();
    let enabled: Vec<_> = channels.filter(|one| one["enabled"] == true).collect();
    assert_eq!(enabled.len(), 1, "{enabled:?}");
    assert_eq!(enabled[0]["name"], json!("real"));
    process.stop(SOON).await;

    let mut again = launch(&folder).start("again");
    again.url().await;
    again.stop(SOON).await;
    let channels = operator.json(&["channel", "list"]).await;
    let mut listed = channels.as_array().expect("a list").iter();
    let simulator = listed.find(|one| one["name"] != "real");
    let simulator = simulator.expect("it is kept");
    assert_eq!(simulator["enabled"], false, "{channels}");
}
