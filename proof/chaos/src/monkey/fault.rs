//! Which faults there are, and how likely each is.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    KillWorker,
    FreezeWorker,
    StopWorker,
    KillApi,
    FreezeApi,
    KillPostgres,
    RestartPostgres,
    FreezePostgres,
    EndConnections,
    KillRabbitMq,
    RestartRabbitMq,
    FreezeRabbitMq,
    CutWire,
    ResetWire,
    BlackHoleWire,
    DelayWire,
    LoseCommit,
    LoseCommitsAnswer,
    ResetUpstream,
    BlackHoleUpstream,
    DelayUpstream,
}

/// How likely each is, and what the report calls it.
const FAULTS: [(u32, Fault, &str); 21] = [
    (10, Fault::KillWorker, "worker killed"),
    (5, Fault::FreezeWorker, "worker frozen"),
    (3, Fault::StopWorker, "worker stopped in order"),
    (6, Fault::KillApi, "api killed"),
    (3, Fault::FreezeApi, "api frozen"),
    (2, Fault::KillPostgres, "postgres killed"),
    (2, Fault::RestartPostgres, "postgres restarted"),
    (2, Fault::FreezePostgres, "postgres frozen"),
    (4, Fault::EndConnections, "postgres connections terminated"),
    (2, Fault::KillRabbitMq, "rabbitmq killed"),
    (1, Fault::RestartRabbitMq, "rabbitmq restarted"),
    (2, Fault::FreezeRabbitMq, "rabbitmq frozen"),
    (4, Fault::CutWire, "wire cut"),
    (5, Fault::ResetWire, "wire reset"),
    (5, Fault::BlackHoleWire, "wire black-holed"),
    (4, Fault::DelayWire, "wire delayed"),
    (
        8,
        Fault::LoseCommit,
        "connection reset before a commit arrived",
    ),
    (
        8,
        Fault::LoseCommitsAnswer,
        "connection reset before a commit's answer arrived",
    ),
    (4, Fault::ResetUpstream, "upstream's wire reset"),
    (3, Fault::BlackHoleUpstream, "upstream's wire black-holed"),
    (3, Fault::DelayUpstream, "upstream's wire delayed"),
];

impl Fault {
    /// What the report calls it.
    pub fn name(self) -> &'static str {
        let named = FAULTS.iter().find(|(_, fault, _)| *fault == self);
        named.map_or("", |(_, _, name)| name)
    }
}

/// One of them.
pub(super) fn choose(random: &mut StdRng) -> Fault {
    let all = FAULTS.iter().map(|(weight, ..)| weight).sum();
    let mut at = random.random_range(0..all);
    for (weight, fault, _) in FAULTS {
        if at < weight {
            return fault;
        }
        at -= weight;
    }
    Fault::KillWorker
}
