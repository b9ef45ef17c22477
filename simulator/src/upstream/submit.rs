//! What becomes of a submit.

use std::time::Duration;

use rand::rngs::StdRng;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{State, Upstream};
use crate::{
    chance,
    fault::{Fault, Kind},
    id::Id,
    life::Life,
    options::Options,
    request::{Action, Request},
    task::Task,
};

/// How many submits are remembered with their bodies, and how long a body may be for that, in bytes.
const SEEN: usize = 256;
const SEEN_BODY: usize = 64 * 1024;

/// What becomes of a submit.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The task that was made, if one was, whatever the client will be told.
    pub task: Option<Id>,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// Will the message print secrets?
    pub leaks: bool,
    /// How long the answer takes.
    pub latency: Duration,
}

/// The task to continue is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchTask;

/// A submit, remembered.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    #[serde(skip)]
    pub marker: u64,
    /// `MUSIC` or `LYRICS`.
    action: &'static str,
    /// The task that was made for it.
    task_id: Option<Id>,
    /// What went wrong.
    fault: Option<&'static str>,
    /// The body as it was sent; `null` if it was too long to remember.
    body: Option<Box<RawValue>>,
}

/// One well-formed submit.
struct Attempt<'a> {
    request: &'a Request,
    marker: u64,
    /// How many of this marker came before.
    number: u64,
    /// Milliseconds since 1970.
    now: u64,
}

impl Upstream {
    /// Decides about a submit, and makes its task if it is accepted: from then on the task exists, whether
    /// the client hears of it or not.
    pub fn submit(&self, request: &Request, json: &[u8]) -> Result<Verdict, NoSuchTask> {
        let now = self.clock.now();
        let marker = chance::digest(request.marker());
        let body = (json.len() <= SEEN_BODY)
            .then(|| serde_json::from_slice(json).ok())
            .flatten();
        let mut state = self.state();
        let number = state.number(request, marker);
        let verdict = state.submit(
            &self.options,
            &Attempt {
                request,
                marker,
                number,
                now,
            },
        );
        let made = verdict.as_ref().ok();
        state.remember(Seen {
            marker,
            action: request.action.name(),
            task_id: made.and_then(|verdict| verdict.task),
            fault: made.and_then(|verdict| verdict.fault).map(Fault::name),
            body,
        });
        verdict
    }
}

impl State {
    /// Counts one more submit of this marker, and says how many came before. Requests without a marker
    /// can't be told apart: each is the next of all submits, so that each has its own chances.
    fn number(&mut self, request: &Request, marker: u64) -> u64 {
        self.tally.counts.submits.asked += 1;
        match request.marker() {
            "" => self.tally.counts.submits.asked,
            _ => self.titles.asked(marker).into(),
        }
    }

    fn submit(&mut self, options: &Options, attempt: &Attempt) -> Result<Verdict, NoSuchTask> {
        let Attempt {
            request,
            marker,
            number,
            ..
        } = *attempt;
        if !request.continues().is_none_or(|id| self.knows(id)) {
            return Err(NoSuchTask);
        }
        let mut rng = chance::source(options.seed, ("submit", marker, number));
        let latency = request
            .words
            .answers
            .unwrap_or(options.submit_latency)
            .draw(&mut rng);
        let ordered = request.words.turn(Kind::Submit, number);
        let drawn = self.faults.draw(Kind::Submit, &mut rng);
        let fault = ordered.or(drawn.filter(|&fault| may_befall(fault, request.action)));
        let leaks = self.whole_life(Fault::Leak, request, &mut rng);
        if let Some(fault) = fault {
            self.tally.happened(fault);
        }
        let accepted = fault.is_none_or(accepts);
        let task = accepted.then(|| self.accept(options, attempt, leaks));
        Ok(Verdict {
            task,
            fault,
            leaks,
            latency,
        })
    }

    fn accept(&mut self, options: &Options, attempt: &Attempt, leaks: bool) -> Id {
        let Attempt {
            request,
            marker,
            number,
            now,
        } = *attempt;
        let mut rng = chance::source(options.seed, ("life", marker, number));
        let time = match request.action {
            Action::Music => options.song_time,
            Action::Lyrics => options.lyrics_time,
        };
        let length = request.words.takes.unwrap_or(time).draw(&mut rng);
        let mut life = Life::plan(now, length, &mut rng);
        if self.whole_life(Fault::Fail, request, &mut rng) {
            life = life.failing();
        }
        if self.whole_life(Fault::Stuck, request, &mut rng) {
            life = life.stuck();
        }
        self.tally.counts.submits.accepted += 1;
        if !request.marker().is_empty() {
            self.titles.accepted(marker);
        }
        self.forget_old(now, options.keep);
        let id = Id::new();
        let task = Task::new(
            request,
            self.tally.counts.submits.accepted,
            marker,
            life,
            leaks,
        );
        self.tasks.insert(id, task);
        self.rounds.push_back(id);
        id
    }

    /// Does this fault, of [`Kind::Task`], hold for the request's task?
    fn whole_life(&mut self, fault: Fault, request: &Request, rng: &mut StdRng) -> bool {
        let holds = request.words.has(fault) || self.faults.rate(fault).hits(rng);
        if holds {
            self.tally.happened(fault);
        }
        holds
    }

    fn knows(&self, id: &str) -> bool {
        id.parse().is_ok_and(|id: Id| self.tasks.contains_key(&id))
    }

    /// Looks at two tasks and forgets those that ended long ago: with each submit, so that what is kept is
    /// bounded by the rate of submits and not by the length of the run.
    fn forget_old(&mut self, now: u64, keep: Duration) {
        for _ in 0..2 {
            let Some(id) = self.rounds.pop_front() else {
                return;
            };
            let Some(task) = self.tasks.get(&id) else {
                continue;
            };
            let moment = task.life.at(now);
            let ended_ago = (now / 1_000).saturating_sub(moment.finish_time);
            if moment.phase.is_terminal() && ended_ago >= keep.as_secs() {
                self.tasks.remove(&id);
            } else {
                self.rounds.push_back(id);
            }
        }
    }

    fn remember(&mut self, seen: Seen) {
        if self.seen.len() == SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }
}

/// Does chance bring this fault to such a request? Upstreams that answer late do so for lyrics.
fn may_befall(fault: Fault, action: Action) -> bool {
    fault != Fault::SubmitWait || action == Action::Lyrics
}

/// Is a task made although this goes wrong?
fn accepts(fault: Fault) -> bool {
    use Fault::{
        SubmitDrip, SubmitDropAfter, SubmitEmpty, SubmitHangAfter, SubmitHuge, SubmitNoId,
        SubmitTorn, SubmitWait,
    };
    matches!(
        fault,
        SubmitDropAfter
            | SubmitHangAfter
            | SubmitEmpty
            | SubmitNoId
            | SubmitTorn
            | SubmitDrip
            | SubmitHuge
            | SubmitWait
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_list_of_faults_says_of_accepting_is_true() {
        for &fault in Fault::ALL
            .iter()
            .filter(|fault| fault.kind() == Kind::Submit)
        {
            let about = fault.about();
            assert_eq!(accepts(fault), about.contains("ACCEPTED"), "{fault}");
            assert_ne!(
                accepts(fault),
                about.contains("nothing is accepted"),
                "{fault}"
            );
        }
    }
}
