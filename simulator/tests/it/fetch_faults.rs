//! Every fault of a fetch, of the whole batch or of one task in it.

use serde_json::{Value, json};
use suno_simulator::{Fault, Kind};

use crate::{
    seen::{Seen, see},
    upstream::{KEY, Upstream, always},
};

fn expected(fault: Fault) -> Seen {
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
    for &fault in Fault::ALL
        .iter()
        .filter(|fault| fault.kind() == Kind::Fetch)
    {
        upstream.simulator.set_faults(always(fault));
        let seen = expected(fault);
        assert_eq!(
            see(&upstream, upstream.fetch(&[&id]), &seen).await,
            seen,
            "{fault}"
        );
        assert_eq!(upstream.counts().faults[fault.name()], 1, "{fault}");
    }
}

#[tokio::test]
async fn a_word_spoils_every_batch_with_its_task_and_no_other() {
    let upstream = Upstream::start().await;
    let calm = upstream.accepted("Rain on Tin").await;
    for &fault in Fault::ALL
        .iter()
        .filter(|fault| fault.kind() == Kind::Fetch)
    {
        let id = upstream.accepted(&format!("a sim:{fault}x1")).await;
        let seen = expected(fault);
        assert_eq!(
            see(&upstream, upstream.fetch(&[&calm, &id]), &seen).await,
            seen,
            "{fault}"
        );
        assert_eq!(
            upstream.fetch(&[&calm, &id]).await.unwrap().json()["data"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    assert_eq!(upstream.task(&calm).await["fail_reason"], "");
}

/// The answers to three fetches of a task of this title and a calm one beside it: what each says of the former.
async fn three_sights(title: &str) -> Vec<Vec<Value>> {
    let upstream = Upstream::start().await;
    let calm = upstream.accepted("Rain on Tin").await;
    let id = upstream.accepted(title).await;
    let mut sights = Vec::new();
    for _ in 0..3 {
        let answer = upstream.fetch(&[&id, &calm]).await.unwrap().json();
        let tasks = answer["data"].as_array().expect("a list").iter();
        let (others, of_task): (Vec<_>, Vec<_>) = tasks
            .cloned()
            .partition(|task| task["task_id"] == calm.as_str());
        assert_eq!(others.len(), 1, "the calm one is there, once");
        sights.push(of_task);
    }
    sights
}

fn statuses(sights: &[Vec<Value>]) -> Vec<&Value> {
    sights.iter().map(|sight| &sight[0]["status"]).collect()
}

#[tokio::test]
async fn a_missing_task_is_left_out_of_the_answer() {
    let counts: Vec<_> = three_sights("a sim:missingx2")
        .await
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn one_task_can_make_a_whole_batch_404() {
    let upstream = Upstream::start().await;
    let (calm, id) = (
        upstream.accepted("Rain on Tin").await,
        upstream.accepted("a sim:batch-404").await,
    );
    assert_eq!(upstream.fetch(&[&calm, &id]).await.unwrap().status, 404);
    assert_eq!(upstream.fetch(&[&calm]).await.unwrap().status, 200);
    assert_eq!(upstream.counts().faults["batch-404"], 1);
}

#[tokio::test]
async fn statuses_can_be_unknown_never_seen_or_empty() {
    assert_eq!(
        statuses(&three_sights("a sim:unknown").await),
        ["UNKNOWN"; 3]
    );
    assert_eq!(
        statuses(&three_sights("a sim:weird-status").await),
        ["PENDING_REVIEW"; 3]
    );
    assert_eq!(statuses(&three_sights("a sim:empty-status").await), [""; 3]);
}

#[tokio::test]
async fn a_task_can_go_backwards_until_it_has_ended() {
    let there_and_back = three_sights("a sim:backwards sim:stuck sim:takes=0").await;
    assert_eq!(
        statuses(&there_and_back),
        ["IN_PROGRESS", "NOT_START", "IN_PROGRESS"]
    );
    assert_eq!(there_and_back[1][0]["progress"], "0%");
    let ended = three_sights("a sim:backwards sim:takes=0").await;
    assert_eq!(statuses(&ended), ["SUCCESS"; 3]);
}

#[tokio::test]
async fn a_reason_can_stand_beside_a_task_that_did_not_fail() {
    for sight in three_sights("a sim:early-reason").await {
        assert_ne!(sight[0]["fail_reason"], "");
        assert_ne!(sight[0]["status"], "FAILURE");
    }
}

#[tokio::test]
async fn a_task_can_stand_twice_without_data_or_with_wrong_types() {
    assert!(
        three_sights("a sim:twice")
            .await
            .iter()
            .all(|sight| sight.len() == 2 && sight[0] == sight[1])
    );
    assert!(
        three_sights("a sim:no-data sim:takes=0")
            .await
            .iter()
            .all(|sight| sight[0]["data"].is_null())
    );
    assert!(
        three_sights("a sim:malformed")
            .await
            .iter()
            .all(|sight| sight[0]["submit_time"].is_string())
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
    let answer = upstream.fetch(&[&id]).await.unwrap().json();
    let ids: Vec<_> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["task_id"])
        .collect();
    assert_eq!(ids[..2], [&json!(id), &json!(other)]);
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn every_fault_of_a_sight_happens_for_a_whole_run_too() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin").await;
    for &fault in Fault::ALL
        .iter()
        .filter(|fault| fault.kind() == Kind::Sighting)
    {
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
