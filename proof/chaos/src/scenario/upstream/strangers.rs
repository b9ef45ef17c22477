//! Answers about tasks that nobody asked for, and about one task twice.

use serde_json::json;

use super::SOON;
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};

/// Strangers in every answer.
pub const STRANGERS: Scenario = Scenario {
    name: "upstream-answers-about-strangers",
    about: "Every answer holds tasks that were never asked for, some tasks stand in it twice, and some come \
            malformed once. Every task ends with its own song, and there are no others.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(strangers(run)),
};

async fn strangers(run: &Run) {
    let setup = patient().upstreams(&[("first", &["--song-time", "3s..5s"])]);
    run.on_site(&setup, async |site| {
        let upstream = &site.channels[0].upstream;
        upstream.set_faults(json!({"fetch-strangers": 1})).await;
        let ann = Asker::new(site, "ann").await;
        let faults = ["twice", "malformedx1", "twice sim:malformedx1"];
        let odd = faults.map(|fault| format!("Odd sim:{fault}")).into_iter();
        let all: Vec<String> = odd.chain(titles("Plain", 8)).collect();
        let tasks = ann.songs(&all).await;
        for (id, title) in tasks.iter().zip(&all) {
            let task = ann.succeeds(id, SOON).await;
            let clips = task["data"].as_array().expect("a song is a list of clips");
            assert_eq!(clips.len(), 2, "{task}");
            for clip in clips {
                assert_eq!(clip["title"], **title, "another's song: {task}");
            }
        }
        let page = ann.client.page("/api/task/self").await;
        assert_eq!(page["total"], all.len(), "{page}");
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), all.len())].into());
    })
    .await;
}
