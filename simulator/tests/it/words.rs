//! Faults ordered by words, from outside.

use serde_json::json;

use crate::upstream::Upstream;

#[tokio::test]
async fn words_of_one_kind_take_turns() {
    let upstream = Upstream::start().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            upstream
                .submit("Rain sim:429x2 sim:503x1")
                .await
                .unwrap()
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [429, 429, 503, 200]);
    assert_eq!(
        upstream
            .submit("Another rain sim:429x2")
            .await
            .unwrap()
            .status,
        429,
        "titles count for themselves"
    );
}

#[tokio::test]
async fn a_misspelt_word_is_refused_and_says_what_there_is() {
    let upstream = Upstream::start().await;
    let answer = upstream.submit("Rain sim:explode").await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("submit-drop-after"));
    assert_eq!(upstream.counts().invalid, 1);
}

#[tokio::test]
async fn lyrics_have_their_words_in_the_prompt_and_untitled_songs_in_the_description() {
    let upstream = Upstream::start().await;
    let lyrics = upstream
        .post("/suno/submit/lyrics", &json!({"prompt": "rain sim:422"}))
        .await
        .unwrap();
    assert_eq!(lyrics.status, 422);
    let described = json!({"gpt_description_prompt": "rain sim:402", "prompt": ""});
    assert_eq!(
        upstream
            .post("/suno/submit/music", &described)
            .await
            .unwrap()
            .status,
        402
    );
}

#[tokio::test]
async fn a_word_wins_over_the_run() {
    let upstream = Upstream::start().await;
    upstream.simulator.set_faults("503=1".parse().unwrap());
    assert_eq!(upstream.submit("Rain sim:429").await.unwrap().status, 429);
}
