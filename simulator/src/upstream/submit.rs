//! Submits.

use std::time::Duration;

use rand::rngs::StdRng;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{State, Upstream};
use crate::{
    fault::{Fault, Kind},
    id::Id,
    life::Life,
    options::Options,
    random,
    request::{Action, Request},
    task::Task,
};

/// How many submits are recorded.
const RECORDED: usize = 256;
/// The longest recorded body, bytes.
const RECORDED_BODY: usize = 64 * 1024;

/// The outcome of a submit.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// The task that was made, whatever the answer says.
    pub task: Option<Id>,
    /// The fault.
    pub fault: Option<Fault>,
    /// Whether the message prints secrets.
    pub leaks: bool,
    /// The delay of the answer.
    pub latency: Duration,
}

/// The task to continue does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchTask;

/// A recorded submit.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedSubmit {
    #[serde(skip)]
    pub marker: u64,
    /// `MUSIC` or `LYRICS`.
    action: &'static str,
    /// The task that was made.
    task_id: Option<Id>,
    /// The fault.
    fault: Option<&'static str>,
    /// The body as it was sent; `null` if it was too long.
    body: Option<Box<RawValue>>,
}

/// A well-formed submit.
struct Attempt<'a> {
    request: &'a Request,
    marker: u64,
    /// How many submits of this marker came before.
    number: u64,
    /// Milliseconds since 1970.
    now: u64,
}

impl Upstream {
    /// Decides about a submit. If it is accepted, its task exists from now on, whether the client gets an answer or not.
    pub fn submit(&self, request: &Request, json: &[u8]) -> Result<Decision, NoSuchTask> {
        let now = self.clock.now();
        let marker = random::digest(request.marker());
        let body = (json.len() <= RECORDED_BODY)
            .then(|| serde_json::from_slice(json).ok())
            .flatten();
        let mut state = self.state();
        let number = state.number(request, marker);
        let decision = state.submit(
            &self.options,
            &Attempt {
                request,
                marker,
                number,
                now,
            },
        );
        let made = decision.as_ref().ok();
        state.record(RecordedSubmit {
            marker,
            action: request.action.name(),
            task_id: made.and_then(|decision| decision.task),
            fault: made.and_then(|decision| decision.fault).map(Fault::name),
            body,
        });
        decision
    }
}

impl State {
    /// Counts a submit; returns how many of its marker came before. Submits without a marker share one number
    /// sequence, so that each draws its own random numbers.
    fn number(&mut self, request: &Request, marker: u64) -> u64 {
        self.tally.counts.submits.asked += 1;
        match request.marker() {
            "" => self.tally.counts.submits.asked,
            _ => self.titles.asked(marker).into(),
        }
    }

    fn submit(&mut self, options: &Options, attempt: &Attempt) -> Result<Decision, NoSuchTask> {
        let Attempt {
            request,
            marker,
            number,
            ..
        } = *attempt;
        if !request.continues().is_none_or(|id| self.knows(id)) {
            return Err(NoSuchTask);
        }
        let mut rng = random::rng(options.seed, ("submit", marker, number));
        let latency = request
            .directives
            .answers
            .unwrap_or(options.submit_latency)
            .draw(&mut rng);
        let ordered = request.directives.turn(Kind::Submit, number);
        let drawn = self.faults.draw(Kind::Submit, &mut rng);
        let fault = ordered.or(drawn.filter(|&fault| may_befall(fault, request.action)));
        let leaks = self.whole_life(Fault::Leak, request, &mut rng);
        if let Some(fault) = fault {
            self.tally.happened(fault);
        }
        let accepted = fault.is_none_or(accepts);
        let task = accepted.then(|| self.accept(options, attempt, leaks));
        Ok(Decision {
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
        let mut rng = random::rng(options.seed, ("life", marker, number));
        let time = match request.action {
            Action::Music => options.song_time,
            Action::Lyrics => options.lyrics_time,
        };
        let length = request.directives.takes.unwrap_or(time).draw(&mut rng);
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
        self.expiry_queue.push_back(id);
        id
    }

    /// Whether this fault, of [`Kind::Task`], happens to the request's task.
    fn whole_life(&mut self, fault: Fault, request: &Request, rng: &mut StdRng) -> bool {
        let holds = request.directives.has(fault) || self.faults.rate(fault).hits(rng);
        if holds {
            self.tally.happened(fault);
        }
        holds
    }

    fn knows(&self, id: &str) -> bool {
        id.parse().is_ok_and(|id: Id| self.tasks.contains_key(&id))
    }

    /// Checks two tasks and forgets those that ended long ago. As every accepted submit does that, the number of tasks
    /// depends on the rate of submits, not on the length of the run.
    fn forget_old(&mut self, now: u64, keep: Duration) {
        for _ in 0..2 {
            let Some(id) = self.expiry_queue.pop_front() else {
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
                self.expiry_queue.push_back(id);
            }
        }
    }

    fn record(&mut self, submit: RecordedSubmit) {
        if self.latest.len() == RECORDED {
            self.latest.pop_front();
        }
        self.latest.push_back(submit);
    }
}

/// Whether a drawn fault can happen to such a request. Real upstreams that answer late do so for lyrics only.
fn may_befall(fault: Fault, action: Action) -> bool {
    fault != Fault::SubmitWait || action == Action::Lyrics
}

/// Whether the task is made in spite of this fault.
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
    fn the_list_of_faults_says_which_of_them_accept() {
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
