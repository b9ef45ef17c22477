//! Which acknowledgements to send.
//!
//! One `multiple` acknowledgement settles all deliveries up to its tag, at a tenth of what single ones
//! cost the broker. But there are gaps: a submit may take minutes while hundreds of later deliveries are
//! done, and must not hold back the prefetch window. So the unbroken run of settled deliveries is
//! acknowledged at once, and those beyond a gap singly.

use std::collections::BTreeSet;

use crate::broker::Verdict;

/// An acknowledgement to send. `UpTo` must be sent after each `Requeue` and `Park` that was taken with
/// it, because it would acknowledge those, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// The message goes back to its queue.
    Requeue(u64),
    /// The message goes to the parking queue.
    Park(u64),
    /// This message, and all unsettled ones before it, are done.
    UpTo(u64),
    /// This message is done.
    One(u64),
}

/// The deliveries of one channel that the broker waits to see settled. A channel numbers its deliveries
/// 1, 2, 3 … (delivery tags).
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The last delivery.
    last: u64,
    /// All deliveries up to this one are settled and sent.
    sent: u64,
    /// Deliveries beyond `sent` that were settled singly.
    sent_beyond: BTreeSet<u64>,
    /// Done, and not sent yet.
    done: BTreeSet<u64>,
    /// Rejected, and not sent yet.
    rejected: Vec<Frame>,
}

impl Acks {
    /// Notes a delivery.
    pub(super) fn delivered(&mut self, tag: u64) {
        self.last = self.last.max(tag);
    }

    /// Notes a verdict. A tag that never came, or was settled before, is ignored.
    pub(super) fn settled(&mut self, tag: u64, verdict: Verdict) {
        let open = self.sent < tag
            && tag <= self.last
            && !self.sent_beyond.contains(&tag)
            && !self.done.contains(&tag);
        if !open {
            return;
        }
        match verdict {
            Verdict::Ack => {
                self.done.insert(tag);
            }
            Verdict::Requeue => self.reject(tag, Frame::Requeue(tag)),
            Verdict::Park => self.reject(tag, Frame::Park(tag)),
        }
    }

    fn reject(&mut self, tag: u64, frame: Frame) {
        self.sent_beyond.insert(tag);
        self.rejected.push(frame);
    }

    /// How many are settled and not sent yet.
    pub(super) fn unsent(&self) -> usize {
        self.done.len() + self.rejected.len()
    }

    /// How many are not settled yet.
    pub(super) fn open(&self) -> u64 {
        let settled = self.sent_beyond.len() + self.done.len();
        (self.last - self.sent).saturating_sub(u64::try_from(settled).unwrap_or(u64::MAX))
    }

    /// Takes what to send now, in this order.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        let mut frames = std::mem::take(&mut self.rejected);
        let mut run = Vec::new();
        loop {
            let next = self.sent + 1;
            if self.done.remove(&next) {
                run.push(next);
            } else if !self.sent_beyond.remove(&next) {
                break;
            }
            self.sent = next;
        }
        // The tag of a `multiple` must itself be open at the broker, so it is the last acknowledged one
        // and not the last of the run.
        match run.as_slice() {
            [] => {}
            [one] => frames.push(Frame::One(*one)),
            [.., last] => frames.push(Frame::UpTo(*last)),
        }
        let beyond = std::mem::take(&mut self.done);
        frames.extend(beyond.iter().copied().map(Frame::One));
        self.sent_beyond.extend(beyond);
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(last: u64) -> Acks {
        let mut acks = Acks::default();
        for tag in 1..=last {
            acks.delivered(tag);
        }
        acks
    }

    fn ack(acks: &mut Acks, tags: impl IntoIterator<Item = u64>) {
        for tag in tags {
            acks.settled(tag, Verdict::Ack);
        }
    }

    #[test]
    fn a_run_of_finished_deliveries_goes_as_one() {
        let mut acks = delivered(100);
        ack(&mut acks, (1..=100).rev());
        assert_eq!(acks.take(), [Frame::UpTo(100)]);
        assert_eq!((acks.unsent(), acks.open()), (0, 0));
    }

    #[test]
    fn one_finished_delivery_goes_singly() {
        let mut acks = delivered(2);
        ack(&mut acks, [1]);
        assert_eq!(acks.take(), [Frame::One(1)]);
        assert_eq!(acks.take(), []);
    }

    #[test]
    fn a_slow_delivery_does_not_hold_back_those_after_it() {
        let mut acks = delivered(5);
        ack(&mut acks, [1, 2, 4, 5]);
        assert_eq!(acks.take(), [Frame::UpTo(2), Frame::One(4), Frame::One(5)]);
        assert_eq!(acks.open(), 1);
        ack(&mut acks, [3]);
        assert_eq!(acks.take(), [Frame::One(3)]);
        acks.delivered(6);
        acks.delivered(7);
        ack(&mut acks, [6, 7]);
        assert_eq!(acks.take(), [Frame::UpTo(7)]);
    }

    #[test]
    fn what_is_rejected_is_sent_before_the_run_that_passes_over_it() {
        let mut acks = delivered(4);
        ack(&mut acks, [1, 3, 4]);
        acks.settled(2, Verdict::Park);
        assert_eq!(acks.take(), [Frame::Park(2), Frame::UpTo(4)]);
    }

    #[test]
    fn a_run_ends_at_a_tag_that_is_still_open_at_the_broker() {
        let mut acks = delivered(4);
        ack(&mut acks, [1, 2]);
        acks.settled(3, Verdict::Requeue);
        acks.settled(4, Verdict::Requeue);
        assert_eq!(
            acks.take(),
            [Frame::Requeue(3), Frame::Requeue(4), Frame::UpTo(2)]
        );
        assert_eq!(acks.open(), 0);
    }

    #[test]
    fn a_delivery_is_settled_once() {
        let mut acks = delivered(3);
        ack(&mut acks, [1, 1]);
        acks.settled(1, Verdict::Requeue);
        acks.settled(2, Verdict::Park);
        ack(&mut acks, [2]);
        ack(&mut acks, [99]);
        assert_eq!(acks.take(), [Frame::Park(2), Frame::One(1)]);
        ack(&mut acks, [1, 2]);
        assert_eq!(acks.take(), []);
        assert_eq!(acks.open(), 1);
    }

    #[test]
    fn every_delivery_is_settled_exactly_once_in_any_order() {
        let random = crate::random::Random::seeded(11);
        let mut acks = Acks::default();
        let mut open: Vec<u64> = Vec::new();
        let mut sent = BTreeSet::new();
        let mut last = 0;
        for _ in 0..5_000 {
            match random.below(4) {
                0 | 1 => {
                    last += 1;
                    acks.delivered(last);
                    open.push(last);
                }
                2 if !open.is_empty() => {
                    let many = u64::try_from(open.len()).unwrap_or(1);
                    let at = usize::try_from(random.below(many)).unwrap_or(0);
                    let verdict = match random.below(5) {
                        0 => Verdict::Requeue,
                        1 => Verdict::Park,
                        _ => Verdict::Ack,
                    };
                    acks.settled(open.swap_remove(at), verdict);
                }
                _ => {
                    for frame in acks.take() {
                        match frame {
                            Frame::Requeue(tag) | Frame::Park(tag) | Frame::One(tag) => {
                                assert!(sent.insert(tag), "{tag} was settled twice");
                            }
                            Frame::UpTo(tag) => {
                                assert!(!sent.contains(&tag), "{tag} is not open at the broker");
                                sent.extend(1..=tag);
                            }
                        }
                    }
                    assert!(open.iter().all(|tag| !sent.contains(tag)));
                    assert_eq!(acks.open(), u64::try_from(open.len()).unwrap_or(0));
                }
            }
        }
    }
}
