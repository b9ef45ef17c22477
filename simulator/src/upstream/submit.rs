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
    pub fault: Option<Fault>,
    /// Whether the message prints secrets.
    pub leaks: bool,
    pub latency: Duration,
}

/// How often a title was submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// Well-formed submits, whatever their outcome.
    pub asked: u32,
    /// Accepted submits.
    pub accepted: u32,
}

/// A recorded submit.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedSubmit {
    #[serde(skip)]
    pub marker: u64,
    /// `MUSIC` or `LYRICS`.
    action: &'static str,
    task_id: Option<Id>,
    idempotency_key: Option<String>,
    fault: Option<&'static str>,
    /// The body as it was sent; `null` if it was too long.
    body: Option<Box<RawValue>>,
}

impl Upstream {
    /// Decides about a submit. If it is accepted, its task exists from now on, whether the client gets an answer or not.
    /// `None`: the task to continue does not exist.
    pub fn submit(&self, request: &Request, json: &[u8], key: Option<&str>) -> Option<Decision> {
        let now = self.clock.now();
        let body = (json.len() <= RECORDED_BODY)
            .then(|| serde_json::from_slice(json).ok())
            .flatten();
        let mut state = self.state();
        let decision = state.submit(&self.options, request, key, now);
        state.record(RecordedSubmit {
            marker: request.digest(),
            action: request.action.name(),
            task_id: decision.and_then(|decision| decision.task),
            idempotency_key: key.map(str::to_owned),
            fault: decision
                .and_then(|decision| decision.fault)
                .map(Fault::name),
            body,
        });
        decision
    }
}

impl State {
    /// Counts a submit; returns how many of its marker came before. Submits without a marker share one number
    /// sequence, so that each draws its own random numbers.
    fn number(&mut self, request: &Request) -> u64 {
        let submits = &mut self.counts.submits;
        submits.asked += 1;
        if request.marker().is_empty() {
            return submits.asked;
        }
        let title = self.titles.entry(request.digest()).or_default();
        title.asked += 1;
        let before = title.asked - 1;
        submits.titles = self.titles.len() as u64;
        before.into()
    }

    fn submit(
        &mut self,
        options: &Options,
        request: &Request,
        key: Option<&str>,
        now: u64,
    ) -> Option<Decision> {
        let number = self.number(request);
        if !request.continues().is_none_or(|id| self.knows(id)) {
            return None;
        }
        let mut rng = random::rng(options.seed, ("submit", request.digest(), number));
        let directives = &request.directives;
        let latency = directives.answers.unwrap_or(options.submit_latency);
        let latency = latency.draw(&mut rng);
        let ordered = directives.turn(Kind::Submit, number);
        let drawn = self.faults.draw(Kind::Submit, &mut rng);
        let fault = ordered.or(drawn.filter(|&fault| may_befall(fault, request.action)));
        let key = key.filter(|_| options.idempotent);
        let first = key.and_then(|key| self.accepted_keys.get(key)).copied();
        let leaks = self.whole_life(Fault::Leak, request, &mut rng);
        let accepted = fault.is_none_or(accepts);
        let is_full = accepted && first.is_none() && self.places.are_full(options.places, now);
        if is_full || matches!(fault, Some(Fault::Submit429 | Fault::Submit429RetryAfter)) {
            let fault = fault.filter(|_| !is_full);
            self.places.refused(request.prompt(), fault);
        }
        if is_full {
            return Some(Decision {
                task: None,
                // As an upstream answers whose places are taken; only faults that were ordered are counted.
                fault: Some(Fault::Submit429),
                leaks,
                latency,
            });
        }
        if let Some(fault) = fault {
            self.counts.happened(fault);
        }
        let task = accepted
            .then(|| first.unwrap_or_else(|| self.accept(options, request, number, now, leaks)));
        if let Some((task, key)) = task.zip(key) {
            self.accepted_keys.insert(key.to_owned(), task);
        }
        Some(Decision {
            task,
            fault,
            leaks,
            latency,
        })
    }

    fn accept(
        &mut self,
        options: &Options,
        request: &Request,
        number: u64,
        now: u64,
        leaks: bool,
    ) -> Id {
        let mut rng = random::rng(options.seed, ("life", request.digest(), number));
        let time = match request.action {
            Action::Music => options.song_time,
            Action::Lyrics | Action::Other(_) => options.lyrics_time,
        };
        let length = request.directives.takes.unwrap_or(time).draw(&mut rng);
        let mut life = Life::plan(now, length, &mut rng);
        life.fails = self.whole_life(Fault::Fail, request, &mut rng);
        life.stuck = self.whole_life(Fault::Stuck, request, &mut rng);
        self.count_accepted(request);
        self.forget_old(now, options.keep);
        let id = Id::new();
        let (_, end) = life.span();
        self.places.take(id, request.prompt(), end, now);
        let task = Task::new(request, self.counts.submits.accepted, life, leaks);
        self.tasks.insert(id, task);
        self.expiry_queue.push_back(id);
        id
    }

    fn count_accepted(&mut self, request: &Request) {
        let counts = &mut self.counts;
        counts.submits.accepted += 1;
        if !request.marker().is_empty() {
            let title = self.titles.entry(request.digest()).or_default();
            title.accepted += 1;
            counts.submits.accepted_twice += u64::from(title.accepted == 2);
            counts.max_accepted_per_title = counts.max_accepted_per_title.max(title.accepted);
        }
    }

    /// Whether this fault, of [`Kind::Task`], happens to the request's task.
    fn whole_life(&mut self, fault: Fault, request: &Request, rng: &mut StdRng) -> bool {
        let holds = request.directives.has(fault) || self.faults.rate(fault).hits(rng);
        if holds {
            self.counts.happened(fault);
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
        Submit408, Submit504, SubmitDrip, SubmitDropAfter, SubmitEmpty, SubmitHangAfter,
        SubmitHuge, SubmitLate502, SubmitNoId, SubmitTorn, SubmitWait,
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
            | Submit408
            | Submit504
            | SubmitLate502
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_accepted_twice_is_counted() {
        let submit = |title| {
            let json = format!(r#"{{"title":"{title}","prompt":"p"}}"#);
            Request::read(Action::Music, json.as_bytes()).unwrap()
        };
        let [one, two, never] = ["one", "two", "never"].map(submit);
        let mut state = State::default();
        let numbers = [&one, &two, &two].map(|request| state.number(request));
        assert_eq!(numbers, [0, 0, 1]);
        for request in [&one, &two, &two, &two] {
            state.count_accepted(request);
        }
        let submits = &state.counts.submits;
        assert_eq!((submits.titles, submits.accepted_twice), (2, 1));
        assert_eq!(state.counts.max_accepted_per_title, 3);
        let (asked, accepted) = (2, 3);
        assert_eq!(state.titles[&two.digest()], Title { asked, accepted });
        assert_eq!(state.titles.get(&never.digest()), None);
    }

    #[test]
    fn a_repeated_submit_needs_no_place_where_its_key_is_heeded() {
        let options = Options {
            idempotent: true,
            places: Some(1),
            ..Options::default()
        };
        let mut state = State::default();
        let mut submit = |key| {
            let song = Request::read(Action::Music, br#"{"title":"t","prompt":"p"}"#).unwrap();
            state.submit(&options, &song, Some(key), 1_000).unwrap()
        };
        let first = submit("one").task;
        assert!(first.is_some() && submit("one").task == first);
        let other = submit("other");
        assert_eq!((other.task, other.fault), (None, Some(Fault::Submit429)));
    }

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
