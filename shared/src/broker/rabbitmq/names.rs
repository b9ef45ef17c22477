//! The names of exchanges, queues, connections and consumers, which an operator reads in the `RabbitMQ`
//! UI (`docs/contract.md`, "Queues and messages").

use std::fmt;

use crate::broker::Queue;
use crate::task::wait::Rung;

/// The names of exchanges and queues that start with one prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The direct exchange in front of the work queues.
    pub(super) fn work(&self) -> String {
        format!("{}.work", self.prefix)
    }

    /// A work queue.
    pub(super) fn queue(&self, queue: Queue) -> String {
        format!("{}.{}", self.prefix, queue.as_str())
    }

    /// A waiting queue, and the exchange of the same name in front of it. With an exchange of its own, the
    /// routing key can say where the message goes after its wait.
    pub(super) fn delay(&self, rung: Rung) -> String {
        format!("{}.delay.{}s", self.prefix, rung.seconds())
    }

    /// The exchange in front of the parking queue.
    pub(super) fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue of messages that no worker can handle.
    pub(super) fn parking(&self) -> String {
        format!("{}.parking", self.prefix)
    }

    /// All queues.
    pub(super) fn queues(&self) -> Vec<String> {
        let mut names = Queue::ALL.map(|queue| self.queue(queue)).to_vec();
        names.extend(Rung::LADDER.map(|rung| self.delay(rung)));
        names.push(self.parking());
        names
    }
}

/// What a connection is for. The two are apart because acknowledgements must go out while publishing is
/// blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Publish,
    Consume,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        })
    }
}

/// This process: its program, host and process id.
#[derive(Debug, Clone)]
pub(super) struct Process {
    program: &'static str,
    host: String,
    pid: u32,
}

impl Process {
    pub(super) fn this(program: &'static str) -> Self {
        Self {
            program,
            host: host(),
            pid: std::process::id(),
        }
    }

    /// `task-center/<api|worker>/<host>/<pid>/<publish|consume>`.
    pub(super) fn connection(&self, role: Role) -> String {
        let Self { program, host, pid } = self;
        format!("task-center/{program}/{host}/{pid}/{role}")
    }

    /// `<queue>-<host>-<pid>`; from the second consumer of a queue on with `-<number>` after it.
    pub(super) fn consumer(&self, queue: &str, number: u32) -> String {
        let name = format!("{queue}-{}-{}", self.host, self.pid);
        match number {
            0 | 1 => name,
            _ => format!("{name}-{number}"),
        }
    }
}

/// The host's name, from the kernel or from the environment.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown-host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_named_as_the_contract_says() {
        let all = Names::new("task").queues();
        assert_eq!(all.len(), 3 + Rung::LADDER.len());
        for name in ["task.submit", "task.poll", "task.parking"] {
            assert!(all.contains(&name.to_owned()), "{name}");
        }
        assert!(all.contains(&"task.delay.1s".to_owned()));
        assert!(all.contains(&"task.delay.300s".to_owned()));
    }

    #[test]
    fn connections_and_consumers_are_named_as_the_contract_says() {
        let process = Process {
            program: "worker",
            host: "box".to_owned(),
            pid: 7,
        };
        let connection = process.connection(Role::Consume);
        assert_eq!(connection, "task-center/worker/box/7/consume");
        assert_eq!(process.consumer("task.poll", 1), "task.poll-box-7");
        assert_eq!(process.consumer("task.poll", 2), "task.poll-box-7-2");
    }
}
