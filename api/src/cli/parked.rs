//! `parked …`: messages that no worker can handle, looked at, put back, dropped.
//!
//! A message only says "look at this task now": the task itself is in the database, and the sweep
//! finds it. So to put a message back, twice even, or to drop it, can cost time, never money or a
//! task.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::broker::Queue;
use shared::broker::parking::{Parked, ParkedPage, Requeued};
use shared::broker::rabbitmq::Parking;
use shared::clock::Millis;

use super::table::table;
use super::task::beginning;
use super::{Answer, Refusal};

/// How many messages are looked at, or put back, unless more are asked for.
const A_FEW: u64 = 20;

/// What can be done with parked messages.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// ParkedPage at the oldest; they stay where they are
    List {
        /// How many, at most
        #[arg(long, default_value_t = A_FEW, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
    /// Put the oldest back into the queues that they came from; without --limit and --all 20
    Requeue {
        #[allow(missing_docs, reason = "a doc comment would end up in the help")]
        #[command(flatten)]
        how_many: HowMany,
    },
    /// Drop the oldest, and print them; their tasks are left to the sweep
    Drop {
        #[allow(missing_docs, reason = "a doc comment would end up in the help")]
        #[command(flatten)]
        exactly: Exactly,
    },
}

/// How many messages.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct HowMany {
    /// At most so many
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// All that are parked now
    #[arg(long)]
    all: bool,
}

/// How many messages, for what cannot be taken back: it has to be said.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub struct Exactly {
    /// At most so many
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// All that are parked now
    #[arg(long)]
    all: bool,
}

impl From<Exactly> for HowMany {
    fn from(Exactly { limit, all }: Exactly) -> Self {
        Self { limit, all }
    }
}

impl HowMany {
    fn most(self) -> u64 {
        if self.all {
            u64::MAX
        } else {
            self.limit.unwrap_or(A_FEW)
        }
    }
}

#[derive(Serialize)]
struct Looked<'a> {
    parked: u64,
    messages: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Dropped<'a> {
    dropped: Vec<Listed<'a>>,
}

/// `parked_at` in Unix milliseconds.
#[derive(Serialize)]
struct Listed<'a> {
    parked_at: Option<i64>,
    queue: Option<&'static str>,
    reason: Option<&'a str>,
    problem: Option<&'a str>,
    times: u64,
    body: &'a str,
}

#[derive(Serialize)]
struct Done {
    requeued: u64,
    unknown: u64,
    left: u64,
}

impl Command {
    pub(super) async fn answer(self, parking: &Parking) -> Result<Answer, Refusal> {
        match self {
            Self::List { limit } => looked(&parking.page(limit).await?),
            Self::Requeue { how_many } => put_back(parking.requeue(how_many.most()).await?),
            Self::Drop { exactly } => {
                let most = HowMany::from(exactly).most();
                dropped(&parking.delete(most).await?)
            }
        }
    }
}

fn looked(look: &ParkedPage) -> Result<Answer, Refusal> {
    let json = Looked {
        parked: look.parked,
        messages: look.messages.iter().map(listed).collect(),
    };
    let many = look.messages.len();
    let title = match (look.parked, many) {
        (0, 0) => "Nothing is parked.".to_owned(),
        (parked, many) if u64::try_from(many) == Ok(parked) => format!("Parked: {parked}."),
        (parked, many) => format!("Parked: {parked}. The oldest {many}:"),
    };
    Answer::new(format!("{title}\n{}", rows(&look.messages)), &json)
}

fn put_back(done: Requeued) -> Result<Answer, Refusal> {
    let Requeued {
        requeued,
        unknown,
        left,
    } = done;
    let json = Done {
        requeued,
        unknown,
        left,
    };
    let answer = Answer::new(
        format!("Put back: {requeued}. Parked still: {left}."),
        &json,
    )?;
    if unknown == 0 {
        return Ok(answer);
    }
    Ok(answer.but(format!(
        "{unknown} could not be put back: nobody knows which queue they came from; `parked list` \
         shows them, `parked drop` drops them"
    )))
}

fn dropped(messages: &[Parked]) -> Result<Answer, Refusal> {
    let json = Dropped {
        dropped: messages.iter().map(listed).collect(),
    };
    let many = messages.len();
    Answer::new(format!("Dropped: {many}.\n{}", rows(messages)), &json)
}

fn listed(message: &Parked) -> Listed<'_> {
    Listed {
        parked_at: message.at.map(|seconds| seconds.saturating_mul(1000)),
        queue: message.queue.map(Queue::as_str),
        reason: message.reason.as_deref(),
        problem: message.problem.as_deref(),
        times: message.times,
        body: &message.body,
    }
}

fn rows(messages: &[Parked]) -> String {
    if messages.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; 5]> = messages.iter().map(row).collect();
    let titles = ["PARKED AT", "FROM", "TIMES", "WHY", "MESSAGE"];
    format!("\n{}", table(titles, &rows))
}

fn row(message: &Parked) -> [String; 5] {
    let at = message.at.map_or("by hand".to_owned(), |seconds| {
        Millis(seconds.saturating_mul(1000)).utc()
    });
    [
        at,
        message.queue.map_or("unknown", Queue::as_str).to_owned(),
        message.times.to_string(),
        why(message),
        beginning(&message.body),
    ]
}

fn why(message: &Parked) -> String {
    let reason = match message.reason.as_deref() {
        Some("rejected") => "a worker refused it",
        Some("delivery_limit") => "it came back too often",
        Some(other) => other,
        None => "",
    };
    match &message.problem {
        Some(problem) if reason.is_empty() => problem.clone(),
        Some(problem) => format!("{reason}: {problem}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked() -> Parked {
        Parked {
            queue: Some(Queue::Submit),
            reason: Some("rejected".to_owned()),
            times: 2,
            at: Some(1_785_242_096),
            problem: Some("it does not read".to_owned()),
            body: "x\u{1b}y".to_owned(),
        }
    }

    fn printed(answer: Answer, json: bool) -> (String, Result<(), Refusal>) {
        let mut out = Vec::new();
        let ended = answer.print(json, &mut out);
        (String::from_utf8_lossy(&out).into_owned(), ended)
    }

    #[test]
    fn a_look_says_where_from_why_how_often_and_when() {
        let look = ParkedPage {
            parked: 7,
            messages: vec![parked()],
        };
        let answer = looked(&look).expect("it prints");
        let (human, _) = printed(answer.clone(), false);
        assert_eq!(
            human,
            "Parked: 7. The oldest 1:\n\n\
             PARKED AT                 FROM    TIMES  WHY                                    MESSAGE\n\
             2026-07-28T12:34:56.000Z  submit  2      a worker refused it: it does not read  x y\n"
        );
        let (json, _) = printed(answer, true);
        assert_eq!(
            json,
            "{\"parked\":7,\"messages\":[{\"parked_at\":1785242096000,\"queue\":\"submit\",\
             \"reason\":\"rejected\",\"problem\":\"it does not read\",\"times\":2,\
             \"body\":\"x\\u001by\"}]}\n"
        );
    }

    #[test]
    fn messages_that_nobody_knows_a_queue_for_are_a_no() {
        let done = Requeued {
            requeued: 2,
            unknown: 1,
            left: 4,
        };
        let (human, ended) = printed(put_back(done).expect("it prints"), false);
        assert_eq!(human, "Put back: 2. Parked still: 4.\n");
        let refusal = ended.expect_err("it is a no").to_string();
        assert!(refusal.starts_with("1 could not be put back"), "{refusal}");
    }
}
