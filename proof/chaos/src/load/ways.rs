//! What a client does: asks once, asks until it is answered, asks twice at once, hangs up.

use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::Load;
use super::people::Person;
use crate::record::{Answered, Asked};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The wait before it asks again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it asks again once the load is to stop: by then everything works.
const LAST_TRIES: usize = 60;

/// What a client asks for, and with which credentials.
struct Wish {
    url: String,
    key: String,
    body: Value,
}

impl Load {
    /// Asks once, and takes what comes.
    pub(super) async fn ask_once(&self, person: &Person, title: &str, random: &mut StdRng) {
        self.tally.count("asked once");
        let wish = Wish::of(person, title, random);
        let answer = self.ask(person, &wish, None).await;
        self.note(person, title, vec![answer]);
    }

    /// Asks again under an idempotency key until there is an answer.
    pub(super) async fn ask_until_answered(
        &self,
        person: &Person,
        title: &str,
        random: &mut StdRng,
    ) {
        self.tally.count("asked until answered");
        let wish = Wish::of(person, title, random);
        let answers = self.insist(person, &wish, title).await;
        self.note(person, title, answers);
    }

    /// Asks several times at once under one idempotency key.
    pub(super) async fn ask_twice_at_once(
        &self,
        person: &Person,
        title: &str,
        random: &mut StdRng,
    ) {
        self.tally.count("asked as twins");
        let wish = Wish::of(person, title, random);
        let twins = random.random_range(2..=4);
        let asking = (0..twins).map(|_| self.insist(person, &wish, title));
        let answers = join_all(asking).await.into_iter().flatten().collect();
        self.note(person, title, answers);
    }

    /// Sends a request, whole or in part, and goes.
    pub(super) async fn hang_up(&self, person: &Person, title: &str, random: &mut StdRng) {
        self.tally.count("hung up");
        let wish = Wish::of(person, title, random);
        let (text, address) = wish.as_text();
        let sent = match random.random_range(0..4) {
            0 => random.random_range(0..text.len()),
            _ => text.len(),
        };
        let stays = Duration::from_millis(random.random_range(0..40));
        self.note(person, title, vec![Answered::Open]);
        if let Ok(mut connection) = TcpStream::connect(address).await {
            let _ = connection.write_all(&text.as_bytes()[..sent]).await;
            sleep(stays).await;
        }
    }

    async fn insist(&self, person: &Person, wish: &Wish, once: &str) -> Vec<Answered> {
        let mut answers = Vec::new();
        let mut last_tries = 0;
        loop {
            let answer = self.ask(person, wish, Some(once)).await;
            let answered = answer != Answered::Open;
            answers.push(answer);
            if answered {
                return answers;
            }
            self.tally.count("asked again");
            if self.is_stopping() {
                last_tries += 1;
                assert!(last_tries < LAST_TRIES, "{once:?} is never answered");
            }
            sleep(AGAIN).await;
        }
    }

    async fn ask(&self, person: &Person, wish: &Wish, once: Option<&str>) -> Answered {
        let mut request = person.client.http.post(&wish.url).bearer_auth(&wish.key);
        if let Some(once) = once {
            request = request.header("Idempotency-Key", once);
        }
        let asked = Instant::now();
        let answer = request.timeout(PATIENCE).json(&wish.body).send().await;
        let Ok(answer) = answer else {
            self.tally.count("no answer");
            return Answered::Open;
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.text().await else {
            self.tally.count("no answer");
            return Answered::Open;
        };
        self.tally.count(format!("answered {status}"));
        let answered = Answered::read(status, &body);
        if matches!(answered, Answered::Task(_)) {
            self.times.note(asked.elapsed());
        }
        answered
    }

    fn note(&self, person: &Person, title: &str, answers: Vec<Answered>) {
        for answer in &answers {
            if let Answered::Task(id) = answer {
                self.seen.expect(person.client.id, id);
            }
        }
        self.record.note(Asked {
            title: title.to_owned(),
            user: person.client.id,
            answers,
        });
    }
}

impl Wish {
    /// A song, or now and then lyrics, by one of the person's keys.
    fn of(person: &Person, title: &str, random: &mut StdRng) -> Self {
        let key = &person.keys[random.random_range(0..person.keys.len())];
        let base = person.client.base.lock().expect("nobody panicked").clone();
        let (action, body) = match random.random_range(0..5) {
            0 => ("lyrics", json!({ "prompt": title })),
            _ => (
                "music",
                json!({"title": title, "tags": "folk", "prompt": "la"}),
            ),
        };
        Self {
            url: format!("{base}/suno/submit/{action}"),
            key: key.clone(),
            body,
        }
    }

    /// The request as it goes over the wire, and to where.
    fn as_text(&self) -> (String, String) {
        let url = self.url.trim_start_matches("http://");
        let (address, path) = url.split_once('/').unwrap_or((url, ""));
        let (key, body) = (&self.key, self.body.to_string());
        let length = body.len();
        let text = format!(
            "POST /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        (text, address.to_owned())
    }
}
