//! Who calls, and how they prove it (`docs/contract.md`, "Callers and credentials").

use std::time::Duration;

use shared::secret::Secret;

use crate::app::{SONG, TestApp};
use crate::client::TestResponse;

const OWN: &str = "/api/task/self";
const ALL: &str = "/api/task/";
const FETCH: &str = "/suno/fetch/task_x";

#[tokio::test]
async fn a_user_lists_with_token_and_number() {
    let (app, alice) = TestApp::with_alice().await;
    assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
}

#[tokio::test]
async fn bearer_is_optional_and_in_any_case_on_both_surfaces() {
    let (app, alice) = TestApp::with_alice().await;
    for prefix in ["", "Bearer ", "bearer   ", "BEARER ", "  Bearer "] {
        let own = app
            .get(OWN)
            .header("authorization", &format!("{prefix}{} ", alice.token))
            .header("new-api-user", &format!(" {} ", alice.id))
            .send()
            .await;
        assert_eq!(own.status, 200, "{prefix:?}");
        let fetched = app
            .get(FETCH)
            .header("authorization", &format!("{prefix}{}", alice.key))
            .send()
            .await;
        assert_eq!(fetched.error(), "400 task_not_exist");
    }
}

#[tokio::test]
async fn the_users_number_may_be_left_out_and_a_wrong_one_opens_nothing() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let token = format!("Bearer {}", alice.token);
    let without = app.get(OWN).header("authorization", &token).send().await;
    assert_eq!(without.status, 200);
    let others = bob.id.to_string();
    let (id, zero, plus) = (
        alice.id.to_string(),
        format!("0{}", alice.id),
        format!("+{}", alice.id),
    );
    for number in [
        "",
        "x",
        "1.0",
        "999",
        "0",
        "-1",
        &zero,
        &plus,
        &others,
        "99999999999999999999",
    ] {
        let request = app.get(OWN).header("authorization", &token);
        refused(&request.header("new-api-user", number).send().await, 401);
    }
    for (first, second) in [(&id, &id), (&id, &others), (&others, &id)] {
        let request = app.get(OWN).header("authorization", &token);
        let request = request.header("new-api-user", first);
        refused(&request.header("new-api-user", second).send().await, 401);
    }
}

#[tokio::test]
async fn two_credentials_open_nothing() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    for (first, second) in [(&alice, &bob), (&alice, &alice)] {
        let own = app.get(OWN).header("authorization", &first.token);
        refused(
            &own.header("authorization", &second.token).send().await,
            401,
        );
        let fetched = app.get(FETCH).key(&first.key).key(&second.key).send().await;
        assert_eq!(fetched.error(), "401 invalid_token");
    }
}

#[tokio::test]
async fn unknown_and_missing_credentials_are_401() {
    let (app, alice) = TestApp::with_alice().await;
    for credential in ["", "Bearer", "Bearer x", "x", "Basic YTpi", "Bearer \u{e9}"] {
        let request = |path| {
            let request = app.get(path).header("authorization", credential);
            request.header("new-api-user", &alice.id.to_string())
        };
        refused(&request(OWN).send().await, 401);
        refused(&request(ALL).send().await, 401);
        let fetched = request(FETCH).send().await;
        assert_eq!(fetched.error(), "401 invalid_token");
        assert_eq!(fetched.header("www-authenticate"), "Bearer");
    }
    refused(&app.get(OWN).send().await, 401);
    assert_eq!(app.get(FETCH).send().await.status, 401);
}

#[tokio::test]
async fn each_credential_opens_its_own_surface_only() {
    let (app, alice) = TestApp::with_alice().await;
    let with_key = app.get(OWN).key(&alice.key);
    let with_key = with_key.header("new-api-user", &alice.id.to_string());
    let with_key = with_key.header("accept-language", "en").send().await;
    refused(&with_key, 401);
    assert!(
        with_key.text().contains("this is an API key"),
        "{}",
        with_key.text()
    );
    let with_token = app.get(FETCH).key(&alice.token);
    let with_token = with_token.header("accept-language", "en").send().await;
    assert_eq!(with_token.error(), "401 invalid_token");
    assert!(
        with_token.text().contains("this is an access token"),
        "{}",
        with_token.text()
    );
}

#[tokio::test]
async fn a_key_may_come_without_its_sk() {
    let (app, alice) = TestApp::with_alice().await;
    let bare = alice
        .key
        .strip_prefix("sk-")
        .expect("a key begins with sk-");
    let fetched = app.get(FETCH).key(bare).send().await;
    assert_eq!(fetched.error(), "400 task_not_exist");
    let own = app.get(OWN).key(bare).send().await;
    assert_eq!(own.status, 401);
}

#[tokio::test]
async fn a_disabled_user_is_403_everywhere() {
    let (app, alice) = TestApp::with_alice().await;
    app.disable_user("alice").await;
    refused(&app.get(OWN).user(&alice).send().await, 403);
    refused(&app.get(ALL).user(&alice).send().await, 403);
    let submitted = app.post("/suno/submit/music").key(&alice.key).send().await;
    assert_eq!(submitted.error(), "403 user_disabled");
}

#[tokio::test]
async fn a_disabled_key_is_403_and_the_users_other_keys_go_on() {
    let (app, alice) = TestApp::with_alice().await;
    let (other, _) = app.key(alice.id, None).await;
    app.disable_key(&alice).await;
    let fetched = app.get(FETCH).key(&alice.key).send().await;
    assert_eq!(fetched.error(), "403 key_disabled");
    let fetched = app.get(FETCH).key(&other).send().await;
    assert_eq!(fetched.error(), "400 task_not_exist");
}

#[tokio::test]
async fn a_key_is_403_from_the_moment_it_expires_by_the_apis_clock_and_the_users_other_keys_go_on()
{
    let (app, alice) = TestApp::with_alice().await;
    let expires_at = app.now().after(Duration::from_mins(1));
    let (key, _) = app
        .key_with(alice.id, |key| key.expires_at = Some(expires_at))
        .await;
    let requests = || {
        [
            app.post("/suno/submit/music").key(&key).json(SONG),
            app.post("/suno/fetch").key(&key).json(r#"{"ids":[]}"#),
            app.get(FETCH).key(&key),
        ]
    };
    app.clock.advance(Duration::from_millis(59_999));
    let mut statuses = Vec::new();
    for request in requests() {
        statuses.push(request.send().await.status);
    }
    assert_eq!(statuses, [200, 200, 400]);
    app.clock.advance(Duration::from_millis(1));
    for request in requests() {
        assert_eq!(request.send().await.error(), "403 key_expired");
    }
    let other = app.get(FETCH).key(&alice.key).send().await;
    assert_eq!(other.error(), "400 task_not_exist");
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn everybodys_tasks_are_for_administrators() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    refused(&app.get(ALL).user(&alice).send().await, 403);
    assert_eq!(app.get(ALL).user(&root).send().await.status, 200);
    assert_eq!(app.get(OWN).user(&root).send().await.status, 200);
}

#[tokio::test]
async fn a_replaced_token_opens_nothing_any_more() {
    let (app, alice) = TestApp::with_alice().await;
    let new = Secret::access_token(&app.random);
    let replaced = app.store.replace_token("alice", new.digest()).await;
    assert!(replaced.expect("the database works"));
    refused(&app.get(OWN).user(&alice).send().await, 401);
}

#[tokio::test]
async fn who_may_not_call_learns_nothing_of_what_else_is_wrong() {
    let app = TestApp::new().await;
    refused(&app.get("/api/task/self?p=x").send().await, 401);
    let submitted = app.post("/suno/submit/video").body("{").send().await;
    assert_eq!(submitted.error(), "401 invalid_token");
}

fn refused(response: &TestResponse, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    let json = response.json();
    assert_eq!(json["success"], false);
    assert!(json["message"].as_str().is_some_and(|m| !m.is_empty()));
}
