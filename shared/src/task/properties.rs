//! Properties of the model, tested on random sequences. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` set how
//! many and which (`docs/testing.md`).

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::value::RawValue;

use super::cool_down::CoolDown;
use super::money::{self, Change};
use super::step::{Known, Observation, Step};
use super::wait::{Rung, retry_rung};
use super::{Progress, Quota, Status};

/// The same cases each time, unless the environment sets others. A failure prints its shortest sequence;
/// no files are kept.
fn config() -> Config {
    let config = Config::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        given @ RngSeed::Fixed(_) => given,
    };
    Config {
        failure_persistence: None,
        rng_seed,
        ..config
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(&Status::ALL[..])
}

/// Answers of an upstream in any order: ends, steps back, unknown statuses, and reasons beside statuses
/// that are no failure.
fn observation() -> impl Strategy<Value = Observation> {
    let data = prop_oneof![
        Just(None),
        Just(Some("[]")),
        Just(Some("[1]")),
        Just(Some("{}"))
    ];
    let status = prop_oneof![1 => Just(None), 6 => any_status().prop_map(Some)];
    (status, "[ab]{0,2}", prop::option::of(any::<u8>()), data).prop_map(
        |(status, fail_reason, progress, data)| Observation {
            finish: None,
            status,
            fail_reason,
            progress,
            data: data.and_then(|data| RawValue::from_string(data.to_owned()).ok()),
        },
    )
}

/// The position of a status on the way to the end; written here again, because the table is under test.
fn position(status: Status) -> usize {
    let way = [
        Status::NotStart,
        Status::Submitted,
        Status::Unknown,
        Status::Queued,
        Status::InProgress,
    ];
    way.iter()
        .position(|known| *known == status)
        .unwrap_or(way.len())
}

/// A task that gets answers one after another, as the worker and the Store process them.
struct Followed {
    known: Known,
    balance: Change,
    refunds: u32,
}

impl Followed {
    const PRICE: i64 = 150_000;

    fn charged() -> Self {
        Self {
            known: Known {
                status: Status::NotStart,
                progress: Progress::NONE,
                digest: 0,
            },
            balance: money::charge(price()),
            refunds: 0,
        }
    }

    fn observe(&mut self, observation: Observation) {
        if self.known.status.is_terminal() {
            return;
        }
        match observation.step(self.known) {
            Step::Same => {}
            Step::Moved {
                status,
                progress,
                digest,
                ..
            } => {
                self.known = Known {
                    status,
                    progress,
                    digest,
                }
            }
            Step::Succeeded { .. } => self.end(Status::Success),
            Step::Failed { .. } => {
                self.end(Status::Failure);
                let refund = money::refund(price());
                self.balance.amount += refund.amount;
                self.balance.used += refund.used;
                self.refunds += 1;
            }
        }
    }

    fn end(&mut self, status: Status) {
        self.known.progress = self.known.progress.advance(status, None);
        self.known.status = status;
    }
}

fn price() -> Quota {
    Quota::try_from(Followed::PRICE).unwrap_or_default()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_task_only_moves_forward_whatever_an_upstream_answers(all in prop::collection::vec(observation(), 0..40)) {
        let mut task = Followed::charged();
        for observation in all {
            let (before, status) = (task.known, observation.status);
            task.observe(observation);
            let now = task.known;
            prop_assert!(position(now.status) >= position(before.status), "{before:?} to {now:?}");
            prop_assert!(now.progress >= before.progress, "{before:?} to {now:?}");
            prop_assert_eq!(now.progress == Progress::DONE, now.status.is_terminal());
            if before.status.is_terminal() {
                prop_assert_eq!(now.status, before.status);
            } else {
                let ends = status.filter(|status| status.is_terminal());
                prop_assert_eq!(ends, Some(now.status).filter(|now| now.is_terminal()));
            }
        }
    }

    #[test]
    fn a_task_is_refunded_once_and_whole_exactly_when_it_failed(all in prop::collection::vec(observation(), 0..40)) {
        let mut task = Followed::charged();
        for observation in all {
            task.observe(observation);
        }
        let failed = task.known.status == Status::Failure;
        prop_assert_eq!(task.refunds, u32::from(failed));
        let paid = if failed { 0 } else { Followed::PRICE };
        prop_assert_eq!((task.balance.amount, task.balance.used), (-paid, paid));
    }

    #[test]
    fn an_answer_repeated_at_once_is_news_once(first in observation(), before in any_status()) {
        let mut task = Followed::charged();
        task.known.status = before;
        task.observe(first.clone());
        if !task.known.status.is_terminal() {
            prop_assert!(matches!(first.step(task.known), Step::Same));
        }
    }

    #[test]
    fn a_quota_reads_back_and_what_is_none_is_refused(
        number in prop_oneof![any::<i64>(), -9..9_i64, 0..=Quota::MAX.get() + 9],
    ) {
        match Quota::try_from(number) {
            Ok(quota) => {
                prop_assert_eq!(i64::from(quota), number);
                prop_assert_eq!(quota.to_string().parse(), Ok(quota));
                let sum = money::charge(quota).amount + money::refund(quota).amount;
                prop_assert_eq!(sum, 0);
            }
            Err(_) => prop_assert!(number < 0 || number > Quota::MAX.get()),
        }
    }

    #[test]
    fn every_wait_is_a_rung_that_keeps_its_promise(millis in 0_u64..2_000_000) {
        let wait = Duration::from_millis(millis);
        let (at_least, at_most, nearest) = (Rung::at_least(wait), Rung::at_most(wait), Rung::nearest(wait));
        prop_assert!(at_least.duration() >= wait || at_least == Rung::LONGEST);
        prop_assert!(at_most.duration() <= wait || at_most == Rung::SHORTEST);
        let off = nearest.duration().abs_diff(wait);
        prop_assert!(Rung::LADDER.iter().all(|rung| rung.duration().abs_diff(wait) >= off));
    }

    #[test]
    fn retries_and_cool_downs_never_shrink(count in 0_u32..100) {
        prop_assert!(retry_rung(count) <= retry_rung(count + 1));
        for kind in [CoolDown::Trouble, CoolDown::Refusal] {
            prop_assert!(kind.wait(count) <= kind.wait(count + 1));
            prop_assert!(kind.wait(count) <= Rung::LONGEST.duration());
        }
    }
}
