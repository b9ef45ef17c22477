//! Upstreams that print our key, their address and their ids wherever they can.

use harness::client::http;
use serde_json::Value;

use super::{QUICK, SOON, refunded};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;
use harness::client::{LYRICS, SONG};

/// The one that tells everything.
pub const LEAKS: Scenario = Scenario {
    name: "upstream-leaks",
    about: "An upstream prints our key, its address and its ids in every message and every fail_reason. None \
            of it is in any answer that a client or an administrator gets, in `task show`, in the \
            figures, or in a log at info.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(leaks(run)),
};

async fn leaks(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK)])
        .env("SUBMIT_ATTEMPTS", "1");
    run.on_site(&setup, async |site| {
        let (ann, root) = (
            Asker::new(site, "ann").await,
            Asker::new(site, "root").await,
        );
        site.execute("UPDATE users SET role = 'admin' WHERE name = 'root'")
            .await;
        let mut failed = Vec::new();
        for fault in ["fail", "refuse", "404", "503", "402"] {
            failed.push(ann.song(&format!("Tell sim:leak sim:{fault}")).await);
        }
        failed.push(ann.lyrics("tell a rhyme sim:leak sim:fail").await);
        let mut shown = Vec::new();
        for id in &failed {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains('…'), "{reason} hides nothing");
        }
        assert_eq!(refunded(site).await, 5 * SONG + LYRICS);
        let delayed = ["early-reason sim:takes=4s", "429x1", "fetch-500x1"];
        for fault in delayed {
            let id = ann.song(&format!("Tell sim:leak sim:{fault}")).await;
            ann.succeeds(&id, SOON).await;
            failed.push(id);
        }
        for id in &failed {
            ann.client.listed(id).await;
            shown.push(site.operator().json(&["task", "show", id]).await);
        }
        root.client.page("/api/task/").await;
        nobody_knows(site, &ann, &root, &shown).await;
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(
            sums.tasks,
            [("FAILURE".to_owned(), 6), ("SUCCESS".to_owned(), 3)].into()
        );
    })
    .await;
}

/// Looks for each secret everywhere.
async fn nobody_knows(site: &Site, ann: &Asker, root: &Asker, shown: &[Value]) {
    let channel = &site.channels[0];
    let upstream = &channel.upstream;
    let own = upstream.url.trim_start_matches("http://").to_owned();
    let secrets = [upstream.key.clone(), own, channel.wire.address()];
    let ids = upstream.ids().await;
    assert!(!ids.is_empty(), "it accepted nothing");
    for asker in [ann, root] {
        let heard = asker.client.heard.lock().expect("nobody panicked").clone();
        for text in heard {
            hides("an answer", &text, &secrets);
            hides("an answer", &text, &ids);
        }
    }
    // Operators ask `task show` for the upstream's id, among other things.
    for shown in shown {
        hides("`task show`", &shown.to_string(), &secrets);
    }
    for member in site.members() {
        hides("a log", &member.log(), &secrets);
        hides("a log", &member.log(), &ids);
        let figures = http().get(format!("{}/metrics", member.url)).send().await;
        let figures = figures.expect("it serves its figures").text().await;
        let figures = figures.expect("figures are a text");
        hides("the figures", &figures, &secrets);
        hides("the figures", &figures, &ids);
    }
}

fn hides(place: &str, text: &str, secrets: &[String]) {
    let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
    assert!(found.is_none(), "{found:?} stands in {place}: {text}");
}
