//! Messages that no worker can handle, as an operator sees them. [`super::rabbitmq::Parking`] reads,
//! requeues and deletes them; queues in process do not offer that.

use serde::Serialize;

use super::{Message, Queue};

/// A message in `<prefix>.parking`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The queue that the message would go back to. `None` if it is not known: the message did not come
    /// from a queue of ours, and does not read as a message of ours.
    pub queue: Option<Queue>,
    /// Why the broker parked the message: `rejected` (a worker could not read or do it) or
    /// `delivery_limit` (it came back too often); `None` if an operator put it there.
    pub reason: Option<String>,
    /// How often the message was parked.
    pub times: u64,
    /// When the message was parked last, in Unix seconds; `None` if an operator put it there.
    pub at: Option<i64>,
    /// Why no worker can read the message; `None` if it can be read.
    pub problem: Option<String>,
    /// The body, with what is not UTF-8 replaced.
    pub body: String,
}

/// The oldest parked messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedPage {
    /// How many messages are parked.
    pub parked: u64,
    /// The oldest of them, in their order.
    pub messages: Vec<Parked>,
}

/// What became of parked messages that were to be requeued. The command prints these fields as JSON, in
/// this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requeued {
    /// How many are in their queue again.
    pub requeued: u64,
    /// How many stay parked because their queue is not known.
    pub unknown: u64,
    /// How many are still parked, including the unknown ones.
    pub left: u64,
}

impl Parked {
    /// The message with this body and this routing key, which is the one of the queue it came from.
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
        let problem = broken.problem.unwrap_or_default();
        assert!(problem.contains("does not read"), "{problem}");
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
