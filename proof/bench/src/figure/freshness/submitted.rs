//! Songs and lyrics that users submit at a steady rate to one channel.

use std::time::Duration;

use harness::places::Made;
use tokio::time::sleep;

use super::baseline::{EVENLY, LOOP, evenly_spread, loop_over_the_oldest};
use super::load::{Load, Times};
use super::measured::{BUILDS, Calls, Measured, Window, lateness};
use super::stand::Stand;
use super::{Found, Part, Plan};
use crate::figure::requirement::{Bound, Requirement};

/// The most ids that a call carries.
const IDS_A_CALL: f64 = 100.0;

/// What a part submits, and what must hold.
pub struct Submitted {
    pub part: Part,
    in_flight: u32,
    /// How long ends are counted.
    measured: Duration,
    lyrics: bool,
    /// More arguments of the simulator.
    simulator: &'static [&'static str],
    /// Arguments of `channel create`.
    channel: &'static [&'static str],
    /// The most calls a second; `None` without a bound to check.
    calls: Option<f64>,
    must: Must,
}

enum Must {
    /// The mean of lateness and its p99, s.
    Late(f64, Option<f64>),
    /// The mean, in means of evenly spread looks at the same calls.
    BeatEvenLooks(f64),
    /// The share of calls that get 429.
    Refused(f64),
}

/// The defaults.
const USUAL: Submitted = Submitted {
    part: Part::Hundred,
    in_flight: 100,
    measured: Duration::from_secs(400),
    lyrics: true,
    simulator: &[],
    channel: &[],
    calls: Some(5.0),
    must: Must::Late(1.5, Some(4.0)),
};

/// The parts with PostgreSQL and RabbitMQ.
pub const ON_SERVERS: [Submitted; 6] = [
    USUAL,
    Submitted {
        part: Part::Thousand,
        in_flight: 1_000,
        measured: Duration::from_secs(200),
        ..USUAL
    },
    Submitted {
        part: Part::TenThousand,
        in_flight: 10_000,
        measured: Duration::from_secs(150),
        channel: &["--polls-per-second", "20"],
        calls: Some(20.0),
        must: Must::Late(3.0, Some(10.0)),
        ..USUAL
    },
    Submitted {
        part: Part::Even,
        in_flight: 10_000,
        measured: Duration::from_secs(150),
        // Songs alone: what looks at lyrics gain would hide what looks at songs lose.
        lyrics: false,
        must: Must::BeatEvenLooks(0.75),
        ..USUAL
    },
    Submitted {
        part: Part::Refused,
        in_flight: 1_000,
        measured: Duration::from_secs(200),
        simulator: &["--fetches-per-second", "2"],
        must: Must::Refused(0.05),
        ..USUAL
    },
    Submitted {
        part: Part::OneId,
        in_flight: 1_000,
        measured: Duration::from_secs(200),
        channel: &["--dialect", "sunoapi"],
        calls: Some(50.0),
        must: Must::Late(9.0, None),
        ..USUAL
    },
];

/// The part in one process.
pub const IN_ONE_PROCESS: Submitted = Submitted {
    part: Part::Embedded,
    in_flight: 20,
    measured: Duration::from_mins(15),
    must: Must::Late(1.5, None),
    ..USUAL
};

/// What a build was measured to do, and the lives of all songs.
pub struct Run {
    measured: Measured,
    made: Vec<Made>,
    window: Window,
}

impl Submitted {
    /// Measures this on a stand, and ends all tasks.
    pub async fn run(&self, plan: &Plan, stand: &mut Stand, who: &'static str) -> Run {
        let times = Times::of(plan);
        let load = Load {
            in_flight: plan.size(self.in_flight, 10),
            lyrics: self.lyrics,
        };
        let simulator = [&times.simulator(), self.simulator].concat();
        let part = self.part.name();
        stand.open(part, &simulator, self.channel).await;
        let stand = &*stand;
        let run = tokio::select! {
            () = load.submit(times, &stand.user) => unreachable!("it goes on for ever"),
            run = self.watch(plan, stand, times, who) => run,
        };
        stand.end_all(plan).await;
        run
    }

    /// Measures while others submit.
    async fn watch(&self, plan: &Plan, stand: &Stand, times: Times, who: &'static str) -> Run {
        let upstream = &stand.channel().upstream;
        sleep(times.warm_up).await;
        let (before, cpu) = (upstream.fetches().await, stand.cpu().await);
        sleep(plan.size(self.measured, Duration::from_secs(1))).await;
        let (after, cpu_now) = (upstream.fetches().await, stand.cpu().await);
        let window = Window::between(&before, &after);
        let cpu = cpu.zip(cpu_now);
        let cpu = cpu.map(|(before, after)| after.per_task(before, window.seconds()));
        let made = upstream.made().await;
        let late = lateness(&stand.cluster, &made, window, times.patience).await;
        let end = upstream.fetches().await;
        let measured = Measured {
            part: self.part.name(),
            who,
            in_flight: window.in_flight(&made),
            late,
            calls: Some(Calls::between(&before, &after, &end)),
            cpu,
        };
        Run {
            measured,
            made,
            window,
        }
    }

    /// What must hold of the first run, which is that of this build, and what was measured of all and computed for
    /// the same songs.
    pub fn found(&self, runs: Vec<Run>) -> Found {
        let mut found = Found::default();
        let Some(Run {
            measured,
            made,
            window,
        }) = runs.first()
        else {
            return found;
        };
        let even = self.evenly(measured);
        found.requirements = self.requirements(measured, even.as_ref());
        let oldest = Measured {
            who: LOOP,
            late: loop_over_the_oldest(made, *window),
            calls: None,
            cpu: None,
            ..measured.clone()
        };
        found
            .measured
            .extend(runs.into_iter().map(|run| run.measured));
        found.measured.push(oldest);
        found.measured.extend(even);
        found
    }

    fn evenly(&self, measured: &Measured) -> Option<Measured> {
        let calls = measured.calls?;
        let most = if self.part == Part::OneId {
            1.0
        } else {
            IDS_A_CALL
        };
        // No look asks for a song twice.
        let ids = calls.a_second * measured.in_flight.min(most);
        let ends = measured.late?.ends;
        Some(Measured {
            who: EVENLY,
            late: (ids > 0.0).then(|| evenly_spread(measured.in_flight, ids, ends)),
            calls: None,
            cpu: None,
            ..measured.clone()
        })
    }

    fn requirements(&self, measured: &Measured, even: Option<&Measured>) -> Vec<Requirement> {
        let requirement = |what: String, number: Option<f64>, most| {
            Requirement::new(self.part.name(), what, number, Bound::AtMost(most))
        };
        let of = format!("{:.0} in flight", measured.in_flight);
        let late = measured.late;
        let mean = late.map(|late| late.mean);
        let mut all = match self.must {
            Must::Late(most, p99) => {
                let mut both = vec![requirement(format!("mean lateness, {of}, s"), mean, most)];
                if let Some(most) = p99 {
                    let p99 = late.map(|late| late.p99);
                    both.push(requirement(format!("p99 of lateness, {of}, s"), p99, most));
                }
                both
            }
            Must::BeatEvenLooks(most) => {
                let even = even.and_then(|even| even.late).map(|late| late.mean);
                let ratio = mean.zip(even).map(|(mean, even)| mean / even);
                let what = format!("mean lateness / that of evenly spread looks, {of}");
                vec![requirement(what, ratio, most)]
            }
            Must::Refused(most) => {
                let share = measured.calls.map(|calls| calls.refused);
                vec![requirement(
                    format!("share of 429 in all calls, {of}"),
                    share,
                    most,
                )]
            }
        };
        if let Some(bound) = self.calls {
            let calls = measured.calls.map(|calls| calls.most_in_10s);
            all.push(requirement(
                format!("most calls in any 10 s, {of}"),
                calls,
                10.0 * bound,
            ));
        }
        all
    }
}

/// Measures the wanted parts of these on one stand after the other.
pub async fn run_all(
    plan: &Plan,
    stand: &mut Stand,
    build: usize,
    parts: &[Submitted],
) -> Vec<Run> {
    let who = BUILDS[build];
    let mut runs = Vec::new();
    for part in parts.iter().filter(|one| plan.wants(one.part)) {
        eprintln!("freshness: {}, {who} …", part.part.name());
        let run = part.run(plan, stand, who).await;
        eprintln!("freshness: {}", run.measured);
        runs.push(run);
    }
    runs
}
