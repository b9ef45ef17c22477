//! A song that is made after we gave it up.

use std::time::Duration;

use harness::wait::eventually;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{QUICK, SOON, refunded, seen};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;
use harness::client::SONG;

/// Success past the deadline.
pub const LATE: Scenario = Scenario {
    name: "upstream-finishes-late",
    about: "An upstream makes one song, and fails another, after they were given up at their deadline and \
            refunded. Both results go into the history; the money and what the client sees stay.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(late(run)),
};

async fn late(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK)])
        .env("TASK_TIMEOUT", "10s");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let titles = ["Too late sim:takes=1h", "Too late and bad sim:takes=1h"];
        let mut before = Vec::new();
        let mut ids = Vec::new();
        for title in titles {
            ids.push(ann.song(title).await);
        }
        for id in &ids {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("deadline"), "{reason}");
            before.push(ann.client.listed(id).await);
        }
        let upstream = &site.channels[0].upstream;
        upstream.finish(json!({"title": titles[0]})).await;
        upstream
            .finish(json!({"title": titles[1], "fail": true}))
            .await;
        // The first look at what was given up comes a minute after: here it is due now.
        site.execute("UPDATE late_tasks SET due_at = 0").await;
        for (id, status) in ids.iter().zip(["SUCCESS", "FAILURE"]) {
            let noted = noted(site, id).await;
            assert!(noted.starts_with(status), "{noted}");
        }
        // And nothing comes after it.
        sleep(Duration::from_secs(1)).await;
        for (id, before) in ids.iter().zip(&before) {
            assert_eq!(ann.client.listed(id).await, *before);
        }
        assert_eq!(refunded(site).await, 2 * SONG);
        for title in titles {
            assert_eq!(seen(site, title).await, (1, 1));
        }
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("FAILURE".to_owned(), 2)].into());
    })
    .await;
}

/// What the history says of the late result, once it does; it says it once.
async fn noted(site: &Site, id: &str) -> String {
    eventually(SOON, "the late result in the history", async || {
        let shown = site.operator().json(&["task", "show", id]).await;
        let history = shown["history"].as_array().expect("a history is a list");
        let late: Vec<&Value> = history
            .iter()
            .filter(|event| event["kind"] == "late")
            .collect();
        assert!(late.len() < 2, "{shown}");
        let detail = late.first()?["detail"]
            .as_str()
            .expect("a detail is a text");
        Some(detail.to_owned())
    })
    .await
}
