//! The two listings (`docs/contract.md`, "Listings"; `docs/task-center-api.zh.md`).

use std::time::Duration;

use shared::task::{ChannelId, End, Status};

use crate::app::{TestApp, TestUser};
use crate::golden::{assert_golden, pretty};
use crate::tasks::failed;

const CLIPS: &str =
    r#"[{"id":"c1","audio_url":"https://cdn/1.mp3","duration":120.50},{"id":"c2"}]"#;
const LYRICS: &str = r#"{"id":"l1","status":"complete","title":"雨","text":"…"}"#;

/// Seven tasks, one for each way a task can stand; the oldest first.
async fn seven(app: &TestApp, alice: &TestUser, channel: ChannelId) -> Vec<String> {
    let mut tasks = Vec::new();
    for (action, body) in [
        ("music", r#"{"prompt":"a song of rain"}"#),
        ("lyrics", r#"{"prompt":"关于雨的歌词"}"#),
        ("song", r#"{"gpt_description_prompt":"calm piano"}"#),
        ("MUSIC", r#"{"prompt":"\"quoted\"\n","title":"t"}"#),
        ("music", r#"{"prompt":"queued"}"#),
        ("music", r#"{"prompt":"accepted"}"#),
        ("lyrics", r#"{"prompt":"just paid"}"#),
    ] {
        tasks.push(app.submit(alice, action, body).await);
        app.clock.advance(Duration::from_secs(10));
    }
    for (number, task) in tasks.iter().take(6).enumerate() {
        let upstream_id = format!("upstream-{number}");
        app.accept(task, channel, &upstream_id).await;
    }
    app.clock.advance(Duration::from_secs(5));
    app.end(&tasks[0], channel, End::Success, Some(CLIPS)).await;
    let success = End::Success;
    app.end(&tasks[1], channel, success, Some(LYRICS)).await;
    let failure = failed("out of tune");
    app.end(&tasks[2], channel, failure, None).await;
    let part = r#"[{"id":"c1","status":"streaming"}]"#;
    app.progress(&tasks[3], channel, Status::InProgress, part)
        .await;
    app.progress(&tasks[4], channel, Status::Queued, "null")
        .await;
    tasks
}

/// The numbers of the seven tasks, newest first.
const ALL: [usize; 7] = [6, 5, 4, 3, 2, 1, 0];

fn named(tasks: &[String], numbers: &[usize]) -> Vec<String> {
    numbers
        .iter()
        .map(|&number| tasks[number].clone())
        .collect()
}

#[tokio::test]
async fn a_user_sees_their_own_tasks_as_the_document_prints_them() {
    let (app, alice) = TestApp::with_alice().await;
    seven(&app, &alice, ChannelId(1)).await;
    let response = app.get("/api/task/self").user(&alice).send().await;
    assert_eq!(response.status, 200);
    assert_golden("list_own.json", &pretty(response.text()));
}

#[tokio::test]
async fn an_administrator_sees_everybodys_tasks_with_channel_and_user_name() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    seven(&app, &alice, ChannelId(1)).await;
    let response = app.get("/api/task/").user(&root).send().await;
    assert_eq!(response.status, 200);
    assert_golden("list_all.json", &pretty(response.text()));
}

#[tokio::test]
async fn an_empty_page_is_a_page() {
    let (app, alice) = TestApp::with_alice().await;
    let response = app.get("/api/task/self").user(&alice).send().await;
    assert_golden("list_empty.json", &pretty(response.text()));
}

#[tokio::test]
async fn both_listings_answer_with_and_without_the_trailing_slash() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    seven(&app, &alice, ChannelId(1)).await;
    for (with, without, user) in [
        ("/api/task/self/", "/api/task/self", &alice),
        ("/api/task/", "/api/task", &root),
    ] {
        let with = app.get(with).user(user).send().await;
        let without = app.get(without).user(user).send().await;
        assert_eq!(with.text(), without.text());
        assert_eq!(with.page().1, 7);
    }
}

#[tokio::test]
async fn a_user_never_sees_a_task_of_another_user() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let tasks = seven(&app, &alice, ChannelId(1)).await;
    for query in [
        String::new(),
        format!("?task_id={}", tasks[0]),
        format!("?user_id={}", alice.id),
    ] {
        let response = app.get(&format!("/api/task/self{query}"));
        let nothing = (Vec::new(), 0);
        assert_eq!(response.user(&bob).send().await.page(), nothing, "{query}");
    }
}

#[tokio::test]
async fn filters_let_through_what_they_say() {
    let (app, alice) = TestApp::with_alice().await;
    let tasks = seven(&app, &alice, ChannelId(1)).await;
    let first = tasks[0].as_str();
    let empty = "p=&page_size=&platform=&task_id=&status=&action=&start_timestamp=&end_timestamp=";
    // Task number n was submitted at 1716191749 + 10 n.
    let second = "start_timestamp=1716191769&end_timestamp=1716191769";
    for (query, expected) in [
        ("status=SUCCESS", vec![1, 0]),
        ("status=FAILURE", vec![2]),
        ("status=NOT_START", vec![6]),
        ("status=SUBMITTED", vec![5]),
        ("status=QUEUED", vec![4]),
        ("status=IN_PROGRESS", vec![3]),
        ("status=UNKNOWN", vec![]),
        ("status=", ALL.to_vec()),
        ("action=song", vec![5, 4, 3, 2, 0]),
        ("action=MUSIC", vec![5, 4, 3, 2, 0]),
        ("action=Lyrics", vec![6, 1]),
        ("action=video", vec![]),
        ("platform=suno", ALL.to_vec()),
        ("platform=SUNO", vec![]),
        ("platform=su%25", vec![]),
        (&format!("task_id={first}"), vec![0]),
        (&format!("task_id={}", &first[..20]), vec![]),
        ("start_timestamp=1716191799", vec![6, 5]),
        ("start_timestamp=1716191800", vec![6]),
        ("end_timestamp=1716191759", vec![1, 0]),
        ("end_timestamp=1716191758", vec![0]),
        (second, vec![2]),
        ("start_timestamp=-5&end_timestamp=0", vec![]),
        ("action=song&status=SUCCESS&platform=suno", vec![0]),
        ("channel_id=99&user_id=99&colour=blue", ALL.to_vec()),
        (empty, ALL.to_vec()),
    ] {
        let response = app.get(&format!("/api/task/self?{query}"));
        let (items, total) = response.user(&alice).send().await.page();
        assert_eq!(items, named(&tasks, &expected), "{query}");
        assert_eq!(usize::try_from(total), Ok(items.len()), "{query}");
    }
}

#[tokio::test]
async fn administrators_filter_by_channel_and_user_too() {
    let (app, alice) = TestApp::with_alice().await;
    let (root, bob) = (app.admin("root").await, app.user("bob").await);
    let second = app.channel("second").await;
    seven(&app, &alice, second).await;
    let of_bob = app.song(&bob).await;
    for (query, total) in [
        (String::new(), 8),
        (format!("user_id={}", alice.id), 7),
        (format!("user_id={}", root.id), 0),
        (format!("channel_id={second}"), 6),
        ("channel_id=1".to_owned(), 0),
        (format!("channel_id={second}&user_id={}", bob.id), 0),
        ("channel_id=&user_id=".to_owned(), 8),
    ] {
        let response = app.get(&format!("/api/task/?{query}"));
        assert_eq!(response.user(&root).send().await.page().1, total, "{query}");
    }
    let response = app.get(&format!("/api/task?user_id={}", bob.id));
    assert_eq!(response.user(&root).send().await.page(), (vec![of_bob], 1));
}

#[tokio::test]
async fn pages_cut_the_list_and_every_page_has_the_right_total() {
    let (app, alice) = TestApp::with_alice().await;
    let tasks = seven(&app, &alice, ChannelId(1)).await;
    let huge = "99999999999999999999";
    for (query, expected, page, page_size) in [
        ("page_size=3".to_owned(), &[6, 5, 4][..], 1, 3),
        ("p=2&page_size=3".to_owned(), &[3, 2, 1], 2, 3),
        ("p=3&page_size=3".to_owned(), &[0], 3, 3),
        ("p=4&page_size=3".to_owned(), &[], 4, 3),
        ("p=-1&page_size=1".to_owned(), &[6], 1, 1),
        ("p=0&page_size=1000".to_owned(), &ALL, 1, 100),
        ("page_size=0".to_owned(), &ALL, 1, 20),
        ("page_size=-3".to_owned(), &ALL, 1, 20),
        (format!("p={huge}"), &[], i64::MAX, 20),
        ("p=1&p=7&page_size=1".to_owned(), &[0], 7, 1),
    ] {
        let request = app.get(&format!("/api/task/self?{query}"));
        let response = request.user(&alice).send().await;
        let (items, total) = response.page();
        assert_eq!(items, named(&tasks, expected), "{query}");
        assert_eq!(total, 7, "{query}");
        let data = &response.json()["data"];
        assert_eq!(
            (&data["page"], &data["page_size"]),
            (&page.into(), &page_size.into())
        );
    }
}

#[tokio::test]
async fn the_users_own_request_is_served() {
    let (app, alice) = TestApp::with_alice().await;
    let response = app
        .get("/api/task/self?p=1&page_size=20&platform=suno&task_id=task123&status=SUCCESS&action=song&start_timestamp=1640908800&end_timestamp=1640995200")
        .user(&alice)
        .header("content-type", "application/json")
        .send()
        .await;
    assert_eq!(response.page(), (Vec::new(), 0));
}

#[tokio::test]
async fn a_database_that_fails_is_500_with_the_documents_sentence() {
    let (app, alice) = TestApp::with_alice().await;
    app.break_with("DROP TABLE task_counts").await;
    let list = || app.get("/api/task/self").user(&alice).send();
    let response = list().await;
    assert_eq!(response.status, 500);
    let expected = r#"{"success":false,"message":"获取任务列表失败"}"#;
    assert_eq!(response.text(), expected);
    app.store.close().await;
    assert_eq!(list().await.status, 503);
}
