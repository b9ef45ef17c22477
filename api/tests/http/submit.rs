//! `POST /suno/submit/{action}` (contract, section 3).

use shared::broker::Message;
use shared::store::accounts::Role;
use shared::store::turns::AtTurn;
use shared::task::{RowId, Turn};

use crate::golden::{assert_golden, pretty};
use crate::world::World;

#[tokio::test]
async fn a_submit_answers_with_the_tasks_name() {
    let (world, alice) = World::with_alice().await;
    let ask = world.post("/suno/submit/music").key(&alice.key);
    let answer = ask.json(r#"{"prompt":"rain"}"#).send().await;
    assert_eq!(answer.status, 200);
    assert_golden("submit.json", &pretty(answer.text()));
    let rest = answer.submitted();
    let rest = rest.strip_prefix("task_").expect("it starts with task_");
    assert!(rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn actions_go_by_any_of_their_names_in_any_case() {
    let (world, alice) = World::with_alice().await;
    for (action, price) in [
        ("music", 150_000),
        ("song", 150_000),
        ("MUSIC", 150_000),
        ("Song", 150_000),
        ("lyrics", 5_000),
        ("LYRICS", 5_000),
    ] {
        let before = world.quota_of(&alice).await;
        world.submit(&alice, action, r#"{"prompt":"p"}"#).await;
        assert_eq!(before - world.quota_of(&alice).await, price, "{action}");
    }
    assert_eq!(world.audited_tasks().await, 6);
}

#[tokio::test]
async fn an_action_that_is_none_is_refused() {
    let (world, alice) = World::with_alice().await;
    for action in ["video", "musics", "%6Dusic2", "%FF", "%20music"] {
        let ask = world
            .post(&format!("/suno/submit/{action}"))
            .key(&alice.key);
        let answer = ask.json(r#"{"prompt":"p"}"#).send().await;
        assert_eq!(
            answer.code(),
            (400, "invalid_action".to_owned()),
            "{action}"
        );
    }
    assert_eq!(world.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_stored_task_wakes_a_worker() {
    let (world, alice) = World::with_alice().await;
    let mut submits = world.submits().await;
    world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let delivery = submits.next().await.expect("the queue is open");
    let first = AtTurn {
        row: RowId(1),
        turn: Turn::FIRST,
    };
    assert_eq!(delivery.message, Message::Submit(first));
    delivery.ack();
}

#[tokio::test]
async fn what_is_stored_is_what_the_upstream_gets() {
    let (world, alice) = World::with_alice().await;
    let body = r#"{"prompt":"p","future_field":{"x":1.0e3,"y":[1, 2]},"make_instrumental":true,"continue_at":12.50}"#;
    world.submit(&alice, "music", body).await;
    let first = AtTurn {
        row: RowId(1),
        turn: Turn::FIRST,
    };
    let job = world.store.submit_job(first).await;
    let job = job.expect("the database works").expect("it is to be sent");
    let request = r#"{"continue_at":12.50,"future_field":{"x":1.0e3,"y":[1, 2]},"make_instrumental":true,"mv":"chirp-v3-0","prompt":"p"}"#;
    assert_eq!(job.request, request);
    assert_eq!(job.deadline.seconds(), 1_716_191_749 + 30 * 60);
    assert_eq!(job.pinned, None);
}

#[tokio::test]
async fn json_by_any_of_its_media_types_is_taken() {
    let (world, alice) = World::with_alice().await;
    for media_type in ["application/json; charset=utf-8", "application/x+json"] {
        let ask = world.post("/suno/submit/music").key(&alice.key);
        let ask = ask.header("content-type", media_type);
        ask.body(r#"{"prompt":"p"}"#).send().await.submitted();
    }
}

#[tokio::test]
async fn a_body_of_256_kib_is_taken_and_a_larger_one_is_413() {
    let (world, alice) = World::with_alice().await;
    let of_length = |length: usize| {
        let frame = r#"{"prompt":""}"#.len();
        format!(r#"{{"prompt":"{}"}}"#, "a".repeat(length - frame))
    };
    let post = || world.post("/suno/submit/lyrics").key(&alice.key);
    let most = post().json(of_length(256 * 1024)).send().await;
    most.submitted();
    let more = post().json(of_length(256 * 1024 + 1)).send().await;
    assert_eq!(more.code(), (413, "invalid_request".to_owned()));
}

#[tokio::test]
async fn without_enough_quota_nothing_is_taken() {
    let (world, _) = World::with_alice().await;
    let poor = world.person("poor", Role::User, 149_999).await;
    let ask = world.post("/suno/submit/music").key(&poor.key);
    let answer = ask.json(r#"{"prompt":"p"}"#).send().await;
    assert_eq!(answer.code(), (403, "quota_not_enough".to_owned()));
    assert_eq!(world.quota_of(&poor).await, 149_999);
    assert_eq!(world.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_key_with_a_limit_spends_up_to_it_and_no_further() {
    let (world, alice) = World::with_alice().await;
    let (key, _) = world.key(alice.id, Some(10_000)).await;
    let submit = || {
        let ask = world.post("/suno/submit/lyrics").key(&key);
        ask.json(r#"{"prompt":"p"}"#).send()
    };
    submit().await.submitted();
    submit().await.submitted();
    let before = world.quota_of(&alice).await;
    assert_eq!(submit().await.code(), (403, "quota_not_enough".to_owned()));
    assert_eq!(world.quota_of(&alice).await, before);
    assert_eq!(world.audited_tasks().await, 2);
}

#[tokio::test]
async fn many_at_once_never_spend_more_than_there_is() {
    let (world, _) = World::with_alice().await;
    let few = world.person("few", Role::User, 5 * 150_000).await;
    let submits = (0..12).map(|_| {
        let ask = world.post("/suno/submit/music").key(&few.key);
        ask.json(r#"{"prompt":"p"}"#).send()
    });
    let answers = futures_util::future::join_all(submits).await;
    let stored = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(stored, 5);
    assert_eq!(world.quota_of(&few).await, 0);
    assert_eq!(world.audited_tasks().await, 5);
}

#[tokio::test]
async fn without_a_channel_nothing_is_taken() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let submit = || {
        let ask = world.post("/suno/submit/music").key(&alice.key);
        ask.json(r#"{"prompt":"p"}"#).send()
    };
    let no_channel = (503, "no_available_channel".to_owned());
    assert_eq!(submit().await.code(), no_channel);
    world.channel("main").await;
    let disabled = world.store.enable_channel("main", false).await;
    assert!(disabled.expect("the database works"));
    assert_eq!(submit().await.code(), no_channel);
    assert_eq!(world.quota_of(&alice).await, 100_000_000);
    assert_eq!(world.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_database_that_fails_is_an_internal_error() {
    let (world, alice) = World::with_alice().await;
    world.store.close().await;
    let ask = world.post("/suno/submit/music").key(&alice.key);
    let answer = ask.json(r#"{"prompt":"p"}"#).send().await;
    assert_eq!(answer.code(), (500, "internal_error".to_owned()));
}

#[tokio::test]
async fn a_broker_that_is_away_fails_no_submit() {
    let (world, alice) = World::with_alice().await;
    shared::broker::Broker::close(&*world.broker).await;
    world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    world.submit_publisher.stop().await;
    world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    assert_eq!(world.audited_tasks().await, 2);
}
