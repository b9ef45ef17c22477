//! An API is killed in a submit. Repeated under its idempotency key, the submit is one task; without
//! a key it is one task or none.

use super::{ends, setup};
use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "api-dies-before-the-commit",
            "An API is killed before its commit reaches the database: nothing is stored or charged. \
             Repeated under its idempotency key, the submit is one task and one charge.",
            async |run| crash(run, false, &[STORE, COMMIT], 0).await,
        ),
        Scenario::new(
            "api-dies-in-the-commit",
            "A submit is committed, and the API is killed before the database's answer arrives. The \
             task is made; repeated under its idempotency key, the submit is that task.",
            async |run| crash(run, false, &[STORE, COMMIT, COMMITTED], 1).await,
        ),
        Scenario::new(
            "api-dies-before-its-answer",
            "A submit is committed, and the API is killed before its answer reaches the client. The \
             task is made; repeated under its idempotency key, the submit is that task.",
            async |run| crash(run, true, &[SUBMIT, OK], 1).await,
        ),
    ]
}

/// Kills the API at the last of these patterns, between the API and its client or its database.
/// `committed`: how many tasks a killed submit leaves.
async fn crash(run: &Run, to_client: bool, patterns: &[Pattern], committed: usize) {
    run.on_cluster(&setup(), async |cluster| {
        let (mut ann, api) = (PatientClient::new(cluster, "ann").await, &cluster.apis[0]);
        let front = Proxy::to(api.url.replace("http://", "")).await;
        ann.client.url = format!("http://{}", front.address());
        let wire = if to_client { &front } else { api.postgres() };
        let mut answers = Vec::new();
        for (title, key) in [("Without a key", None), ("With a key", Some("once"))] {
            let mut held = wire.hold(patterns);
            let kill = async {
                held.reached().await;
                api.kill().await;
                held.reset();
            };
            let (answer, ()) = tokio::join!(ann.try_song(title, key), kill);
            assert_eq!(answer, SubmitAnswer::Unknown);
            api.serve().await;
            assert_eq!(
                usize::try_from(stored(cluster, title).await),
                Ok(committed),
                "{title}"
            );
            answers.extend(key.map(|_| answer));
        }
        for _ in 0..3 {
            answers.push(ann.try_song("With a key", Some("once")).await);
        }
        let submit = ann.log("With a key", answers);
        assert_eq!(submit.tasks().count(), 3, "{submit:?}");
        ends(run, cluster, &ann, 1 + committed, 0).await;
        assert_eq!(stored(cluster, "With a key").await, 1);
        assert_eq!(submits_of(cluster, "With a key").await, (1, 1));
        let made = committed as u64;
        assert_eq!(submits_of(cluster, "Without a key").await, (made, made));
    })
    .await;
}
