//! A connection to the database is reset at a write.

use super::{ends, setup};
use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "database-resets-in-a-worker",
            "For one song, the worker's connection to the database is reset in the claim of the \
             submit, in \"accepted\" and in the end, each once before the database gets it and once \
             before the answer arrives. The song is sent once and succeeds, each step recorded once.",
            in_a_worker,
        ),
        Scenario::new(
            "database-resets-in-a-submit",
            "The API's connection to the database is reset in the commit of a submit, before the \
             database gets it and before the answer arrives. The client gets a 500: the task exists \
             or it does not, and the submit, repeated under its key, is one charge.",
            in_a_submit,
        ),
    ]
}

async fn in_a_submit(run: &Run) {
    run.on_cluster(&setup(), async |cluster| {
        let (ann, api) = (PatientClient::new(cluster, "ann").await, &cluster.apis[0]);
        let cases: [(_, &[Pattern], _); 2] = [
            ("Before", &[STORE, COMMIT], 0),
            ("After", &[STORE, COMMIT, COMMITTED], 1),
        ];
        for (title, patterns, committed) in cases {
            let mut held = api.postgres().hold(patterns);
            let reset = async {
                held.reached().await;
                held.reset();
            };
            let body = song(title);
            let submit = ann.client.submit_once("music", &body, Some(title));
            let (failed, ()) = tokio::join!(submit, reset);
            assert_eq!(failed.status, 503, "{}", failed.text);
            assert_eq!(failed.json["code"], "busy");
            assert_eq!(stored(cluster, title).await, committed, "{title}");
        }
        // After both cases: a connection that has stored a task does not send the statement again.
        for (title, ..) in cases {
            let mut answers = vec![SubmitAnswer::Unknown];
            for _ in 0..2 {
                answers.push(ann.try_song(title, Some(title)).await);
            }
            let submit = ann.log(title, answers);
            assert_eq!(submit.tasks().count(), 2, "{submit:?}");
        }
        ends(run, cluster, &ann, 2, 0).await;
        for (title, ..) in cases {
            assert_eq!(submits_of(cluster, title).await, (1, 1));
        }
    })
    .await;
}

async fn in_a_worker(run: &Run) {
    run.on_cluster(&setup(), async |cluster| {
        let (ann, worker) = (
            PatientClient::new(cluster, "ann").await,
            &cluster.workers[0],
        );
        let steps: [&[Pattern]; 6] = [
            &[CLAIM, COMMIT],
            &[CLAIM, COMMIT, COMMITTED],
            &[ACCEPT, PARSED, EXECUTE],
            &[ACCEPT, PARSED, EXECUTE, ONE_ROW],
            &[END, COMMIT],
            &[END, COMMIT, COMMITTED],
        ];
        let mut next = worker.postgres().hold(steps[0]);
        let task = ann.client.song("Rain").await;
        for patterns in &steps[1..] {
            next.reached().await;
            // The connection that sent the statement is reset, so another one sends it again.
            let after = worker.postgres().hold(patterns);
            std::mem::replace(&mut next, after).reset();
        }
        next.reached().await;
        next.reset();
        ends(run, cluster, &ann, 1, 0).await;
        assert_eq!(submits_of(cluster, "Rain").await, (1, 1));
        // The second "accepted" found the first one committed.
        logs(worker, &[TOO_LATE]).await;
        let happened = history(cluster, &task).await;
        for once in ["stored", "sending", "accepted", "ended"] {
            assert_eq!(happened.get(once), Some(&1), "{once}: {happened:?}");
        }
        assert_eq!(happened.get("refunded"), None, "{happened:?}");
    })
    .await;
}
