//! `channel …` and `price …`.

use serde_json::{Value, json};
use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::NewChannel;
use shared::task::Platform;

use crate::operator::{Ended, Operator};

const UP: &str = "channel create --name up --base-url https://u.example/v1/";

#[test]
fn a_channel_is_made_without_its_slash_and_never_shows_its_key() {
    let operator = Operator::new();
    let made = operator.json_text(&format!("{UP} --key hunter2 --priority -2 --weight 7"));
    assert_eq!(made, r#"{"id":1,"name":"up"}"#);
    operator.says("channel disable --name up");
    assert_eq!(
        operator.json_text("channel list"),
        r#"[{"id":1,"name":"up","platform":"suno","base_url":"https://u.example/v1","#.to_owned()
            + r#""enabled":false,"priority":-2,"weight":7,"used_quota":0,"idempotent":false,"#
            + r#""max_tasks":0,"submits_per_minute":0,"polls_per_second":null,"#
            + r#""actions":["song","lyrics"],"dialect":null,"limit":4,"running":0,"waiting":0,"#
            + r#""health":"closed","paused_until":null,"last_trouble":null}]"#
    );
    operator.says("channel enable --name up");
    let listed = operator.says("channel list");
    assert!(listed.contains("enabled"), "{listed}");
    assert!(!listed.contains("hunter2"), "{listed}");
}

#[test]
fn a_channel_speaks_a_dialect_of_its_platform() {
    let operator = Operator::new();
    operator.says(&format!("{UP} --key k --dialect kie"));
    let listed = operator.says("channel list");
    assert!(listed.contains("suno (kie)"), "{listed}");
    operator.says("channel set --name up --dialect sunoapi");
    assert_eq!(operator.json("channel list")[0]["dialect"], "sunoapi");
    operator.says("channel set --name up --dialect suno");
    assert_eq!(operator.json("channel list")[0]["dialect"], Value::Null);
    for refused in [
        "channel create --name b --base-url https://b.example --key k --dialect suna",
        "channel set --name up --dialect suna",
    ] {
        let why = operator.refused(refused);
        let expected =
            "`suna` is no dialect of the platform suno; there are `suno`, `sunoapi`, `kie`";
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn channels_that_do_not_exist_or_are_taken_are_refused_with_the_reason() {
    let operator = Operator::new();
    operator.says(UP);
    let taken = operator.refused(UP);
    assert_eq!(taken, "error: there is a channel named `up` already\n");
    let missing = operator.refused("channel disable --name x");
    let expected = "error: there is no channel named `x`; `channel list` shows all\n";
    assert_eq!(missing, expected);
}

#[test]
fn a_channel_is_made_idempotent_or_becomes_so() {
    let operator = Operator::new();
    let is_idempotent = || operator.json("channel list")[0]["idempotent"].clone();
    operator.says(&format!("{UP} --idempotent"));
    assert_eq!(is_idempotent(), true);
    for (flag, expected) in [("=false", false), ("", true), ("=true", true)] {
        operator.says(&format!("channel set --name up --idempotent{flag}"));
        assert_eq!(is_idempotent(), expected, "{flag}");
    }
    let missing = operator.refused("channel set --name x --idempotent");
    assert!(missing.contains("no channel named `x`"), "{missing}");
}

#[tokio::test]
async fn a_first_channel_says_that_the_simulator_gets_nothing_more() {
    let operator = Operator::new();
    operator.says("migrate");
    let url = "http://127.0.0.1:9".to_owned();
    let simulator = NewChannel {
        builtin: true,
        ..NewChannel::new("simulator", Platform::SUNO, url, Secret::new(""))
    };
    let store = operator.store().await;
    let made = store.create_channel(simulator, Millis(0)).await;
    assert!(made.is_ok_and(|id| id.is_some()));
    store.close().await;
    let text = operator.says(UP);
    let expected = "built-in simulator gets no new tasks";
    assert!(text.contains(expected), "{text}");
    assert_eq!(operator.json("channel list")[0]["enabled"], false);
}

#[test]
fn prices_start_as_the_contract_says_and_can_be_set() {
    let operator = Operator::new();
    let prices = || {
        let listed = operator.json("price list");
        let mut prices = listed.as_array().expect("a list").clone();
        prices.sort_by_key(|price| price["quota"].as_i64());
        prices
    };
    let lyrics = json!({"platform": "suno", "action": "lyrics", "quota": 5_000});
    let song = json!({"platform": "suno", "action": "song", "quota": 150_000});
    assert_eq!(prices(), [lyrics.clone(), song]);
    let set = operator.json_text("price set --platform suno --action song --quota 7000");
    assert_eq!(set, r#"{"platform":"suno","action":"song","quota":7000}"#);
    let song = json!({"platform": "suno", "action": "song", "quota": 7_000});
    assert_eq!(prices(), [lyrics, song]);
}

#[test]
fn a_channel_in_plain_text_on_another_machine_is_warned_of() {
    let operator = Operator::new();
    for (name, url, is_plain) in [
        ("a", "http://up.example", true),
        ("b", "https://up.example", false),
        ("c", "http://127.0.0.1:9", false),
    ] {
        let line = format!("channel create --name {name} --base-url {url}");
        let made = Ended::of(&mut operator.program(&line));
        assert_eq!(made.code, Some(0), "{}", made.err);
        assert_eq!(made.err.contains("in plain text"), is_plain, "{}", made.err);
    }
}
