//! A database whose connections are reset in the one moment in which it matters.

use super::evidence::{TOO_LATE, ann, ends, history, logs, stored, upstream};
use super::{setup, words};
use crate::record::{Answered, Asked};
use crate::run::{Run, Scenario};
use crate::scenario::asking::{ask, song};
use harness::proxy::gate::Pattern;

/// In an API's commit.
pub const IN_A_SUBMIT: Scenario = Scenario {
    name: "database-resets-in-a-submit",
    about: "The connection to the database is reset in the commit of a submit, before it is carried and \
            after its answer is lost. The client is told that it failed: nothing was taken, or the task \
            is there, and asking again under the key is one charge.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(in_a_submit(run)),
};

async fn in_a_submit(run: &Run) {
    run.on_site(&setup(), async |site| {
        let (ann, api) = (ann(site).await, &site.apis[0]);
        let before = vec![words::store(), words::commit()];
        let after = [&before[..], &[words::committed()]].concat();
        let mut asked = Vec::new();
        for (title, words, there) in [("Before", before, 0), ("After", after, 1)] {
            let mut held = api.postgres.hold(&words);
            let reset = async {
                held.reached().await;
                held.reset();
            };
            let body = song(title);
            let submit = ann.submit_once("music", &body, Some(title));
            let (failed, ()) = tokio::join!(submit, reset);
            assert_eq!(failed.status, 500, "{}", failed.text);
            assert_eq!(failed.json["code"], "internal_error");
            assert_eq!(stored(site, title).await, there, "{title}");
            asked.push(Asked {
                title: title.to_owned(),
                user: ann.id,
                answers: vec![Answered::Open],
            });
        }
        // Only now: a connection that has stored a task would do so without saying its words.
        for asked in &mut asked {
            for _ in 0..2 {
                let answer = ask(&ann, &asked.title, Some(&asked.title)).await;
                asked.answers.push(answer);
            }
        }
        assert!(
            asked.iter().all(|asked| asked.tasks().count() == 2),
            "{asked:?}"
        );
        ends(run, site, asked, 2, 0).await;
        assert_eq!(upstream(site, "Before").await, (1, 1));
        assert_eq!(upstream(site, "After").await, (1, 1));
    })
    .await;
}

/// In everything a worker writes.
pub const IN_A_WORKER: Scenario = Scenario {
    name: "database-resets-in-a-worker",
    about: "Of one song, the worker's connection to the database is reset in the claim of the submit, in \
            \"accepted\" and in the end, each once before it is carried and once after its answer is \
            lost. It is sent once and succeeds, each step written down once.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(in_a_worker(run)),
};

async fn in_a_worker(run: &Run) {
    run.on_site(&setup(), async |site| {
        let (ann, worker) = (ann(site).await, &site.workers[0]);
        let claim = [words::claim_submit(), words::parsed(), words::execute()];
        let accept = words::accepting();
        let end = [words::end(), words::commit()];
        let moments: [Vec<Pattern>; 6] = [
            claim.to_vec(),
            [&claim[..], &[words::one_row()]].concat(),
            accept.to_vec(),
            [&accept[..], &[words::one_row()]].concat(),
            end.to_vec(),
            [&end[..], &[words::committed()]].concat(),
        ];
        let mut next = worker.postgres.hold(&moments[0]);
        let task = ann.song("Rain").await;
        for words in &moments[1..] {
            next.reached().await;
            // Whoever said the words before is reset: on any other connection they are new.
            let after = worker.postgres.hold(words);
            std::mem::replace(&mut next, after).reset();
        }
        next.reached().await;
        next.reset();
        ends(run, site, Vec::new(), 1, 0).await;
        assert_eq!(upstream(site, "Rain").await, (1, 1));
        // The second "accepted" found that somebody had been there: itself.
        logs(worker, &[TOO_LATE]).await;
        let happened = history(site, &task).await;
        for once in ["stored", "sending", "accepted", "ended"] {
            assert_eq!(happened.get(once), Some(&1), "{once}: {happened:?}");
        }
        assert_eq!(happened.get("refunded"), None, "{happened:?}");
    })
    .await;
}
