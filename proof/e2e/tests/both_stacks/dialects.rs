//! What clients see is the same whichever dialect a channel speaks.

use e2e::{Kind, on, on_both, setup};
use harness::client::{LYRICS, SONG};
use harness::cluster::{Cluster, QUICK, Setup};
use harness::dialects::{DIALECTS, Dialect};
use libtest_mimic::Trial;
use serde_json::json;

use crate::success;

/// A dialect in which scenarios run.
pub struct In(&'static Dialect);

/// The scenarios in each dialect.
pub fn in_each(scenarios: impl Fn(&In) -> Vec<Trial>) -> Vec<Trial> {
    DIALECTS
        .iter()
        .flat_map(|dialect| scenarios(&In(dialect)))
        .collect()
}

impl In {
    /// What a scenario stands on.
    pub fn setup(&self) -> Setup {
        setup().channel(self.0.channel).form(self.0.form.as_ref())
    }

    /// Whether a fetch asks about many tasks.
    pub fn has_batches(&self) -> bool {
        self.0.has_batches
    }

    /// A scenario: on both stacks, if the dialect is one of the platform suno.
    pub fn on<F>(&self, name: &str, setup: &Setup, scenario: F) -> Vec<Trial>
    where
        F: AsyncFnOnce(&Cluster) + Copy + Send + 'static,
    {
        let name = format!("{name} ({})", self.0.name);
        match self.0.form {
            None => on_both(&name, setup, scenario).into(),
            Some(_) => vec![on(Kind::Separate, &name, setup.clone(), scenario)],
        }
    }
}

pub fn scenarios() -> Vec<Trial> {
    let two = setup().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    let both = on_both(
        "songs, lyrics and continuations at channels of the dialect sunoapi",
        &two.channel(&["--dialect", "sunoapi", "--actions", "song,lyrics,wav"]),
        at_a_vendor,
    );
    both.into()
}

async fn at_a_vendor(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let lyrics = user.lyrics("a lullaby for a robot").await;
    let body = json!({"title": "Rain on Tin", "tags": "folk", "prompt": "[Verse]\nRain", "mv": "chirp-crow",
                      "make_instrumental": false, "vocalGender": "f"});
    let first = user.submit("music", &body).await.task_id();
    let described = json!({"gpt_description_prompt": "rain on a tin roof"});
    let described = user.submit("music", &described).await.task_id();

    let lyrics = success(&user, &lyrics).await;
    let text = lyrics["data"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("[Verse]"), "{lyrics}");
    let described = success(&user, &described).await;
    let made = success(&user, &first).await;
    for song in [&described, &made] {
        let clips = song["data"].as_array().expect("a song's data are clips");
        assert_eq!(clips.len(), 2, "{song}");
        for clip in clips {
            assert_eq!(clip["status"], "complete", "{song}");
            let audio = clip["audio_url"].as_str().unwrap_or_default();
            assert!(audio.starts_with("https://"), "{song}");
            assert!(clip["metadata"]["duration"].is_number(), "{song}");
            assert_eq!(clip["raw"]["audioUrl"], clip["audio_url"], "{song}");
        }
    }
    assert_eq!(made["data"][0]["title"], "Rain on Tin");
    assert_eq!(made["data"][0]["metadata"]["tags"], "folk");

    let mut maker = None;
    for upstream in cluster.channels.iter().map(|channel| &channel.upstream) {
        let submits = upstream.submits("Rain on Tin").await;
        if submits["accepted"] == 1 {
            let sent = &submits["latest"][0]["body"];
            assert_eq!(sent["customMode"], true, "{sent}");
            assert_eq!(sent["style"], "folk", "{sent}");
            assert_eq!(sent["model"], "V5", "{sent}");
            assert_eq!(sent["vocalGender"], "f", "{sent}");
            maker = Some(upstream);
        }
    }
    let maker = maker.expect("one of them made it");
    let clip = &made["data"][0]["id"];
    for number in 0..4 {
        let title = format!("Second Half {number}");
        let more = json!({"title": title, "prompt": "[Outro]", "continue_at": 42.5,
                          "continue_clip_id": clip});
        let id = user.submit("music", &more).await.task_id();
        success(&user, &id).await;
        let sent = maker.submits(&title).await;
        let sent = &sent["latest"][0]["body"];
        assert_eq!(sent["audioId"], *clip, "{sent}");
        assert_eq!(sent["continueAt"], 42.5, "{sent}");
        assert_eq!(sent.get("task_id"), None, "{sent}");
    }
    let fetches = maker.fetches().await;
    assert!(fetches.ids <= fetches.calls, "{fetches:?}");

    let cover = json!({"title": "Cover", "cover_clip_id": clip, "prompt": "x"});
    let cover = user.submit("music", &cover).await.task_id();
    success(&user, &cover).await;
    let asked = maker.submits("Cover").await;
    let asked = &asked["latest"][0]["body"];
    assert_eq!(asked["uploadUrl"], made["data"][0]["audio_url"], "{asked}");
    cluster.operator().set_price("suno", "wav", 9).await;
    let wav = user
        .submit("wav", &json!({"clip_id": clip}))
        .await
        .task_id();
    let wav = success(&user, &wav).await;
    let address = wav["data"].as_str().unwrap_or_default();
    assert!(
        address.starts_with("https://") && address.rsplit('.').next() == Some("wav"),
        "{wav}"
    );
    let persona = json!({"title": "Persona", "artist_clip_id": clip, "persona_id": "p"});
    let persona = user.submit("music", &persona).await.task_id();
    let reason = crate::failure(&user, &persona).await;
    assert!(reason.contains("makes no songs with a persona"), "{reason}");
    let spent = 7 * SONG + LYRICS + 9;
    assert_eq!(cluster.quota("ann").await, (10 * SONG - spent, spent));
}
