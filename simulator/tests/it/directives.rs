//! Faults ordered by directives.

use serde_json::json;

use crate::upstream::Upstream;

#[tokio::test]
async fn directives_of_one_kind_apply_in_order() {
    let upstream = Upstream::start().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(upstream.status("Rain sim:429x2 sim:503x1").await);
    }
    assert_eq!(statuses, [429, 429, 503, 200]);
    let another = upstream.status("Another rain sim:429x2").await;
    assert_eq!(another, 429, "each title has its own count");
}

#[tokio::test]
async fn a_misspelt_directive_is_refused_with_a_list_of_faults() {
    let upstream = Upstream::start().await;
    let answer = upstream.submit("Rain sim:explode").await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("submit-drop-after"));
    assert_eq!(upstream.counts().invalid, 1);
}

#[tokio::test]
async fn lyrics_have_their_directives_in_the_prompt_and_untitled_songs_in_the_description() {
    let upstream = Upstream::start().await;
    let lyrics = json!({"prompt": "rain sim:422"});
    let refused = upstream.post("/suno/submit/lyrics", &lyrics).await.unwrap();
    assert_eq!(refused.status, 422);
    let described = json!({"gpt_description_prompt": "rain sim:402", "prompt": ""});
    let refused = upstream
        .post("/suno/submit/music", &described)
        .await
        .unwrap();
    assert_eq!(refused.status, 402);
}

#[tokio::test]
async fn a_directive_overrides_the_run() {
    let upstream = Upstream::start().await;
    upstream.simulator.set_faults("503=1".parse().unwrap());
    assert_eq!(upstream.status("Rain sim:429").await, 429);
}
