//! Answers about tasks that nobody asked for, and about one task twice.

use serde_json::json;

use super::with_ann;
use crate::clients::{patient, titles};
use crate::run::Run;
use crate::scenario::observe::SOON;

/// `upstream-answers-about-strangers`.
pub async fn strangers(run: &Run) {
    let setup = patient().upstreams(&[("first", &["--song-time", "3s..5s"])]);
    with_ann(run, &setup, async |cluster, ann| {
        let upstream = &cluster.channels[0].upstream;
        upstream.set_faults(json!({"fetch-strangers": 1})).await;
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
        (all.len(), 0)
    })
    .await;
}
