//! A task, and what a fetch shows of it.

use std::sync::Arc;

use crate::{
    directives::Directives,
    fault::{Fault, Kind},
    id::Id,
    life::{Life, Moment, Phase},
    request::{Action, Request},
};

/// The most bytes kept of each text, so that a hundred thousand tasks need little memory.
const TEXT_LIMIT: usize = 512;

/// A task as the upstream keeps it.
#[derive(Clone, Debug)]
pub struct Task {
    /// A number beside the id, as real upstreams have one.
    pub number: u64,
    pub life: Life,
    pub texts: Arc<Texts>,
    /// The digest of the request's marker.
    pub marker: u64,
    /// Whether the `fail_reason` prints secrets.
    pub leaks: bool,
    pub directives: Option<Box<Directives>>,
    /// How often the task was fetched.
    pub asked: u32,
    /// Whether a client stopped it.
    pub cancelled: bool,
}

/// The texts of the request that a fetch shows.
#[derive(Debug)]
pub struct Texts {
    pub action: Action,
    pub title: Box<str>,
    pub tags: Box<str>,
    pub prompt: Box<str>,
    pub description: Option<Box<str>>,
    pub model: Box<str>,
}

/// A task as one fetch shows it.
#[derive(Clone, Debug)]
pub struct FetchedTask {
    pub id: Id,
    pub number: u64,
    pub moment: Moment,
    pub texts: Arc<Texts>,
    pub leaks: bool,
    pub cancelled: bool,
    /// The fault, of [`Kind::FetchedTask`], that spoils this task in the answer.
    pub fault: Option<Fault>,
}

impl Task {
    pub fn new(request: &Request, number: u64, life: Life, leaks: bool) -> Self {
        let directives = &request.directives;
        Self {
            number,
            life,
            texts: Arc::new(Texts::of(request)),
            marker: request.digest(),
            leaks,
            directives: (!directives.is_empty()).then(|| Box::new(directives.clone())),
            asked: 0,
            cancelled: false,
        }
    }

    /// The fault that the directives order for the whole batch of the next fetch.
    pub fn batch_fault(&self) -> Option<Fault> {
        self.ordered(Kind::Fetch)
    }

    fn ordered(&self, kind: Kind) -> Option<Fault> {
        self.directives.as_ref()?.turn(kind, self.asked.into())
    }

    /// Fetches the task. `drawn` is its fault unless the directives order one.
    pub fn fetch(&mut self, id: Id, now: u64, drawn: Option<Fault>) -> FetchedTask {
        let moment = self.life.at(now);
        let ordered = self.ordered(Kind::FetchedTask);
        let every_second_time = self.asked % 2 == 1;
        self.asked = self.asked.saturating_add(1);
        let fault = ordered.or(drawn).filter(|fault| match fault {
            Fault::Backwards => every_second_time && !moment.phase.is_terminal(),
            Fault::EarlyReason => moment.phase != Phase::Failure,
            _ => true,
        });
        FetchedTask {
            fault,
            ..self.show(id, now)
        }
    }

    /// Shows the task without counting a fetch.
    pub fn show(&self, id: Id, now: u64) -> FetchedTask {
        FetchedTask {
            id,
            number: self.number,
            moment: self.life.at(now),
            texts: Arc::clone(&self.texts),
            leaks: self.leaks,
            cancelled: self.cancelled,
            fault: None,
        }
    }
}

impl FetchedTask {
    /// A finished song that was never submitted.
    pub fn stranger() -> Self {
        let texts = Texts {
            action: Action::Music,
            title: "Nobody's Song".into(),
            tags: "".into(),
            prompt: "".into(),
            description: None,
            model: "chirp-v3-0".into(),
        };
        let moment = Moment {
            phase: Phase::Success,
            percent: 100,
            submit_time: 1,
            start_time: 2,
            finish_time: 3,
        };
        Self {
            id: Id::new(),
            number: 0,
            moment,
            texts: Arc::new(texts),
            leaks: false,
            cancelled: false,
            fault: None,
        }
    }
}

impl Texts {
    fn of(request: &Request) -> Self {
        let body = &request.body;
        let kept = |text: &Option<String>| truncate(text.as_deref().unwrap_or_default());
        Self {
            action: request.action,
            title: kept(&body.title),
            tags: kept(&body.tags),
            prompt: kept(&body.prompt),
            description: body.gpt_description_prompt.as_deref().map(truncate),
            model: truncate(body.mv.as_deref().unwrap_or("chirp-v3-0")),
        }
    }
}

/// The longest prefix within the limit.
fn truncate(text: &str) -> Box<str> {
    Box::from(&text[..text.floor_char_boundary(TEXT_LIMIT)])
}
