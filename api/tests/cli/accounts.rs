//! `user …` and `key …`.

use serde_json::{Value, json};
use shared::secret::Secret;
use shared::task::UserId;

use crate::operator::{Ended, Operator};

#[test]
fn a_user_is_made_listed_granted_disabled_and_gets_a_new_token() {
    let operator = Operator::new();
    let made = operator.json("user create --name 小明 --quota 500");
    let token = made["access_token"].as_str().expect("a token is printed");
    assert_eq!(token.len(), 32);
    let expected = json!({"id": 1, "name": "小明", "access_token": token});
    assert_eq!(made, expected);
    let granted = operator.json_text("user grant --name 小明 --quota 25");
    assert_eq!(granted, r#"{"name":"小明","quota":525}"#);
    operator.says("user create --name root --role admin");
    operator.says("user disable --name root");
    assert_eq!(
        operator.json_text("user list"),
        r#"[{"id":1,"name":"小明","role":"user","enabled":true,"quota":525,"used_quota":0,"#
            .to_owned()
            + r#""max_tasks":0,"max_waiting":0},"#
            + r#"{"id":2,"name":"root","role":"admin","enabled":false,"quota":0,"used_quota":0,"#
            + r#""max_tasks":0,"max_waiting":0}]"#
    );
    let rotated = operator.json("user rotate-token --name 小明");
    assert_eq!(
        (&rotated["id"], &rotated["name"]),
        (&made["id"], &made["name"])
    );
    assert_ne!(rotated["access_token"], token);
}

#[test]
fn a_key_is_made_listed_disabled_and_enabled() {
    let operator = Operator::new();
    operator.says("user create --name a");
    let first = operator.json("key create --user a --label phone");
    let key = first["key"].as_str().expect("the key is printed");
    assert!(key.starts_with("sk-") && key.len() == 51, "{key}");
    operator.says("key create --user a --label tv --quota 9 --expires 2100-03-01");
    operator.says("key disable --id 2");
    assert_eq!(
        operator.json_text("key list --user a"),
        r#"[{"id":1,"label":"phone","enabled":true,"quota":null,"used_quota":0,"expires_at":null,"#
            .to_owned()
            + r#""max_tasks":0,"rate":null},"#
            + r#"{"id":2,"label":"tv","enabled":false,"quota":9,"used_quota":0,"#
            + r#""expires_at":"2100-03-01T00:00:00.000Z","max_tasks":0,"rate":null}]"#
    );
    operator.says("key enable --id 2");
    assert_eq!(operator.json("key list --user a")[1]["enabled"], true);
}

#[test]
fn when_a_key_expires_is_printed_and_a_time_in_the_past_makes_no_key() {
    let operator = Operator::new();
    operator.says("user create --name a");
    let refused = operator.refused("key create --user a --label old --expires 2020-01-01");
    let reason =
        "error: --expires names a time in the past: 2020-01-01T00:00:00.000Z, and now it is ";
    assert!(refused.starts_with(reason), "{refused}");
    assert!(refused.ends_with("; no key was made\n"), "{refused}");
    let made = operator.says("key create --user a --label b --expires 2100-03-01T20:00:00+08:00");
    let moment = "2100-03-01T12:00:00.000Z";
    assert!(made.contains(&format!("\n  expires  {moment}\n")), "{made}");
    operator.says("key create --user a --label c");
    let listed = operator.says("key list --user a");
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[1].contains(moment), "{listed}");
    assert!(lines[2].contains("never"), "{listed}");
    assert_eq!(lines.len(), 3, "{listed}");
}

#[test]
fn what_is_printed_once_has_its_keys_in_the_order_of_the_contract() {
    let operator = Operator::new();
    let user = operator.json_text("user create --name a");
    let expected = r#"{"id":1,"name":"a","access_token":""#;
    assert!(user.starts_with(expected), "{user}");
    let key = operator.json_text("key create --user a --label b");
    assert!(key.starts_with(r#"{"id":1,"key":"sk-"#), "{key}");
}

#[test]
fn people_read_the_same_in_tables() {
    let operator = Operator::new();
    let listed = operator.says("user list");
    assert!(listed.starts_with("There are no users yet"), "{listed}");
    operator.says("user create --name a --quota 500");
    assert_eq!(
        operator.says("user list"),
        "ID  NAME  ROLE  STATE    QUOTA  USED  MAX TASKS  MAX WAITING\n\
         1   a     user  enabled  500    0     no limit   no limit\n"
    );
    let made = operator.says("key create --user a --label b");
    assert!(made.contains("\n  key      sk-"), "{made}");
    let listed = operator.says("key list --user a");
    assert!(listed.contains("no limit"), "{listed}");
    assert!(!listed.contains("sk-"), "{listed}");
}

#[tokio::test]
async fn a_printed_secret_opens_and_a_replaced_one_does_not() {
    let operator = Operator::new();
    let secret = |json: &Value, field: &str| Secret::new(json[field].as_str().unwrap_or_default());
    let made = operator.json("user create --name a");
    let rotated = operator.json("user rotate-token --name a");
    let key = operator.json("key create --user a --label b");
    let store = operator.store().await;
    let owner = async |token: Secret| {
        let user = store.user_by_token(token.digest()).await;
        user.expect("the database answers").map(|user| user.id)
    };
    assert_eq!(owner(secret(&made, "access_token")).await, None);
    let rotated = secret(&rotated, "access_token");
    assert_eq!(owner(rotated).await, Some(UserId(1)));
    let holder = store.key_holder(secret(&key, "key").digest()).await;
    let holder = holder.expect("the database answers");
    assert_eq!(holder.map(|holder| holder.user.id), Some(UserId(1)));
    store.close().await;
}

#[test]
fn users_and_keys_that_do_not_exist_or_are_taken_are_refused_with_the_reason() {
    let operator = Operator::new();
    operator.says("user create --name a");
    let taken = "error: there is a user named `a` already\n";
    let no_key = "error: there is no key with the id 9; `key list --user NAME` shows a user's\n";
    let no_user = "error: there is no user named `x`; `user list` shows all\n";
    for (line, reason) in [
        ("user create --name a", taken),
        ("user enable --name x", no_user),
        ("user grant --name x --quota 1", no_user),
        ("user rotate-token --name x", no_user),
        ("key create --user x --label l", no_user),
        ("key list --user x", no_user),
        ("key disable --id 9", no_key),
        ("key set --id 9 --rate 1", no_key),
        ("user set --name x --max-tasks 1", no_user),
    ] {
        assert_eq!(operator.refused(line), reason, "{line}");
    }
}

#[test]
fn a_grant_that_passes_the_most_there_can_be_gives_nothing() {
    let operator = Operator::new();
    operator.says("user create --name a --quota 1");
    let text = operator.refused("user grant --name a --quota 9007199254740991");
    assert!(text.contains("is too much"), "{text}");
    assert!(text.contains("nothing was granted"), "{text}");
    assert_eq!(operator.json("user list")[0]["quota"], 1);
}

#[test]
fn a_name_that_looks_like_another_is_made_and_warned_of() {
    let operator = Operator::new();
    let url = "--base-url https://u.example";
    for (first, second, words) in [
        (
            "user create --name alice".to_owned(),
            "user create --name аlice".to_owned(),
            "the user `аlice` looks like the user `alice`",
        ),
        (
            "key create --user alice --label main".to_owned(),
            "key create --user alice --label Main".to_owned(),
            "the key `Main` looks like the key `main`",
        ),
        (
            format!("channel create --name up1 {url}"),
            format!("channel create --name upl {url}"),
            "the channel `upl` looks like the channel `up1`",
        ),
    ] {
        let made = Ended::of(&mut operator.program(&first));
        assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{first}");
        let made = Ended::of(&mut operator.program(&second));
        assert_eq!(made.code, Some(0), "{}", made.err);
        assert!(made.err.contains(words), "{}", made.err);
    }
}

#[test]
fn limits_of_a_user_are_set_one_by_one_or_together_and_listed() {
    let operator = Operator::new();
    operator.says("user create --name a");
    operator.says("user create --name b");
    let set = operator.json_text("user set --name a --max-waiting 7");
    assert_eq!(
        set,
        r#"{"id":1,"name":"a","role":"user","enabled":true,"quota":0,"used_quota":0,"#.to_owned()
            + r#""max_tasks":0,"max_waiting":7}"#
    );
    let said = operator.says("user set --name a --max-tasks 3");
    let expected = "The limits of `a` are now:\n  max tasks    3\n  max waiting  7\n";
    assert_eq!(said, expected);
    let limits = |nth: usize| {
        let users = operator.json("user list");
        json!([users[nth]["max_tasks"], users[nth]["max_waiting"]])
    };
    assert_eq!((limits(0), limits(1)), (json!([3, 7]), json!([0, 0])));
    operator.says("user set --name a --max-tasks 0 --max-waiting 0");
    assert_eq!(limits(0), json!([0, 0]));
}

#[test]
fn limits_of_a_key_are_set_one_by_one_or_together_and_listed() {
    let operator = Operator::new();
    operator.says("user create --name a");
    operator.says("key create --user a --label b");
    let set = operator.json_text("key set --id 1 --rate 5");
    assert_eq!(
        set,
        r#"{"id":1,"label":"b","enabled":true,"quota":null,"used_quota":0,"expires_at":null,"#
            .to_owned()
            + r#""max_tasks":0,"rate":5}"#
    );
    let line = "key set --id 1 --quota 9 --expires 2100-03-01 --max-tasks 4";
    let said = operator.says(line);
    let expected = "The limits of the key 1 are now:\n  quota left  9\n  \
                    expires     2100-03-01T00:00:00.000Z\n  max tasks   4\n  rate        5\n";
    assert_eq!(said, expected);
    let listed = || operator.json("key list --user a")[0].clone();
    let key = listed();
    assert_eq!(
        json!([
            key["quota"],
            key["expires_at"],
            key["max_tasks"],
            key["rate"]
        ]),
        json!([9, "2100-03-01T00:00:00.000Z", 4, 5])
    );
    operator.says("key set --id 1 --rate 0");
    assert_eq!(listed()["rate"], 0);
    operator.says("key set --id 1 --rate default --quota none --expires never --max-tasks 0");
    let key = listed();
    assert_eq!(
        json!([
            key["quota"],
            key["expires_at"],
            key["max_tasks"],
            key["rate"]
        ]),
        json!([null, null, 0, null])
    );
}

#[test]
fn a_time_in_the_past_changes_no_key() {
    let operator = Operator::new();
    operator.says("user create --name a");
    operator.says("key create --user a --label b");
    let refused = operator.refused("key set --id 1 --expires 2020-01-01 --rate 5");
    assert!(refused.contains("names a time in the past"), "{refused}");
    assert!(refused.contains("nothing was changed"), "{refused}");
    let key = operator.json("key list --user a")[0].clone();
    assert_eq!(
        (&key["expires_at"], &key["rate"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_set_of_nothing_is_wrong_usage() {
    let operator = Operator::new();
    for (line, option) in [
        ("key set --id 1", "--rate"),
        ("user set --name a", "--max-waiting"),
    ] {
        let ended = Ended::of(&mut operator.program(line));
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{line}");
        assert!(ended.err.contains(option), "{}", ended.err);
    }
}
