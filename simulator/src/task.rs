//! A task as the upstream keeps it.

use std::sync::Arc;

use crate::{
    fault::{Fault, Kind},
    id::Id,
    life::{Life, Moment, Phase},
    request::{Action, Request},
    words::Words,
};

/// What is kept of each text of a request, in bytes: a hundred thousand tasks should stay small.
const TEXT_LIMIT: usize = 512;

/// A task as the upstream keeps it.
#[derive(Debug)]
pub struct Task {
    /// A count, as real ones print beside the id.
    pub number: u64,
    pub life: Life,
    pub texts: Arc<Texts>,
    /// The digest of the request's marker.
    pub marker: u64,
    /// Does its `fail_reason` print secrets?
    pub leaks: bool,
    words: Option<Box<Words>>,
    asked: u32,
}

/// What the client said, as far as it is printed again.
#[derive(Debug)]
pub struct Texts {
    pub action: Action,
    pub title: Box<str>,
    pub tags: Box<str>,
    pub prompt: Box<str>,
    pub description: Option<Box<str>>,
    pub model: Box<str>,
}

/// A task looked at by one fetch.
#[derive(Clone, Debug)]
pub struct Sight {
    pub id: Id,
    pub number: u64,
    pub moment: Moment,
    pub texts: Arc<Texts>,
    pub leaks: bool,
    /// The fault that this sight suffers, of [`Kind::Sighting`].
    pub oddity: Option<Fault>,
}

impl Task {
    pub fn new(request: &Request, number: u64, marker: u64, life: Life, leaks: bool) -> Self {
        let words = (!request.words.is_empty()).then(|| Box::new(request.words.clone()));
        Self {
            number,
            life,
            texts: Arc::new(Texts::of(request)),
            marker,
            leaks,
            words,
            asked: 0,
        }
    }

    /// Another of the same texts, that nobody asked for yet.
    pub fn alike(&self, number: u64, life: Life) -> Self {
        Self {
            number,
            life,
            texts: Arc::clone(&self.texts),
            marker: self.marker,
            leaks: self.leaks,
            words: self.words.clone(),
            asked: 0,
        }
    }

    /// The fault that its words order for a whole batch that asks for it now.
    pub fn batch_fault(&self) -> Option<Fault> {
        self.words.as_ref()?.turn(Kind::Fetch, self.asked.into())
    }

    /// Looks at it, once more; `chance` is the fault it suffers unless its words order one.
    pub fn look(&mut self, id: Id, now: u64, chance: Option<Fault>) -> Sight {
        let moment = self.life.at(now);
        let ordered = self
            .words
            .as_ref()
            .and_then(|words| words.turn(Kind::Sighting, self.asked.into()));
        let every_second_time = self.asked % 2 == 1;
        self.asked = self.asked.saturating_add(1);
        let oddity = ordered.or(chance).filter(|fault| match fault {
            Fault::Backwards => every_second_time && !moment.phase.is_terminal(),
            Fault::EarlyReason => moment.phase != Phase::Failure,
            _ => true,
        });
        Sight {
            oddity,
            ..self.show(id, now)
        }
    }

    /// Looks at it without anybody having asked for it.
    pub fn show(&self, id: Id, now: u64) -> Sight {
        let texts = Arc::clone(&self.texts);
        Sight {
            id,
            number: self.number,
            moment: self.life.at(now),
            texts,
            leaks: self.leaks,
            oddity: None,
        }
    }

    /// How often it was asked for.
    pub const fn asked(&self) -> u32 {
        self.asked
    }
}

impl Sight {
    /// A finished song that no client ever asked for.
    pub fn of_nobody() -> Self {
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
            oddity: None,
        }
    }
}

impl Texts {
    fn of(request: &Request) -> Self {
        let body = &request.body;
        let kept = |text: &Option<String>| Box::from(cut(text.as_deref().unwrap_or_default()));
        Self {
            action: request.action,
            title: kept(&body.title),
            tags: kept(&body.tags),
            prompt: kept(&body.prompt),
            description: body
                .gpt_description_prompt
                .as_deref()
                .map(|text| Box::from(cut(text))),
            model: Box::from(cut(body.mv.as_deref().unwrap_or("chirp-v3-0"))),
        }
    }
}

/// The longest beginning of a text that is no longer than the limit.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LIMIT)]
}
