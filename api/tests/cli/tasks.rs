//! `audit` and `task show`.

use serde_json::json;
use shared::clock::Millis;
use shared::random::Random;
use shared::store::submissions::{NewTask, Submitted};
use shared::task::{Action, KeyId, Platform, TaskId, UserId};

use crate::operator::Operator;

#[test]
fn the_books_of_a_new_database_balance() {
    let operator = Operator::new();
    operator.says("user create --name a --quota 5");
    let audit = r#"{"balanced":true,"users":1,"tasks":0,"entries":1,"breaks":[]}"#;
    assert_eq!(operator.json_text("audit"), audit);
    let audit = "The books balance (users: 1, tasks: 0, ledger entries: 1).\n";
    assert_eq!(operator.says("audit"), audit);
}

#[test]
fn a_task_that_does_not_exist_is_refused() {
    let operator = Operator::new();
    let unknown = format!("task_{}", "a".repeat(32));
    let text = operator.refused(&format!("task show {unknown}"));
    assert_eq!(text, format!("error: there is no task `{unknown}`\n"));
}

#[tokio::test]
async fn a_task_shows_its_row_its_ledger_and_its_history() {
    let operator = Operator::new();
    let task_id = submitted(&operator).await;

    let shown = operator.json(&format!("task show {task_id}"));
    assert_eq!(shown["task_id"], task_id.as_str());
    let state = (&shown["status"], &shown["progress"]);
    assert_eq!(state, (&json!("NOT_START"), &json!("0%")));
    assert_eq!(shown["properties"], json!({"input": "rain \u{1b}[31m"}));
    assert_eq!(shown["data"], json!({}));
    let unfinished = json!({
        "turn": 0,
        "stage": "submit",
        "due_at": NOW.0,
        "deadline": NOW.0 + 1_800_000,
        "channel": null,
        "pinned_channel": null,
        "attempts": 0,
        "polls": 0,
        "missing": 0,
    });
    assert_eq!(shown["unfinished"], unfinished);
    assert_eq!((&shown["key_id"], &shown["key"]), (&json!(1), &json!("b")));
    assert_eq!(shown["request"], json!({"prompt": "rain"}));
    let charge = json!([{"at": NOW.0, "kind": "charge", "amount": -150_000}]);
    assert_eq!(shown["ledger"], charge);
    let stored = json!([{"at": NOW.0, "turn": 0, "kind": "stored", "detail": "charged 150000"}]);
    assert_eq!(shown["history"], stored);

    let text = operator.says(&format!("task show {task_id}"));
    for words in [
        "NOT_START, 0%",
        "2026-07-28T12:34:56.789Z",
        "-150000",
        "stored",
        "a (id 1)",
        "b (id 1)",
        "turn 0: to be submitted, due 2026-07-28T12:34:56.789Z",
        "2026-07-28T13:04:56.789Z",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let escape = '\u{1b}';
    assert!(
        !text.contains(escape),
        "a client moves the cursor: {text:?}"
    );
    assert_eq!(operator.json("audit")["balanced"], true);
}

/// 2026-07-28T12:34:56.789Z.
const NOW: Millis = Millis(1_785_242_096_789);

/// A song that was just charged and stored.
async fn submitted(operator: &Operator) -> TaskId {
    operator.says("user create --name a --quota 200000");
    operator.says("key create --user a --label b");
    operator.says("channel create --name up --base-url http://127.0.0.1:9");
    let task_id = TaskId::random(&Random::seeded(1));
    let task = NewTask {
        task_id: task_id.clone(),
        user: UserId(1),
        key: KeyId(1),
        platform: Platform::SUNO,
        action: Action::SONG,
        model: None,
        request: r#"{"prompt":"rain"}"#.to_owned(),
        input: "rain \u{1b}[31m".to_owned(),
        pinned: None,
        idempotency: None,
        deadline: Millis(NOW.0 + 1_800_000),
    };
    let store = operator.store().await;
    let submitted = store.submit(task, NOW).await;
    let is_stored = matches!(submitted, Ok(Submitted::Stored { .. }));
    assert!(is_stored, "{submitted:?}");
    store.close().await;
    task_id
}
