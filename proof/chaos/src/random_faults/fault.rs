//! The faults, and how likely each is.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// What fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Worker(Stop),
    Api(Stop),
    Postgres(Stop),
    RabbitMq(Stop),
    /// `PostgreSQL` terminates all connections to the cluster's database.
    Terminate,
    /// All connections to the database carry nothing any more, and new ones work.
    FailOver,
    /// `PostgreSQL` takes no connections to the cluster's database for a while.
    Refuse,
    /// Somebody locks a table, also for longer than a lease.
    Lock,
    /// `PostgreSQL` is away for longer than a lease, and a worker starts as it comes back.
    WorstMoment,
    /// A process's connections to the database or the broker.
    Wire(Break),
    /// All workers' connections to one upstream.
    Upstream(Break),
    /// A connection to the database is reset before a commit arrives.
    LoseCommit,
    /// A connection to the database is reset before a commit's answer arrives.
    LoseCommitAnswer,
}

/// How a process or a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Kill,
    Freeze,
    /// In order, and started again.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    Cut,
    Reset,
    BlackHole,
    Delay,
    /// The connections that there are carry nothing any more; new ones work.
    Mute,
}

/// Weight, fault, and the name in the report.
const FAULTS: [(u32, Fault, &str); 26] = [
    (10, Fault::Worker(Stop::Kill), "worker killed"),
    (5, Fault::Worker(Stop::Freeze), "worker frozen"),
    (3, Fault::Worker(Stop::Restart), "worker stopped in order"),
    (6, Fault::Api(Stop::Kill), "api killed"),
    (3, Fault::Api(Stop::Freeze), "api frozen"),
    (2, Fault::Postgres(Stop::Kill), "postgres killed"),
    (2, Fault::Postgres(Stop::Restart), "postgres restarted"),
    (2, Fault::Postgres(Stop::Freeze), "postgres frozen"),
    (4, Fault::Terminate, "postgres connections terminated"),
    (
        3,
        Fault::FailOver,
        "postgres failed over, old connections mute",
    ),
    (3, Fault::Refuse, "postgres took no connections"),
    (2, Fault::Lock, "a table was locked"),
    (
        1,
        Fault::WorstMoment,
        "a worker started as postgres came back",
    ),
    (2, Fault::RabbitMq(Stop::Kill), "rabbitmq killed"),
    (1, Fault::RabbitMq(Stop::Restart), "rabbitmq restarted"),
    (2, Fault::RabbitMq(Stop::Freeze), "rabbitmq frozen"),
    (4, Fault::Wire(Break::Cut), "wire cut"),
    (5, Fault::Wire(Break::Reset), "wire reset"),
    (5, Fault::Wire(Break::BlackHole), "wire black-holed"),
    (4, Fault::Wire(Break::Delay), "wire delayed"),
    (4, Fault::Wire(Break::Mute), "wire gone mute"),
    (
        8,
        Fault::LoseCommit,
        "connection reset before a commit arrived",
    ),
    (
        8,
        Fault::LoseCommitAnswer,
        "connection reset before a commit's answer arrived",
    ),
    (4, Fault::Upstream(Break::Reset), "upstream's wire reset"),
    (
        3,
        Fault::Upstream(Break::BlackHole),
        "upstream's wire black-holed",
    ),
    (3, Fault::Upstream(Break::Delay), "upstream's wire delayed"),
];

/// One fault by weight, and its name.
pub(super) fn choose(random: &mut StdRng) -> (Fault, &'static str) {
    let all = FAULTS.iter().map(|(weight, ..)| weight).sum();
    let mut at = random.random_range(0..all);
    for (weight, fault, name) in FAULTS {
        if at < weight {
            return (fault, name);
        }
        at -= weight;
    }
    unreachable!("it is below the sum of all weights")
}
