//! Continuing a clip (contract, section 3).

use shared::store::turns::{AtTurn, End, SubmitJob};
use shared::task::{RowId, Turn};

use crate::client::Answer;
use crate::world::{Person, World};

async fn continue_with(world: &World, person: &Person, task_id: &str) -> Answer {
    let body = format!(r#"{{"continue_clip_id":"c1","continue_at":120,"task_id":{task_id}}}"#);
    let ask = world.post("/suno/submit/music").key(&person.key);
    ask.json(body).send().await
}

async fn job(world: &World, row: i64) -> SubmitJob {
    let at = AtTurn {
        row: RowId(row),
        turn: Turn::FIRST,
    };
    let job = world.store.submit_job(at).await;
    job.expect("the database works").expect("it is to be sent")
}

#[tokio::test]
async fn a_continuation_goes_to_the_channel_of_its_task_under_the_upstreams_id() {
    let (world, alice) = World::with_alice().await;
    let second = world.channel("second").await;
    let first = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    world.accept(&first, second, "upstream-1").await;
    world.end(&first, second, End::Success, Some("[]")).await;
    continue_with(&world, &alice, &format!("{first:?}"))
        .await
        .submitted();
    let job = job(&world, 2).await;
    assert_eq!(job.pinned, Some(second));
    let request =
        r#"{"continue_at":120,"continue_clip_id":"c1","mv":"chirp-v3-0","task_id":"upstream-1"}"#;
    assert_eq!(job.request, request);
}

#[tokio::test]
async fn a_task_that_is_not_the_users_cannot_be_continued() {
    let (world, alice) = World::with_alice().await;
    let bob = world.user("bob").await;
    let first = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let main = world.channel("other").await;
    world.accept(&first, main, "upstream-1").await;
    let unknown = format!("\"task_{}\"", "a".repeat(32));
    for task_id in [
        &format!("{first:?}"),
        &unknown,
        "\"upstream-1\"",
        "\"\"",
        "null",
    ] {
        let refused = continue_with(&world, &bob, task_id).await.code();
        assert_eq!(refused, (400, "task_not_exist".to_owned()), "{task_id}");
    }
    assert_eq!(world.audited_tasks().await, 1);
}

#[tokio::test]
async fn a_continuation_without_a_task_is_refused() {
    let (world, alice) = World::with_alice().await;
    let ask = world.post("/suno/submit/music").key(&alice.key);
    let answer = ask
        .json(r#"{"prompt":"p","continue_clip_id":"c1"}"#)
        .send()
        .await;
    assert_eq!(answer.code(), (400, "task_not_exist".to_owned()));
}

#[tokio::test]
async fn a_task_that_no_upstream_accepted_has_nothing_to_continue() {
    let (world, alice) = World::with_alice().await;
    let first = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let refused = continue_with(&world, &alice, &format!("{first:?}")).await;
    assert_eq!(refused.code(), (400, "invalid_request".to_owned()));
    assert!(refused.text().contains("task_id"));
}

#[tokio::test]
async fn a_continuation_whose_channel_is_disabled_has_no_channel() {
    let (world, alice) = World::with_alice().await;
    let second = world.channel("second").await;
    let first = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    world.accept(&first, second, "upstream-1").await;
    let disabled = world.store.enable_channel("second", false).await;
    assert!(disabled.expect("the database works"));
    let refused = continue_with(&world, &alice, &format!("{first:?}")).await;
    assert_eq!(refused.code(), (503, "no_available_channel".to_owned()));
}

#[tokio::test]
async fn a_task_id_is_never_forwarded_as_it_came() {
    let (world, alice) = World::with_alice().await;
    let main = world.channel("other").await;
    let first = world.submit(&alice, "lyrics", r#"{"prompt":"p"}"#).await;
    world.accept(&first, main, "upstream-1").await;
    let body = format!(r#"{{"prompt":"p","task_id":"{first}"}}"#);
    world.submit(&alice, "lyrics", &body).await;
    let job = job(&world, 2).await;
    assert_eq!(job.request, r#"{"prompt":"p","task_id":"upstream-1"}"#);
}
