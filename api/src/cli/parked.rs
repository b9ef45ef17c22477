//! `parked …`: list, requeue and drop the messages that no worker can handle.
//!
//! A message only tells a worker to look at a task. The task is in the database, where the sweep
//! finds it. So to requeue a message, even twice, or to drop it can cost time, but never money or a
//! task.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::broker::Queue;
use shared::broker::parking::{Parked, ParkedPage, Requeued};
use shared::broker::rabbitmq::Parking;
use shared::clock::Millis;

use super::table::table;
use super::task::beginning;
use super::{CommandError, Output};

/// The limit of `list` and `requeue`, if none is given.
const DEFAULT_LIMIT: u64 = 20;

/// The commands on parked messages.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// List the oldest messages; they stay parked
    List {
        /// The most messages to list
        #[arg(long, default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
    /// Put the oldest messages back into the queues they came from; 20 without --limit and --all
    Requeue {
        #[allow(missing_docs, reason = "a doc comment would end up in the help")]
        #[command(flatten)]
        how_many: HowMany,
    },
    /// Print and drop the oldest messages; the sweep finds their tasks
    Drop {
        #[allow(missing_docs, reason = "a doc comment would end up in the help")]
        #[command(flatten)]
        exactly: Exactly,
    },
}

/// How many messages `requeue` takes.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct HowMany {
    /// The most messages to take
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Take all messages that are parked now
    #[arg(long)]
    all: bool,
}

/// How many messages `drop` takes. There is no default, because a drop cannot be undone.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub struct Exactly {
    /// The most messages to drop
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Drop all messages that are parked now
    #[arg(long)]
    all: bool,
}

fn most(limit: Option<u64>, all: bool) -> u64 {
    if all {
        u64::MAX
    } else {
        limit.unwrap_or(DEFAULT_LIMIT)
    }
}

#[derive(Serialize)]
struct ListedMessages<'a> {
    parked: u64,
    messages: Vec<MessageJson<'a>>,
}

#[derive(Serialize)]
struct DroppedMessages<'a> {
    dropped: Vec<MessageJson<'a>>,
}

/// `parked_at` in Unix milliseconds.
#[derive(Serialize)]
struct MessageJson<'a> {
    parked_at: Option<i64>,
    queue: Option<&'static str>,
    reason: Option<&'a str>,
    problem: Option<&'a str>,
    times: u64,
    body: &'a str,
}

impl ParkedCommand {
    pub(super) async fn run(self, parking: &Parking) -> Result<Output, CommandError> {
        match self {
            Self::List { limit } => listed(&parking.page(limit).await?),
            Self::Requeue {
                how_many: HowMany { limit, all },
            } => requeued(parking.requeue(most(limit, all)).await?),
            Self::Drop {
                exactly: Exactly { limit, all },
            } => dropped(&parking.delete(most(limit, all)).await?),
        }
    }
}

fn listed(page: &ParkedPage) -> Result<Output, CommandError> {
    let json = ListedMessages {
        parked: page.parked,
        messages: page.messages.iter().map(json).collect(),
    };
    let many = page.messages.len();
    let title = match (page.parked, many) {
        (0, 0) => "Nothing is parked.".to_owned(),
        (parked, many) if u64::try_from(many) == Ok(parked) => format!("Parked: {parked}."),
        (parked, many) => format!("Parked: {parked}. The oldest {many}:"),
    };
    Output::new(format!("{title}\n{}", rows(&page.messages)), &json)
}

fn requeued(done: Requeued) -> Result<Output, CommandError> {
    let Requeued {
        requeued,
        unknown,
        left,
    } = done;
    let human = format!("Put back: {requeued}. Parked still: {left}.");
    let output = Output::new(human, &done)?;
    if unknown == 0 {
        return Ok(output);
    }
    Ok(output.with_error(format!(
        "{unknown} could not be put back: nobody knows which queue they came from; `parked list` \
         shows them, `parked drop` drops them"
    )))
}

fn dropped(messages: &[Parked]) -> Result<Output, CommandError> {
    let json = DroppedMessages {
        dropped: messages.iter().map(json).collect(),
    };
    let many = messages.len();
    Output::new(format!("Dropped: {many}.\n{}", rows(messages)), &json)
}

fn json(message: &Parked) -> MessageJson<'_> {
    MessageJson {
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
    let titles = ["PARKED AT", "FROM", "TIMES", "WHY", "MESSAGE"];
    format!("\n{}", table(titles, messages.iter().map(row)))
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
    use super::super::output::printed;
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

    #[test]
    fn a_list_shows_queue_reason_times_and_moment() {
        let page = ParkedPage {
            parked: 7,
            messages: vec![parked()],
        };
        let output = listed(&page).expect("it prints");
        let (human, _) = printed(&output, false);
        assert_eq!(
            human,
            "Parked: 7. The oldest 1:\n\n\
             PARKED AT                 FROM    TIMES  WHY                                    MESSAGE\n\
             2026-07-28T12:34:56.000Z  submit  2      a worker refused it: it does not read  x\\u{1b}y\n"
        );
        let (json, _) = printed(&output, true);
        assert_eq!(
            json,
            "{\"parked\":7,\"messages\":[{\"parked_at\":1785242096000,\"queue\":\"submit\",\
             \"reason\":\"rejected\",\"problem\":\"it does not read\",\"times\":2,\
             \"body\":\"x\\u001by\"}]}\n"
        );
    }

    #[test]
    fn messages_of_an_unknown_queue_are_an_error() {
        let done = Requeued {
            requeued: 2,
            unknown: 1,
            left: 4,
        };
        let (human, ended) = printed(&requeued(done).expect("it prints"), false);
        assert_eq!(human, "Put back: 2. Parked still: 4.\n");
        let error = ended.expect_err("one is left").to_string();
        assert!(error.starts_with("1 could not be put back"), "{error}");
    }
}
