//! An API that dies in the middle of a submit: with an idempotency key the same request again is the
//! same task, and without one there is nothing or all of it.

use super::evidence::{ann, ends, stored, upstream};
use super::{setup, words};
use crate::record::{Answered, Asked};
use crate::run::{Run, Scenario};
use crate::scenario::asking::ask;
use harness::proxy::Proxy;
use harness::proxy::gate::Pattern;

/// Nothing was committed.
pub const BEFORE_THE_COMMIT: Scenario = Scenario {
    name: "api-dies-before-the-commit",
    about: "An API is killed before its commit reaches the database: nothing was taken. The same request \
            again under its idempotency key is one task and one charge.",
    harsh: false,
    lasts: None,
    body: |run| {
        Box::pin(dies(
            run,
            &Gap {
                to_client: false,
                words: || vec![words::store(), words::commit()],
                stored: false,
            },
        ))
    },
};

/// It was committed, and the API never heard that it is.
pub const IN_THE_COMMIT: Scenario = Scenario {
    name: "api-dies-in-the-commit",
    about: "A submit is committed, and the API is killed before the database's answer reaches it. The \
            task is made; the same request again under its idempotency key is that task.",
    harsh: false,
    lasts: None,
    body: |run| {
        Box::pin(dies(
            run,
            &Gap {
                to_client: false,
                words: || vec![words::store(), words::commit(), words::committed()],
                stored: true,
            },
        ))
    },
};

/// It was answered, and the client never heard it.
pub const BEFORE_THE_ANSWER: Scenario = Scenario {
    name: "api-dies-before-its-answer",
    about: "A submit is committed, and the API is killed before its own answer reaches the client. The \
            task is made; the same request again under its idempotency key is that task.",
    harsh: false,
    lasts: None,
    body: |run| {
        Box::pin(dies(
            run,
            &Gap {
                to_client: true,
                words: || vec![Pattern::to_server("/suno/submit/music"), words::answered()],
                stored: true,
            },
        ))
    },
};

/// A moment in a submit.
struct Gap {
    /// Whether the words pass between the API and its client, or the database.
    to_client: bool,
    words: fn() -> Vec<Pattern>,
    /// Whether the task is there.
    stored: bool,
}

async fn dies(run: &Run, gap: &Gap) {
    run.on_site(&setup(), async |site| {
        let (ann, api) = (ann(site).await, &site.apis[0]);
        let front = Proxy::to(api.url.replace("http://", "")).await;
        *ann.base.lock().expect("nobody panicked") = format!("http://{}", front.address());
        let wire = if gap.to_client { &front } else { &api.postgres };
        let mut keyed = Asked {
            title: "With a key".to_owned(),
            user: ann.id,
            answers: Vec::new(),
        };
        for (title, once) in [("Without a key", None), ("With a key", Some("once"))] {
            let mut held = wire.hold(&(gap.words)());
            let kill = async {
                held.reached().await;
                api.kill().await;
                held.reset();
            };
            let (answer, ()) = tokio::join!(ask(&ann, title, once), kill);
            assert_eq!(answer, Answered::Open);
            api.serve().await;
            assert_eq!(stored(site, title).await, i64::from(gap.stored), "{title}");
            keyed.answers.extend(once.map(|_| answer));
        }
        for _ in 0..3 {
            keyed
                .answers
                .push(ask(&ann, "With a key", Some("once")).await);
        }
        assert_eq!(keyed.tasks().count(), 3, "{keyed:?}");
        let good = 1 + usize::from(gap.stored);
        ends(run, site, vec![keyed], good, 0).await;
        assert_eq!(stored(site, "With a key").await, 1);
        assert_eq!(upstream(site, "With a key").await, (1, 1));
        let made = u64::from(gap.stored);
        assert_eq!(upstream(site, "Without a key").await, (made, made));
    })
    .await;
}
