//! The steps, and how they are drawn. A step names tasks by numbers that pick among those there are at that
//! moment, so a sequence keeps its meaning when steps are removed.

use std::fmt;

use proptest::prelude::*;
use shared::task::{Action, Status};

/// A task and a turn, as in a message.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    /// Picks one of the tasks.
    pub task: u8,
    /// Whether to pick only among tasks that the step is meant for.
    pub fitting: bool,
    /// How many turns ago the message was sent: 0 is the current turn, a negative number a later one.
    pub ago: i8,
}

/// The outcome of a poll for one task.
#[derive(Debug, Clone, Copy)]
pub enum PollAnswer {
    /// The upstream gives a status, or one that we do not know, a percentage and some clips.
    State(Option<Status>, Option<u8>, u8),
    /// The upstream left the task out.
    Missing,
    /// The deadline has passed.
    GivenUp,
}

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    Submit {
        key: u8,
        action: Action,
        /// An idempotency key and a body, out of a few each.
        once: Option<(u8, u8)>,
        pinned: Option<u8>,
        /// Whether two equal submits come at once (only with an idempotency key).
        twins: bool,
    },
    Begin {
        pick: Pick,
        channel: u8,
        claim: i64,
    },
    NotArrived {
        pick: Pick,
        counted: bool,
        may_have_arrived: bool,
    },
    Accept {
        picks: Vec<Pick>,
        doubled: bool,
    },
    PollJobs {
        channel: u8,
        picks: Vec<Pick>,
    },
    Renew {
        picks: Vec<Pick>,
    },
    Settle {
        polled: Vec<(Pick, PollAnswer)>,
        doubled: bool,
        /// Whether two workers settle at once.
        twins: bool,
    },
    Postpone {
        picks: Vec<Pick>,
    },
    Sweep {
        limit: u32,
    },
    Late {
        limit: u32,
    },
    NoteLate {
        task: u8,
        status: Status,
    },
    Forget {
        limit: u32,
    },
    Grant {
        user: u8,
        quota: i64,
    },
    Price {
        action: Action,
        quota: i64,
    },
    EnableUser(u8, bool),
    EnableKey(u8, bool),
    EnableChannel(u8, bool),
    Wait {
        seconds: u64,
    },
}

/// A sequence. It prints one step a line.
#[derive(Clone)]
pub struct Steps(pub Vec<Step>);

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| {
            // Always plain: `{:#?}` would print ten lines a step.
            let line = format!("{step:?}");
            write!(f, "\n  {line}")
        })
    }
}

/// Sequences of up to `longest` steps.
pub fn sequence(longest: usize) -> impl Strategy<Value = Steps> {
    prop::collection::vec(step(), 1..=longest).prop_map(Steps)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => submit(),
        10 => (pick(), any::<u8>(), 0..3_i64)
            .prop_map(|(pick, channel, claim)| Step::Begin { pick, channel, claim }),
        4 => (pick(), any::<bool>(), any::<bool>()).prop_map(|(pick, counted, may_have_arrived)| {
            Step::NotArrived { pick, counted, may_have_arrived }
        }),
        10 => (picks(), any::<bool>()).prop_map(|(picks, doubled)| Step::Accept { picks, doubled }),
        6 => (any::<u8>(), picks()).prop_map(|(channel, picks)| Step::PollJobs { channel, picks }),
        3 => picks().prop_map(|picks| Step::Renew { picks }),
        12 => (prop::collection::vec((pick(), polled()), 0..5), any::<bool>(), any::<bool>())
            .prop_map(|(polled, doubled, twins)| Step::Settle { polled, doubled, twins }),
        3 => picks().prop_map(|picks| Step::Postpone { picks }),
        3 => (0..4_u32).prop_map(|limit| Step::Sweep { limit }),
        3 => (0..4_u32).prop_map(|limit| Step::Late { limit }),
        2 => (any::<u8>(), prop_oneof![Just(Status::Success), Just(Status::Failure)])
            .prop_map(|(task, status)| Step::NoteLate { task, status }),
        1 => (0..3_u32).prop_map(|limit| Step::Forget { limit }),
        2 => (any::<u8>(), 0..500_i64).prop_map(|(user, quota)| Step::Grant { user, quota }),
        2 => (action(), 0..200_i64).prop_map(|(action, quota)| Step::Price { action, quota }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(user, on)| Step::EnableUser(user, on)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(key, on)| Step::EnableKey(key, on)),
        2 => (any::<u8>(), prop::bool::weighted(0.7))
            .prop_map(|(channel, on)| Step::EnableChannel(channel, on)),
        4 => prop_oneof![1..60_u64, Just(400), Just(86_400)].prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn submit() -> impl Strategy<Value = Step> {
    let once = prop::option::weighted(0.5, (0..3_u8, prop_oneof![3 => Just(0_u8), 1 => Just(1)]));
    let pinned = prop::option::weighted(0.2, any::<u8>());
    (any::<u8>(), action(), once, pinned, any::<bool>()).prop_map(
        |(key, action, once, pinned, twins)| Step::Submit {
            key,
            action,
            twins: twins && once.is_some(),
            once,
            pinned,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::SONG, Action::LYRICS])
}

fn pick() -> impl Strategy<Value = Pick> {
    let ago = prop_oneof![6 => Just(0_i8), 2 => 1..4_i8, 1 => -2..0_i8];
    (any::<u8>(), prop::bool::weighted(0.8), ago).prop_map(|(task, fitting, ago)| Pick {
        task,
        fitting,
        ago,
    })
}

fn picks() -> impl Strategy<Value = Vec<Pick>> {
    prop::collection::vec(pick(), 0..5)
}

fn polled() -> impl Strategy<Value = PollAnswer> {
    let status =
        prop_oneof![1 => Just(None), 8 => prop::sample::select(&Status::ALL[..]).prop_map(Some)];
    prop_oneof![
        8 => (status, prop::option::of(0..=100_u8), 0..3_u8)
            .prop_map(|(status, percent, clips)| PollAnswer::State(status, percent, clips)),
        1 => Just(PollAnswer::Missing),
        1 => Just(PollAnswer::GivenUp),
    ]
}
