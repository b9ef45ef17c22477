//! `channel set`, `test`, `pause`, `resume`, `delete`, and keys that do not stand on the command line.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};

use crate::operator::{Ended, Operator};

const UP: &str = "channel create --name up --base-url https://u.example/v1";

impl Operator {
    /// The one channel.
    fn channel(&self) -> Value {
        let listed = self.json("channel list");
        let channels = listed.as_array().expect("it is a list");
        assert_eq!(channels.len(), 1, "{listed}");
        channels[0].clone()
    }

    /// The key of the one channel.
    fn key(&self) -> String {
        let runtime = tokio::runtime::Runtime::new().expect("it starts");
        runtime.block_on(async {
            let store = self.store().await;
            let channels = store.channels().await.expect("it reads");
            store.close().await;
            channels[0].key.expose().to_owned()
        })
    }
}

#[test]
fn a_channel_is_made_with_its_limits_and_actions() {
    let operator = Operator::new();
    operator.says(&format!(
        "{UP} --max-tasks 5 --submits-per-minute 60 --polls-per-second 0 --actions lyrics"
    ));
    let channel = operator.channel();
    for (field, expected) in [
        ("max_tasks", json!(5)),
        ("limit", json!(5)),
        ("submits_per_minute", json!(60)),
        ("polls_per_second", json!(0)),
        ("actions", json!(["lyrics"])),
    ] {
        assert_eq!(channel[field], expected, "{field}: {channel}");
    }
}

#[test]
fn everything_that_can_be_set_of_a_channel_is_set_at_once() {
    let operator = Operator::new();
    operator.says(UP);
    let set = "channel set --name up --rename down --base-url https://d.example/ --priority -3 --weight 9 \
               --max-tasks 4 --submits-per-minute 30 --polls-per-second 2 --actions song --idempotent --key K";
    let said = operator.json(set);
    assert_eq!(said["name"], "down");
    let changed = said["changed"].as_array().expect("it is a list");
    assert_eq!(changed.len(), 10, "{said}");
    let channel = operator.channel();
    for (field, expected) in [
        ("name", json!("down")),
        ("base_url", json!("https://d.example")),
        ("priority", json!(-3)),
        ("weight", json!(9)),
        ("max_tasks", json!(4)),
        ("submits_per_minute", json!(30)),
        ("polls_per_second", json!(2)),
        ("actions", json!(["song"])),
        ("idempotent", json!(true)),
    ] {
        assert_eq!(channel[field], expected, "{field}: {channel}");
    }
    assert_eq!(operator.key(), "K");
    operator.says("channel set --name down --polls-per-second default --actions default");
    let channel = operator.channel();
    assert_eq!(channel["polls_per_second"], Value::Null);
    assert_eq!(channel["actions"], json!(["song", "lyrics"]));
    assert_eq!(channel["weight"], 9, "what is not named stays");
}

#[test]
fn a_change_that_cannot_be_made_is_refused_with_the_reason() {
    let operator = Operator::new();
    operator.says(UP);
    operator.says("channel create --name other --base-url https://o.example");
    let taken = operator.refused("channel set --name up --rename other --weight 7");
    assert_eq!(taken, "error: there is a channel named `other` already\n");
    assert_eq!(operator.json("channel list")[0]["weight"], 1);
    for line in [
        "channel set --name x --weight 2",
        "channel test --name x",
        "channel pause --name x",
        "channel resume --name x",
        "channel delete --name x",
    ] {
        let missing = operator.refused(line);
        assert!(
            missing.contains("no channel named `x`"),
            "{line}: {missing}"
        );
    }
    let nothing = Ended::of(&mut operator.program("channel set --name up"));
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("--base-url"), "{}", nothing.err);
}

#[test]
fn a_key_comes_from_stdin_or_a_file() {
    let operator = Operator::new();
    let made = operator.told(&format!("{UP} --key -"), "hunter2\n");
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    assert_eq!(operator.key(), "hunter2");
    fs::write(operator.folder.path().join("key"), "hunter3\r\n").expect("it is written");
    operator.says("channel set --name up --key-file key");
    assert_eq!(operator.key(), "hunter3");
    for (text, expected) in [
        (" \n", "stdin holds no key"),
        ("hunter 4\n", "what is no key (not shown)"),
    ] {
        let reason = operator
            .told("channel set --name up --key -", text)
            .refusal();
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("hunter"), "{reason}");
    }
    let reason = operator.refused("channel set --name up --key-file nowhere");
    assert!(
        reason.contains("--key-file nowhere: the key cannot be read"),
        "{reason}"
    );
    assert_eq!(operator.key(), "hunter3");
}

#[test]
fn a_channel_is_paused_for_a_time_or_until_it_is_resumed() {
    let operator = Operator::new();
    operator.says(UP);
    let now = || SystemClock.now().0;
    let before = now();
    let paused = operator.json("channel pause --name up --for 30m");
    let until = paused["paused_until"].as_i64().expect("a time");
    let half_hour = 30 * 60 * 1000;
    assert!((before + half_hour..=now() + half_hour).contains(&until));
    assert_eq!(operator.channel()["paused_until"], until);
    assert!(operator.says("channel list").contains("paused until 2"));
    operator.says("channel pause --name up");
    assert!(operator.channel()["paused_until"].as_i64() > Some(until));
    assert!(operator.says("channel list").contains("  paused  "));
    assert_eq!(operator.channel()["enabled"], true);
    operator.says("channel resume --name up");
    assert_eq!(operator.channel()["paused_until"], Value::Null);
}

#[test]
fn a_deleted_channel_is_gone_and_its_name_is_free() {
    let operator = Operator::new();
    operator.says(UP);
    let deleted = operator.json("channel delete --name up");
    assert_eq!(deleted, json!({"name": "up", "deleted": true}));
    assert_eq!(operator.json("channel list"), json!([]));
    for line in [
        "enable --name up",
        "set --name up --weight 2",
        "delete --name up",
    ] {
        let missing = operator.refused(&format!("channel {line}"));
        assert!(missing.contains("no channel named `up`"), "{missing}");
    }
    operator.says(UP);
    assert_eq!(operator.channel()["id"], 2);
    assert_eq!(operator.json("audit")["balanced"], true);
}

#[test]
fn a_test_says_whether_the_address_and_the_key_work() {
    let operator = Operator::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    operator.says(&format!(
        "channel create --name up --base-url {url} --key hunter2"
    ));
    let answer = |status: &'static str, body: &'static str| {
        let listener = listener.try_clone().expect("it is cloned");
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("it is called");
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).expect("it reads");
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).expect("it is written");
            String::from_utf8_lossy(&request[..read]).into_owned()
        })
    };
    let called = answer("200 OK", r#"{"code":"success","data":[]}"#);
    let tested = operator.json("channel test --name up");
    assert_eq!(tested["ok"], true);
    let what = tested["what"].as_str().expect("it is a text");
    assert!(what.starts_with("it answered in "), "{what}");
    let request = called.join().expect("it is called");
    assert!(request.starts_with("POST /suno/fetch "), "{request}");
    assert!(request.contains("Bearer hunter2"), "{request}");

    for (status, body, expected) in [
        (
            "401 No",
            r#"{"message":"no key hunter2"}"#,
            "it refuses the key (401)",
        ),
        ("200 OK", "<html></html>", "a web page instead of JSON"),
        (
            "404 No",
            "{}",
            "it has no such path (404): check the path of the base URL",
        ),
    ] {
        let called = answer(status, body);
        let ended = Ended::of(&mut operator.program("channel test --name up --json"));
        called.join().expect("it is called");
        assert_eq!(ended.code, Some(1));
        let tested: Value = serde_json::from_str(&ended.out).expect("it is JSON");
        assert_eq!(tested["ok"], false);
        let what = tested["what"].as_str().expect("it is a text");
        assert!(what.contains(expected), "{what}");
        assert!(ended.err.contains("`up` does not work"), "{}", ended.err);
        assert!(!(ended.out + &ended.err).contains("hunter2"), "{what}");
    }
    drop(listener);
    let ended = Ended::of(&mut operator.program("channel test --name up"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("nothing listens there"), "{}", ended.out);
}
