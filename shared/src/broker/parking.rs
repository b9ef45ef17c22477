//! Messages that no worker can handle, as an operator looks at them. What can be done with them is
//! in [`super::rabbitmq::Parking`]; queues in process keep none that anybody could put back.

use super::{Message, Queue};

/// A message in `<prefix>.parking`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The queue that it is to go back to; `None` if nobody knows: it did not come from a queue of
    /// ours, and does not read as a message of ours.
    pub queue: Option<Queue>,
    /// Why the broker moved it here: `rejected` (a worker could not read it, or do it) or
    /// `delivery_limit` (it came back too often); `None` if it was put here by hand.
    pub reason: Option<String>,
    /// How often it was moved here.
    pub times: u64,
    /// When, in Unix seconds, it was moved here last; `None` if it was put here by hand.
    pub at: Option<i64>,
    /// What no worker can read about it; `None` if it reads well.
    pub problem: Option<String>,
    /// The message as it is. What is no UTF-8 in it is replaced.
    pub body: String,
}

/// The oldest of the parked messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// How many there are.
    pub parked: u64,
    /// The oldest of them.
    pub messages: Vec<Parked>,
}

/// What became of messages that were to be put back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutBack {
    /// How many are in their queue again.
    pub requeued: u64,
    /// How many nobody knows a queue for: they stay parked.
    pub unknown: u64,
    /// How many are parked still, those included.
    pub left: u64,
}

impl Parked {
    /// The message with this body that came by this routing key: it keeps the one of its queue on
    /// its way here.
    pub(super) fn read(body: &[u8], routing_key: &str) -> Self {
        let message = Message::from_json(body);
        let by_key = Queue::ALL
            .into_iter()
            .find(|queue| queue.as_str() == routing_key);
        let by_body = message.as_ref().ok().map(Message::queue);
        let problem = match (&message, by_key) {
            (Err(why), _) => Some(why.to_string()),
            (Ok(message), Some(queue)) if message.queue() != queue => {
                Some(format!("it belongs into {}", message.queue().as_str()))
            }
            (Ok(_), _) => None,
        };
        Self {
            queue: by_key.or(by_body),
            reason: None,
            times: 0,
            at: None,
            problem,
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMIT: &[u8] = br#"{"v":1,"submit":{"id":17,"turn":0}}"#;

    #[test]
    fn a_message_goes_back_to_the_queue_it_came_from() {
        let parked = Parked::read(SUBMIT, "submit");
        assert_eq!((parked.queue, parked.problem), (Some(Queue::Submit), None));
        let broken = Parked::read(b"no JSON", "poll");
        assert_eq!(broken.queue, Some(Queue::Poll));
        assert!(
            broken
                .problem
                .is_some_and(|why| why.contains("does not read"))
        );
    }

    #[test]
    fn one_in_a_wrong_queue_says_so() {
        let parked = Parked::read(SUBMIT, "poll");
        assert_eq!(parked.queue, Some(Queue::Poll));
        assert_eq!(parked.problem.as_deref(), Some("it belongs into submit"));
    }

    #[test]
    fn one_that_was_put_there_by_hand_is_known_by_its_body_or_not_at_all() {
        assert_eq!(Parked::read(SUBMIT, "").queue, Some(Queue::Submit));
        assert_eq!(Parked::read(b"\xff?", "").queue, None);
    }
}
