//! Asking for songs as clients do who may get no answer.

use std::time::Duration;

use harness::client::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::record::{Answered, Asked, Record};

/// How long a client waits for one answer.
const ANSWER: Duration = Duration::from_mins(1);
/// How long a patient client asks for one and the same song.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a song is asked for with.
pub fn song(title: &str) -> Value {
    json!({"title": title, "prompt": "la"})
}

/// Asks once for a song of this title, under an idempotency key if `once` is one.
pub async fn ask(client: &Client, title: &str, once: Option<&str>) -> Answered {
    let mut request = client.post("/suno/submit/music").json(&song(title));
    if let Some(once) = once {
        request = request.header("Idempotency-Key", once);
    }
    let Ok(answer) = request.timeout(ANSWER).send().await else {
        return Answered::Open;
    };
    let status = answer.status().as_u16();
    match answer.text().await {
        Ok(body) => Answered::read(status, &body),
        // Cut in the middle.
        Err(_) => Answered::Open,
    }
}

/// Asks for a song again and again, under one idempotency key, until the answer leaves nothing open;
/// `clients` in turn, each the same user at another API. Notes every answer.
pub async fn ask_until_answered(clients: &[Client], title: &str, record: &Record) {
    let mut asked = Asked {
        title: title.to_owned(),
        user: clients[0].id,
        answers: Vec::new(),
    };
    let started = Instant::now();
    for client in clients.iter().cycle() {
        let answer = ask(client, title, Some(title)).await;
        asked.answers.push(answer.clone());
        if answer != Answered::Open {
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{title:?} is still open: {:?}",
            asked.answers
        );
        sleep(Duration::from_millis(200)).await;
    }
    record.note(asked);
}

/// Asks for song after song, `at_once` of them, until dropped or `until`; what is begun is ended.
pub async fn ask_on(clients: &[Client], at_once: usize, until: Instant, record: &Record) {
    let one = async |asker: usize| {
        let mut number = 0;
        while Instant::now() < until {
            let title = format!("Song {asker}-{number}");
            ask_until_answered(clients, &title, record).await;
            number += 1;
            sleep(Duration::from_millis(50)).await;
        }
    };
    futures_util::future::join_all((0..at_once).map(one)).await;
}
