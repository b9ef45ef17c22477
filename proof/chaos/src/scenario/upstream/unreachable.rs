//! Upstreams that no connection can be made to, and wires that break while polls go.

use std::time::Duration;

use harness::wait::eventually;
use tokio::time::sleep;

use super::{SOON, accepted, switch};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;
use harness::servers::ports::free_port;

/// How many songs each part asks for.
const SONGS: usize = 8;

/// Refused, no TLS, no such name.
pub const UNREACHABLE: Scenario = Scenario {
    name: "upstream-unreachable",
    about: "Of four channels one refuses connections, one speaks no TLS where TLS is asked for, and one's name \
            does not resolve; then the wire to the good one is cut, reset and mute while polls go. No \
            task fails, and each is accepted once, by the good one.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(unreachable(run)),
};

async fn unreachable(run: &Run) {
    let setup = patient()
        .upstreams(&[("good", &["--song-time", "6s"])])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("SUBMIT_ATTEMPTS", "4");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let plain = site.channels[0].wire.address();
        for (name, url) in [
            ("refused", format!("http://127.0.0.1:{}", free_port())),
            ("no-tls", format!("https://{plain}")),
            ("no-name", "http://nobody.invalid".to_owned()),
        ] {
            let operator = site.operator();
            let preferred = ["--priority", "10"];
            operator
                .create_channel(name, &url, "none", &preferred)
                .await;
        }
        switch(site, "good", false).await;
        let tasks = ann.songs(&titles("Nowhere", SONGS)).await;
        sleep(Duration::from_secs(2)).await;
        for task in ann.client.tasks(&tasks).await {
            assert_eq!(
                task["status"], "NOT_START",
                "no channel can be reached: {task}"
            );
        }
        switch(site, "good", true).await;
        ann.all_succeed(&tasks, SOON).await;
        for name in ["refused", "no-tls", "no-name"] {
            switch(site, name, false).await;
        }
        wires_break(site, &ann).await;
        assert_eq!(accepted(site, 0).await, 2 * SONGS as u64);
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), 2 * SONGS)].into());
    })
    .await;
}

/// Polls meet a wire that is cut, one that is reset, and one that carries nothing.
async fn wires_break(site: &Site, ann: &Asker) {
    let tasks = ann.songs(&titles("Polled", SONGS)).await;
    eventually(SOON, "all to be accepted", async || {
        let tasks = ann.client.tasks(&tasks).await;
        tasks
            .iter()
            .all(|task| task["status"] != "NOT_START")
            .then_some(())
    })
    .await;
    let wire = &site.channels[0].wire;
    wire.cut();
    sleep(Duration::from_secs(3)).await;
    wire.reset();
    sleep(Duration::from_secs(3)).await;
    wire.black_hole();
    sleep(Duration::from_secs(5)).await;
    wire.mend();
    ann.all_succeed(&tasks, SOON).await;
}
