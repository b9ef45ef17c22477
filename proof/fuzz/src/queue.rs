use shared::broker::Message;
use shared::broker::message::MOST_TASKS;

/// A message in a queue: one that reads is written again as one that reads the same.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_json(bytes) else {
        return;
    };
    if let Message::Poll { tasks, .. } = &message {
        assert!(tasks.len() <= MOST_TASKS);
    }
    let written = message.to_json();
    assert_eq!(Message::from_json(&written), Ok(message));
}
