//! Every fault of a submit: what the client sees, and whether a task was made.

use std::time::Duration;

use serde_json::json;
use suno_simulator::{Fault, Kind, Options};

use crate::{
    seen::{Seen, see},
    upstream::{Upstream, always, faults, quick},
};

/// What a client sees of a fault, and how many tasks are made.
pub fn expected(fault: Fault) -> (Seen, u64) {
    match fault {
        Fault::Submit429 | Fault::Submit429RetryAfter => (Seen::Error(429), 0),
        Fault::Submit500 => (Seen::Error(500), 0),
        Fault::Submit502 => (Seen::Page(502), 0),
        Fault::Submit503 => (Seen::Error(503), 0),
        Fault::Submit401 => (Seen::Error(401), 0),
        Fault::Submit402 => (Seen::Error(402), 0),
        Fault::Submit403 => (Seen::Error(403), 0),
        Fault::SubmitRefuse => (Seen::Error(400), 0),
        Fault::Submit404 => (Seen::Error(404), 0),
        Fault::Submit422 => (Seen::Error(422), 0),
        Fault::SubmitDropBefore => (Seen::Cut, 0),
        Fault::SubmitDropAfter => (Seen::Cut, 1),
        Fault::SubmitHangBefore => (Seen::Silence, 0),
        Fault::SubmitHangAfter | Fault::SubmitWait => (Seen::Silence, 1),
        Fault::SubmitCode => (Seen::Error(200), 0),
        Fault::SubmitHtml => (Seen::Page(200), 0),
        Fault::SubmitEmpty => (Seen::Nonsense, 1),
        Fault::SubmitNoId | Fault::SubmitDrip | Fault::SubmitHuge => (Seen::Success, 1),
        Fault::SubmitTorn => (Seen::Half, 1),
        Fault::Submit504 => (Seen::Page(504), 1),
        Fault::Submit408 => (Seen::Error(408), 1),
        Fault::SubmitLate502 => (Seen::Page(502), 1),
        Fault::SubmitDetail => (Seen::Nonsense, 0),
        _ => unreachable!("{fault} is no fault of a submit"),
    }
}

#[tokio::test]
async fn every_fault_of_a_submit_shows_itself_and_accepts_what_it_says() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Submit) {
        let before = upstream.counts().submits.accepted;
        upstream.simulator.set_faults(always(fault));
        let (expected, accepted) = expected(fault);
        let lyrics = json!({"prompt": format!("a song about {fault}")});
        let answer = upstream.post("/suno/submit/lyrics", &lyrics);
        assert_eq!(see(&upstream, answer, &expected).await, expected, "{fault}");
        let counts = upstream.counts();
        assert_eq!(counts.submits.accepted - before, accepted, "{fault}");
        assert_eq!(counts.faults[fault.name()], 1, "{fault}");
        assert_eq!(
            counts.max_accepted_per_title,
            u32::from(counts.submits.accepted > 0)
        );
    }
}

#[tokio::test]
async fn every_fault_of_a_submit_can_be_ordered_in_a_title() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Submit) {
        let (first, accepted) = expected(fault);
        let title = format!("Rain on Tin sim:{fault}x1");
        for expected in [first, Seen::Success] {
            let seen = see(&upstream, upstream.submit(&title), &expected).await;
            assert_eq!(seen, expected, "{fault}");
        }
        let query = format!("title={}", title.replace(' ', "%20"));
        let listed = upstream.get(&format!("/simulator/submits?{query}")).await;
        assert_eq!(
            (&listed["asked"], &listed["accepted"]),
            (&json!(2), &json!(1 + accepted)),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn retry_after_is_there_only_where_it_is_said_to_be() {
    let upstream = Upstream::with(Options {
        retry_after: Duration::from_millis(6_500),
        ..quick()
    })
    .await;
    let without = upstream.submit("a sim:429").await.unwrap();
    assert_eq!(without.headers.get("retry-after"), None);
    let with = upstream.submit("a sim:429-retry-after").await.unwrap();
    assert_eq!(with.headers["retry-after"], "7");
}

#[tokio::test]
async fn an_answer_of_megabytes_is_a_success_of_that_size() {
    let upstream = Upstream::start().await;
    let answer = upstream.submit("a sim:huge").await.unwrap();
    assert!(answer.text().len() > 3 * 1024 * 1024);
    assert_eq!(answer.json()["data"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn an_answer_byte_by_byte_takes_its_time() {
    let upstream = Upstream::with(Options {
        drip: Duration::from_millis(2),
        ..quick()
    })
    .await;
    let begun = tokio::time::Instant::now();
    let answer = upstream.submit("a sim:drip").await.unwrap();
    let bytes = u32::try_from(answer.text().len()).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(2) * bytes);
    assert_eq!(answer.json()["code"], "success");
}

#[tokio::test]
async fn a_submit_that_waits_is_answered_once_its_task_is_done() {
    let upstream = Upstream::start().await;
    upstream.simulator.set_faults(always(Fault::SubmitWait));
    let song = upstream.submit("Songs are answered at once");
    let seen = see(&upstream, song, &Seen::Success).await;
    assert_eq!(seen, Seen::Success);
    let lyrics = json!({"prompt": "rain"});
    let waiting = upstream.post("/suno/submit/lyrics", &lyrics);
    let finish = async {
        upstream.until(|counts| counts.submits.accepted == 2).await;
        assert_eq!(upstream.simulator.finish_all(), 2);
    };
    let (answer, ()) = tokio::join!(waiting, finish);
    let id = answer.unwrap().json()["data"].as_str().unwrap().to_owned();
    assert_eq!(upstream.task(&id).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_message_that_leaks_holds_the_key_and_the_base_url() {
    let upstream = Upstream::start().await;
    let answer = upstream
        .submit("a sim:leak sim:refuse")
        .await
        .unwrap()
        .json();
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(crate::upstream::KEY) && message.contains(&upstream.simulator.base_url()),
        "{message}"
    );
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed_and_titles_in_any_order() {
    async fn refused(seed: u64, titles: impl Iterator<Item = u32>) -> Vec<u32> {
        let faults = "submit-503=50%".parse().unwrap();
        let upstream = Upstream::with(Options {
            seed,
            faults,
            ..quick()
        })
        .await;
        let mut refused = Vec::new();
        for n in titles {
            if upstream.status(&format!("Song {n}")).await == 503 {
                refused.push(n);
            }
        }
        refused.sort_unstable();
        refused
    }
    let one = refused(7, 0..40).await;
    assert!((5..35).contains(&one.len()));
    assert_eq!(one, refused(7, (0..40).rev()).await);
    assert_ne!(one, refused(8, 0..40).await);
}
