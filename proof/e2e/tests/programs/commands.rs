//! The command line: exit codes, and what `--json` prints.

use harness::database::Database;
use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::Launch;
use harness::programs::Program;
use harness::servers::ServerUrls;
use harness::suite::test;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::LIMIT;

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "wrong usage is exit code 2, a refusal is 1, and both say why",
            LIMIT,
            exit_codes,
        ),
        test(
            "books that do not balance are exit code 1",
            LIMIT,
            unbalanced,
        ),
        test(
            "every command prints the JSON that scripts rely on",
            LIMIT,
            shapes,
        ),
    ]
}

async fn exit_codes() {
    let folder = Folder::new();
    let operator = Operator(Launch::new(Program::TaskCenter, folder.path()));
    let run = async |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        operator.run(&words).await
    };
    for command in [
        "dance",
        "user",
        "user create",
        "user create --name a --quota -1",
        "user create --name a --role king",
        "key enable --id x",
        "channel create --name c --base-url nowhere",
        "price set --platform suno --action dance --quota 1",
        "audit --loud",
    ] {
        let done = run(command).await;
        assert_eq!(done.code, 2, "{command:?}: {done:?}");
        let only_complains = done.stdout.is_empty() && !done.stderr.is_empty();
        assert!(only_complains, "{command:?}: {done:?}");
    }
    let early = run("user create --name ann").await;
    assert_eq!(early.code, 1, "there is no database: {early:?}");
    assert_eq!(run("migrate").await.code, 0);
    assert_eq!(run("user create --name ann").await.code, 0);
    for command in [
        "user create --name ann",
        "user grant --name nobody --quota 1",
        "user disable --name nobody",
        "user rotate-token --name nobody",
        "key create --user nobody --label x",
        "key list --user nobody",
        "key disable --id 99",
        "channel enable --name nobody",
        "task show task_abcdefghijklmnopqrstuvwxyz012345",
    ] {
        for json in ["", " --json"] {
            let done = run(&format!("{command}{json}")).await;
            assert_eq!(done.code, 1, "{command:?}: {done:?}");
            let only_complains = done.stdout.is_empty() && !done.stderr.is_empty();
            assert!(only_complains, "{command:?}: {done:?}");
        }
    }
    for command in ["--help", "--version", "user --help", "migrate", "audit"] {
        let done = run(command).await;
        assert_eq!(done.code, 0, "{command:?}: {done:?}");
        assert!(!done.stdout.is_empty(), "{command:?}");
    }
}

/// The books are broken behind everybody's back.
async fn unbalanced() {
    let folder = Folder::new();
    let database = Database::create(&ServerUrls::from_environment().postgres, "e2e").await;
    let launch = Launch::new(Program::Api, folder.path()).env("DATABASE_URL", database.url());
    let operator = Operator(launch);
    operator.json(&["migrate"]).await;
    operator
        .json(&["user", "create", "--name", "ann", "--quota", "500"])
        .await;
    assert_eq!(operator.run(&["audit"]).await.code, 0);

    database.execute("UPDATE users SET quota = quota + 1").await;
    let done = operator.run(&["audit", "--json"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let audit: Value = serde_json::from_str(&done.stdout).expect("it is JSON");
    assert_eq!(audit["balanced"], false);
    assert_eq!(audit["breaks"].as_array().map(Vec::len), Some(1), "{audit}");
    let done = operator.run(&["audit"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("501"), "{done:?}");
    database.remove().await;
}

/// `api` and `task-center` answer alike.
async fn shapes() {
    let folder = Folder::new();
    let database = Database::create(&ServerUrls::from_environment().postgres, "e2e").await;
    let api = Launch::new(Program::Api, folder.path()).env("DATABASE_URL", database.url());
    let center = Launch::new(Program::TaskCenter, folder.path());
    tokio::join!(shapes_of(Operator(api)), shapes_of(Operator(center)));
    database.remove().await;
}

async fn shapes_of(operator: Operator) {
    operator.json(&["migrate"]).await;
    let run = async |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        operator.json(&words).await
    };
    let user = run("user create --name ann --role user --quota 700").await;
    let token = user["access_token"].as_str().expect("a token is a text");
    assert!(token.len() >= 32, "{token}");
    assert_eq!(user, json!({"id": 1, "name": "ann", "access_token": token}));
    let rotated = run("user rotate-token --name ann").await;
    assert_ne!(rotated["access_token"], user["access_token"]);
    run("user grant --name ann --quota 300").await;
    let listed = json!({"id": 1, "name": "ann", "role": "user", "enabled": true,
                        "quota": 1000, "used_quota": 0, "max_tasks": 0, "max_waiting": 0});
    assert_eq!(run("user list").await, json!([listed]));
    run("user disable --name ann").await;
    assert_eq!(run("user list").await[0]["enabled"], false);
    run("user enable --name ann").await;

    let key = run("key create --user ann --label first --quota 500").await;
    let secret = key["key"].as_str().expect("a key is a text");
    assert!(secret.starts_with("sk-"), "{secret}");
    assert_eq!(key, json!({"id": 1, "key": secret}));
    run("key create --user ann --label second").await;
    run("key disable --id 2").await;
    let keys = json!([
        {"id": 1, "label": "first", "enabled": true, "quota": 500, "used_quota": 0, "expires_at": null,
         "max_tasks": 0, "rate": null},
        {"id": 2, "label": "second", "enabled": false, "quota": null, "used_quota": 0, "expires_at": null,
         "max_tasks": 0, "rate": null},
    ]);
    assert_eq!(run("key list --user ann").await, keys);
    run("key enable --id 2").await;
    let mut set = keys[0].clone();
    (set["max_tasks"], set["rate"]) = (json!(2), json!(9));
    assert_eq!(run("key set --id 1 --max-tasks 2 --rate 9").await, set);
    let set = run("user set --name ann --max-waiting 4").await;
    assert_eq!(
        (&set["name"], &set["max_waiting"]),
        (&json!("ann"), &json!(4))
    );

    let more = "channel create --name more --base-url https://more.example/v1 --key upstream-key --priority 3 --weight 2";
    assert_eq!(run(more).await, json!({"id": 1, "name": "more"}));
    run("channel disable --name more").await;
    let channels = run("channel list").await;
    let listed = json!({"id": 1, "name": "more", "platform": "suno",
                        "base_url": "https://more.example/v1", "enabled": false,
                        "priority": 3, "weight": 2, "used_quota": 0,
                        "idempotent": false, "max_tasks": 0, "submits_per_minute": 0,
                        "polls_per_second": null, "actions": ["song", "lyrics"],
                        "dialect": null, "limit": 4,
                        "running": 0, "waiting": 0, "health": "closed", "paused_until": null,
                        "last_trouble": null});
    assert_eq!(channels[0], listed);
    run("channel enable --name more").await;
    run("channel disable --name more").await;

    let prices = json!([{"platform": "suno", "action": "lyrics", "quota": 5000},
                        {"platform": "suno", "action": "song", "quota": 150_000}]);
    assert_eq!(sorted(&run("price list").await), prices);
    run("price set --platform suno --action song --quota 10").await;
    assert_eq!(sorted(&run("price list").await)[1]["quota"], 10);
    let audit = json!({"balanced": true, "users": 1, "tasks": 0, "entries": 2, "breaks": []});
    assert_eq!(run("audit").await, audit);
    run("migrate").await;

    let person = operator.run(&["channel", "list"]).await;
    assert!(!person.stdout.contains("upstream-key"), "{person:?}");
}

fn sorted(list: &Value) -> Value {
    let mut items = list.as_array().expect("a list").clone();
    items.sort_by_key(|item| item["action"].as_str().map(str::to_owned));
    Value::Array(items)
}
