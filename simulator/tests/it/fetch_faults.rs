//! Every fault of a fetch, of the whole batch or of one task in it.

use serde_json::{Value, json};
use suno_simulator::{Fault, Kind};

use crate::{
    seen::{Seen, see},
    upstream::{KEY, Upstream, always, faults},
};

/// What a client sees of a fault.
pub fn expected(fault: Fault) -> Seen {
    match fault {
        Fault::Fetch429 | Fault::Fetch429RetryAfter => Seen::Error(429),
        Fault::Fetch500 => Seen::Error(500),
        Fault::Fetch502 => Seen::Page(502),
        Fault::Fetch503 => Seen::Error(503),
        Fault::Fetch401 => Seen::Error(401),
        Fault::Fetch402 => Seen::Error(402),
        Fault::Fetch403 => Seen::Error(403),
        Fault::Fetch404 => Seen::Error(404),
        Fault::FetchDrop => Seen::Cut,
        Fault::FetchHang => Seen::Silence,
        Fault::FetchTorn => Seen::Half,
        Fault::FetchCode => Seen::Error(200),
        Fault::FetchHtml => Seen::Page(200),
        Fault::FetchEmpty | Fault::FetchGarbage => Seen::Nonsense,
        Fault::FetchNull | Fault::FetchDrip | Fault::FetchHuge | Fault::FetchStrangers => {
            Seen::Success
        }
        _ => unreachable!("{fault} is no fault of a fetch"),
    }
}

#[tokio::test]
async fn every_fault_of_a_fetch_shows_itself() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin").await;
    for fault in faults(Kind::Fetch) {
        upstream.simulator.set_faults(always(fault));
        let expected = expected(fault);
        let seen = see(&upstream, upstream.fetch(&[&id]), &expected).await;
        assert_eq!(seen, expected, "{fault}");
        assert_eq!(upstream.counts().faults[fault.name()], 1, "{fault}");
    }
}

#[tokio::test]
async fn a_directive_spoils_every_batch_with_its_task_and_no_other() {
    let upstream = Upstream::start().await;
    let other = upstream.accepted("Rain on Tin").await;
    for fault in faults(Kind::Fetch) {
        let id = upstream.accepted(&format!("a sim:{fault}x1")).await;
        let expected = expected(fault);
        let seen = see(&upstream, upstream.fetch(&[&other, &id]), &expected).await;
        assert_eq!(seen, expected, "{fault}");
        assert_eq!(upstream.tasks(&[&other, &id]).await.len(), 2);
    }
    assert_eq!(upstream.task(&other).await["fail_reason"], "");
}

/// Fetches a task of this title three times together with a task without faults; returns what each answer shows of the
/// former.
async fn three_fetches(title: &str) -> Vec<Vec<Value>> {
    let upstream = Upstream::start().await;
    let other = upstream.accepted("Rain on Tin").await;
    let id = upstream.accepted(title).await;
    let mut fetches = Vec::new();
    for _ in 0..3 {
        let tasks = upstream.tasks(&[&id, &other]).await.into_iter();
        let (others, of_task): (Vec<_>, Vec<_>) =
            tasks.partition(|task| task["task_id"] == other.as_str());
        assert_eq!(others.len(), 1, "the other task is there once");
        fetches.push(of_task);
    }
    fetches
}

fn statuses(tasks: &[Vec<Value>]) -> Vec<&Value> {
    tasks.iter().map(|fetched| &fetched[0]["status"]).collect()
}

#[tokio::test]
async fn a_missing_task_is_left_out_of_the_answer() {
    let fetches = three_fetches("a sim:missingx2").await;
    let counts: Vec<_> = fetches.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn one_task_can_make_a_whole_batch_404() {
    let upstream = Upstream::start().await;
    let (other, id) = (
        upstream.accepted("Rain on Tin").await,
        upstream.accepted("a sim:batch-404").await,
    );
    assert_eq!(upstream.fetch(&[&other, &id]).await.unwrap().status, 404);
    assert_eq!(upstream.fetch(&[&other]).await.unwrap().status, 200);
    assert_eq!(upstream.counts().faults["batch-404"], 1);
}

#[tokio::test]
async fn statuses_can_be_unknown_never_seen_or_empty() {
    for (fault, status) in [
        ("unknown", "UNKNOWN"),
        ("weird-status", "PENDING_REVIEW"),
        ("empty-status", ""),
    ] {
        let fetches = three_fetches(&format!("a sim:{fault}")).await;
        assert_eq!(statuses(&fetches), [status; 3]);
    }
}

#[tokio::test]
async fn a_task_can_go_backwards_until_it_has_ended() {
    let there_and_back = three_fetches("a sim:backwards sim:stuck sim:takes=0").await;
    assert_eq!(
        statuses(&there_and_back),
        ["IN_PROGRESS", "NOT_START", "IN_PROGRESS"]
    );
    assert_eq!(there_and_back[1][0]["progress"], "0%");
    let ended = three_fetches("a sim:backwards sim:takes=0").await;
    assert_eq!(statuses(&ended), ["SUCCESS"; 3]);
}

#[tokio::test]
async fn a_reason_can_stand_beside_a_task_that_did_not_fail() {
    for fetched in three_fetches("a sim:early-reason").await {
        assert_ne!(fetched[0]["fail_reason"], "");
        assert_ne!(fetched[0]["status"], "FAILURE");
    }
}

#[tokio::test]
async fn a_task_can_be_shown_twice_without_data_or_with_wrong_types() {
    let twice = three_fetches("a sim:twice").await;
    assert!(
        twice
            .iter()
            .all(|tasks| tasks.len() == 2 && tasks[0] == tasks[1])
    );
    let no_data = three_fetches("a sim:no-data sim:takes=0").await;
    assert!(no_data.iter().all(|tasks| tasks[0]["data"].is_null()));
    let malformed = three_fetches("a sim:malformed").await;
    assert!(
        malformed
            .iter()
            .all(|tasks| tasks[0]["submit_time"].is_string())
    );
}

#[tokio::test]
async fn strangers_are_another_clients_task_and_nobodys() {
    let upstream = Upstream::start().await;
    let (id, other) = (
        upstream.accepted("Rain on Tin").await,
        upstream.accepted("Another").await,
    );
    upstream.simulator.set_faults(always(Fault::FetchStrangers));
    let tasks = upstream.tasks(&[&id]).await;
    let ids: Vec<_> = tasks.iter().map(|task| &task["task_id"]).collect();
    assert_eq!(ids[..2], [&json!(id), &json!(other)]);
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn every_fault_of_a_sight_happens_for_a_whole_run_too() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin").await;
    for fault in faults(Kind::FetchedTask) {
        upstream.simulator.set_faults(always(fault));
        for _ in 0..2 {
            upstream.fetch(&[&id]).await.unwrap();
        }
        assert!(upstream.counts().faults[fault.name()] >= 1, "{fault}");
    }
}

#[tokio::test]
async fn tasks_can_fail_get_stuck_and_leak() {
    let upstream = Upstream::start().await;
    upstream.simulator.set_faults("fail=100%".parse().unwrap());
    let failed = upstream.accepted("a sim:leak sim:takes=0").await;
    let stuck = upstream.accepted("b sim:stuck sim:takes=0").await;
    let task = upstream.task(&failed).await;
    assert_eq!(task["status"], "FAILURE");
    let reason = task["fail_reason"].as_str().unwrap();
    for secret in [KEY, &upstream.simulator.base_url(), &failed] {
        assert!(reason.contains(secret), "{secret} in {reason}");
    }
    assert_eq!(upstream.task(&stuck).await["status"], "IN_PROGRESS");
    upstream.simulator.finish_all();
    assert_eq!(upstream.task(&stuck).await["status"], "FAILURE");
}
