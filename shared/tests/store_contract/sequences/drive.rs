//! One step, done to the Store and to the model; what the Store answers is what the model expects.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::SecretDigest;
use shared::store::SharedStore;
use shared::store::accounts::Granted;
use shared::store::channels::Price;
use shared::store::submissions::{IDEMPOTENCY_KEPT, Idempotency, NewTask, Submitted};
use shared::store::turns::{Accepted, AtTurn, End, Finished, News, Settled, Waiting};
use shared::task::step::{Known, Observation, Step as Becomes};
use shared::task::{Action, KeyId, Platform, Status, Turn};
use tokio::join;

use super::oracle::{Channel, Key, Once, Oracle, Stage, Task, User, Verdict};
use super::step::{Pick, Said, Step};
use super::watch::{self, Watch};
use crate::world::{Payer, World, quota};

/// How long a claim or a sweep keeps a task to itself.
const LEASE: Duration = Duration::from_mins(1);
/// The first wait of an accepted task, and every wait after it.
const PACE: Duration = Duration::from_secs(8);
/// The looks at a task that was given up, and the time between two.
const LATE_LOOKS: u32 = 6;
const LATE_LOOK_EVERY: Duration = Duration::from_mins(5);

pub struct Drive<'a> {
    world: &'a World,
    oracle: Oracle,
    watch: Watch,
    taken: usize,
}

impl<'a> Drive<'a> {
    /// Two users, one of them poor; three keys, one of them without a limit; two channels.
    pub async fn new(world: &'a World) -> Self {
        let mut drive = Self {
            world,
            oracle: Oracle::new(),
            watch: Watch::default(),
            taken: 0,
        };
        for (balance, limits) in [(3_000, &[None, Some(700)][..]), (250, &[Some(9_000)][..])] {
            drive.add_user(balance, limits).await;
        }
        for _ in 0..2 {
            let id = world.channel().await;
            let name = world.channel_now(id).await.name;
            drive.oracle.channels.push(Channel {
                id,
                name,
                enabled: true,
                used: 0,
            });
        }
        for (action, quota) in [(Action::Song, 100), (Action::Lyrics, 7)] {
            drive.set_price(action, quota).await;
        }
        drive
    }

    async fn add_user(&mut self, balance: i64, limits: &[Option<i64>]) {
        let user = self.oracle.users.len();
        let Payer {
            user: id,
            name,
            key,
        } = self.world.payer_with(balance, limits[0]).await;
        self.oracle.users.push(User {
            id,
            name,
            granted: balance,
            used: 0,
        });
        self.oracle.grants += 1;
        self.add_key(key, user, limits[0]);
        for limit in &limits[1..] {
            let (digest, given) = (self.world.digest(), limit.map(quota));
            let made = self
                .world
                .store
                .create_key(id, "another", digest, given, self.oracle.now);
            let key = made.await.expect("a key is made");
            self.add_key(key, user, *limit);
        }
    }

    fn add_key(&mut self, id: KeyId, user: usize, limit: Option<i64>) {
        self.oracle.keys.push(Key {
            id,
            user,
            limit,
            used: 0,
        });
    }

    /// One of the two Stores, in turn: they are two processes.
    fn store(&self) -> SharedStore {
        let both = [&self.world.store, &self.world.other];
        both[self.taken % 2].clone()
    }

    /// Does one step, and looks at everything.
    pub async fn take(&mut self, step: &Step) {
        self.taken += 1;
        match step.clone() {
            Step::Submit {
                key,
                action,
                once,
                pinned,
                twins,
            } => {
                self.submit(usize::from(key), action, once, pinned, twins)
                    .await;
            }
            Step::Begin {
                pick,
                channel,
                claim,
            } => self.begin(pick, usize::from(channel), claim).await,
            Step::NotArrived { pick, counted } => self.not_arrived(pick, counted).await,
            Step::Accept { picks, doubled } => self.accept(&picks, doubled).await,
            Step::Claim { channel, picks } => self.claim(usize::from(channel), &picks).await,
            Step::Settle {
                told,
                doubled,
                twins,
            } => self.settle(&told, doubled, twins).await,
            Step::Postpone { picks } => self.postpone(&picks).await,
            Step::Sweep { limit } => self.sweep(limit).await,
            Step::Late { limit } => self.late(limit).await,
            Step::NoteLate { task, status } => self.note_late(usize::from(task), status).await,
            Step::Forget { limit } => self.forget(limit).await,
            Step::Grant { user, quota } => self.grant(usize::from(user), quota).await,
            Step::Price { action, quota } => self.set_price(action, quota).await,
            Step::EnableUser(user, on) => {
                let name = &self.oracle.users[usize::from(user) % 2].name;
                assert!(
                    self.store()
                        .enable_user(name, on)
                        .await
                        .expect("it is written")
                );
            }
            Step::EnableKey(key, on) => {
                let key = self.oracle.keys[usize::from(key) % 3].id;
                assert!(
                    self.store()
                        .enable_key(key, on)
                        .await
                        .expect("it is written")
                );
            }
            Step::EnableChannel(channel, on) => {
                let store = self.store();
                let channel = &mut self.oracle.channels[usize::from(channel) % 2];
                channel.enabled = on;
                assert!(
                    store
                        .enable_channel(&channel.name, on)
                        .await
                        .expect("it is written")
                );
            }
            Step::Wait { seconds } => {
                self.oracle.now = self.oracle.now.after(Duration::from_secs(seconds));
            }
        }
        self.watch.look(self.world, &self.oracle).await;
    }

    /// Nothing is forgotten: in the end the sweep knows every unfinished task, and all of them end.
    pub async fn end_all(&mut self) {
        self.oracle.now = self.oracle.now.after(Duration::from_hours(100));
        self.sweep(1_000).await;
        let left = self
            .oracle
            .tasks
            .iter()
            .filter(|task| task.unfinished.is_some());
        let left: Vec<_> = left.map(|task| (task.at(), Said::GivenUp)).collect();
        self.settle_at(left, false, false).await;
        self.watch.look(self.world, &self.oracle).await;
        assert_eq!(self.world.store.unfinished().await.expect("it counts"), 0);
        for task in &self.oracle.tasks {
            watch::story(self.world, task).await;
        }
    }

    /// The task that a number picks, and the turn that the message names.
    fn pick(&self, pick: Pick, fits: impl Fn(&Task) -> bool) -> Option<AtTurn> {
        let fitting: Vec<&Task> = self.oracle.tasks.iter().filter(|task| fits(task)).collect();
        let tasks: Vec<&Task> = match fitting.is_empty() || !pick.fitting {
            true => self.oracle.tasks.iter().collect(),
            false => fitting,
        };
        let chosen = tasks.get(usize::from(pick.task) % tasks.len().max(1))?;
        let at = chosen.at();
        let turn = Turn(at.turn.0 - i64::from(pick.ago));
        Some(AtTurn { turn, ..at })
    }

    fn picks(&self, picks: &[Pick], fits: impl Fn(&Task) -> bool) -> Vec<AtTurn> {
        let picked = picks.iter().filter_map(|pick| self.pick(*pick, &fits));
        picked.collect()
    }

    async fn submit(
        &mut self,
        key: usize,
        action: Action,
        once: Option<(u8, u8)>,
        pinned: Option<u8>,
        twins: bool,
    ) {
        let (key, now) = (key % 3, self.oracle.now);
        let pinned = pinned.map(|pinned| usize::from(pinned) % 2);
        let verdict = self.oracle.judge(key, action, once, pinned);
        let (first, second) = (
            self.new_task(key, action, once, pinned),
            self.new_task(key, action, once, pinned),
        );
        let names = [first.task_id.clone(), second.task_id.clone()];
        let mut ended = if twins {
            let both = join!(
                self.world.store.submit(first, now),
                self.world.other.submit(second, now)
            );
            vec![both.0.expect("it submits"), both.1.expect("it submits")]
        } else {
            vec![self.store().submit(first, now).await.expect("it submits")]
        };
        if verdict == Verdict::Stored {
            let stored = |ended: &Submitted| matches!(ended, Submitted::Stored(_));
            let place = ended.iter().position(stored).expect("one is stored");
            let (Submitted::Stored(row), name) = (ended.remove(place), names[place].clone()) else {
                unreachable!("it was stored");
            };
            assert!(
                ended
                    .iter()
                    .all(|other| *other == Submitted::Repeated(name.clone()))
            );
            self.oracle.store(row, name.clone(), key, action);
            if let Some((word, body)) = once {
                let user = self.oracle.keys[key].user;
                let once = Once {
                    body: (action, body),
                    first: name,
                    at: now,
                };
                self.oracle.once.insert((user, word), once);
            }
            return;
        }
        let expected = match verdict {
            Verdict::Repeated(first) => Submitted::Repeated(first),
            Verdict::KeyReused => Submitted::KeyReused,
            Verdict::NoChannel => Submitted::NoChannel,
            Verdict::Stored | Verdict::QuotaNotEnough => Submitted::QuotaNotEnough,
        };
        assert!(
            ended.iter().all(|ended| *ended == expected),
            "{ended:?}, not {expected:?}"
        );
    }

    fn new_task(
        &self,
        key: usize,
        action: Action,
        once: Option<(u8, u8)>,
        pinned: Option<usize>,
    ) -> NewTask {
        let key = &self.oracle.keys[key];
        let user = &self.oracle.users[key.user];
        let payer = Payer {
            user: user.id,
            name: user.name.clone(),
            key: key.id,
        };
        NewTask {
            action,
            pinned: pinned.map(|channel| self.oracle.channels[channel].id),
            idempotency: once.map(|(word, body)| Idempotency {
                key: format!("order {word}"),
                request: SecretDigest::of(format!("{action} {body}")),
            }),
            ..self.world.song(&payer)
        }
    }

    async fn begin(&mut self, pick: Pick, channel: usize, claim: i64) {
        let Some(at) = self.pick(pick, |task| at_stage(task, |stage| stage == Stage::Submit))
        else {
            return;
        };
        let (now, channel) = (self.oracle.now, channel % 2);
        let lease = now.after(LEASE);
        let id = self.oracle.channels[channel].id;
        let begun = self.store().begin_submit(at, id, claim, lease, now).await;
        let next = AtTurn {
            turn: Turn(at.turn.0 + 1),
            ..at
        };
        let fresh = self
            .oracle
            .at(at)
            .is_some_and(|task| task.stage == Stage::Submit);
        // The same caller again, who lost the answer.
        let is_own = |stage| matches!(stage, Stage::Sending { claim: own, .. } if own == claim);
        let again = self.oracle.at(next).is_some_and(|task| is_own(task.stage));
        let expected = if fresh {
            self.oracle.at(at)
        } else {
            self.oracle.at(next).filter(|_| again)
        };
        let expected = expected.map(|task| {
            task.turn = next.turn.0;
            (task.stage, task.due_at) = (Stage::Sending { channel, claim }, lease);
            next
        });
        assert_eq!(begun.expect("it begins"), expected);
    }

    async fn not_arrived(&mut self, pick: Pick, counted: bool) {
        let sending = |stage| matches!(stage, Stage::Sending { .. });
        let Some(at) = self.pick(pick, |task| at_stage(task, sending)) else {
            return;
        };
        let (now, due_at) = (self.oracle.now, self.oracle.now.after(PACE));
        let again = self
            .store()
            .retry_submit(at, counted, "no connection", due_at, now)
            .await;
        let task = self.oracle.at(at).filter(|task| sending(task.stage));
        let expected = task.map(|task| {
            task.turn += 1;
            (task.stage, task.due_at) = (Stage::Submit, due_at);
            task.attempts += u32::from(counted);
            AtTurn {
                turn: Turn(task.turn),
                ..at
            }
        });
        assert_eq!(again.expect("it is put off"), expected);
        if let Some(at) = expected {
            let job = self.store().submit_job(at).await.expect("it reads");
            let attempts = self.oracle.at(at).map(|task| task.attempts);
            assert_eq!(
                job.map(|job| (job.attempts, job.intention)),
                attempts.map(|n| (n, false))
            );
        }
    }

    async fn accept(&mut self, picks: &[Pick], doubled: bool) {
        let sending = |stage| matches!(stage, Stage::Sending { .. });
        let mut picked = self.picks(picks, |task| at_stage(task, sending));
        if doubled {
            picked.extend(picked.clone());
        }
        let (now, due_at) = (self.oracle.now, self.oracle.now.after(PACE));
        let accepted = picked.iter().map(|at| {
            let task = &self.oracle.tasks[self.oracle.task(at.row)];
            let channel = match task.unfinished.as_ref().map(|task| task.stage) {
                Some(Stage::Sending { channel, .. }) => channel,
                _ => 0,
            };
            let channel = self.oracle.channels[channel].id;
            Accepted {
                at: *at,
                channel,
                upstream_id: task.upstream_id(),
                due_at,
            }
        });
        let accepted = self.store().accept(accepted.collect(), now).await;
        let mut expected = Vec::new();
        for at in picked {
            let Some(task) = self.oracle.at(at) else {
                continue;
            };
            let Stage::Sending { channel, .. } = task.stage else {
                continue;
            };
            task.turn += 1;
            (task.stage, task.due_at) = (Stage::Poll { channel }, due_at);
            expected.push(AtTurn {
                turn: Turn(task.turn),
                ..at
            });
            self.oracle.accept(at.row, channel);
        }
        assert_eq!(
            sorted(accepted.expect("they are accepted")),
            sorted(expected)
        );
    }

    async fn claim(&mut self, channel: usize, picks: &[Pick]) {
        let channel = channel % 2;
        let polled = |stage| stage == Stage::Poll { channel };
        let picked = self.picks(picks, |task| at_stage(task, polled));
        let lease = self.oracle.now.after(LEASE);
        let id = self.oracle.channels[channel].id;
        let jobs = self.store().claim_polls(id, &picked, lease).await;
        let mut expected = Vec::new();
        for at in picked {
            let named_before = expected.iter().any(|done: &AtTurn| done.row == at.row);
            let task = self
                .oracle
                .at(at)
                .filter(|task| polled(task.stage) && !named_before);
            expected.extend(task.map(|task| {
                task.turn += 1;
                task.due_at = lease;
                AtTurn {
                    turn: Turn(task.turn),
                    ..at
                }
            }));
        }
        let jobs = jobs.expect("it claims");
        assert_eq!(
            sorted(jobs.iter().map(|job| job.at).collect()),
            sorted(expected)
        );
        for job in jobs {
            let task = &self.oracle.tasks[self.oracle.task(job.at.row)];
            let unfinished = task.unfinished.as_ref().expect("it was claimed");
            let expected = (unfinished.polls, unfinished.missing, unfinished.digest);
            assert_eq!((job.polls, job.missing, job.digest), expected);
            assert_eq!((job.status, job.progress), (task.status, task.progress));
            assert_eq!(
                (job.task_id, job.upstream_id),
                (task.name.clone(), task.upstream_id())
            );
        }
    }

    async fn settle(&mut self, told: &[(Pick, Said)], doubled: bool, twins: bool) {
        let polled = |stage| matches!(stage, Stage::Poll { .. });
        let mut picked: Vec<(AtTurn, Said)> = Vec::new();
        for (pick, said) in told {
            if let Some(at) = self.pick(*pick, |task| at_stage(task, polled))
                // One worker has a task once in a batch; what it says of it is one thing.
                && !picked.iter().any(|(other, _)| other.row == at.row)
            {
                picked.push((at, *said));
            }
        }
        self.settle_at(picked, doubled, twins).await;
    }

    /// What workers would write down of what they were told.
    async fn settle_at(&mut self, picked: Vec<(AtTurn, Said)>, doubled: bool, twins: bool) {
        let mut waiting = Vec::new();
        let mut finished = Vec::new();
        for (at, said) in picked {
            match self.outcome(at, said) {
                Outcome::Waits(one) => waiting.push(one),
                Outcome::Ends(one) => finished.push(one),
            }
        }
        if doubled {
            waiting.extend(waiting.clone());
            finished.extend(finished.clone());
        }
        let now = self.oracle.now;
        let settled = if twins {
            let both = join!(
                self.world
                    .store
                    .settle(waiting.clone(), finished.clone(), now),
                self.world
                    .other
                    .settle(waiting.clone(), finished.clone(), now)
            );
            let (mut one, two) = (both.0.expect("it settles"), both.1.expect("it settles"));
            one.waiting.extend(two.waiting);
            one.finished.extend(two.finished);
            one
        } else {
            let settled = self
                .store()
                .settle(waiting.clone(), finished.clone(), now)
                .await;
            settled.expect("it settles")
        };
        let mut expected = Settled::default();
        for one in waiting {
            expected.waiting.extend(self.wait_on(one));
        }
        for one in finished {
            if self.oracle.at(one.at).is_some() {
                self.end(&one);
                expected.finished.push(one.at.row);
            }
        }
        assert_eq!(sorted(settled.waiting), sorted(expected.waiting));
        assert_eq!(sorted(settled.finished), sorted(expected.finished));
    }

    fn outcome(&self, at: AtTurn, said: Said) -> Outcome {
        let task = &self.oracle.tasks[self.oracle.task(at.row)];
        let known = task.unfinished.as_ref();
        let (polls, missing, digest) = known.map_or((0, 0, 0), |known| {
            (known.polls, known.missing, known.digest)
        });
        let waits = |missing, news| {
            let due_at = self.oracle.now.after(PACE);
            Outcome::Waits(Waiting {
                at,
                due_at,
                polls: polls + 1,
                missing,
                news,
            })
        };
        let fails = |reason: &str, given_up, data| {
            let channel = Some(self.oracle.channels[at.row.0 as usize % 2].id);
            let end = End::Failure {
                reason: reason.to_owned(),
                channel,
                given_up,
            };
            Outcome::Ends(Finished { at, end, data })
        };
        // A task that no upstream has can only fail.
        if known.is_some() && !task.accepted {
            return fails("refused", false, None);
        }
        let (status, progress, clips) = match said {
            Said::Missing => return waits(missing + 1, None),
            Said::GivenUp => return fails("too late", true, None),
            Said::State(status, progress, clips) => (status, progress, clips),
        };
        let data = format!("[{}]", vec!["{}"; usize::from(clips)].join(","));
        let observation = Observation {
            status,
            fail_reason: "out of tune".to_owned(),
            progress,
            data: serde_json::value::RawValue::from_string(data).ok(),
        };
        let text =
            |data: Option<Box<serde_json::value::RawValue>>| data.map(|data| data.get().to_owned());
        match observation.step(Known {
            status: task.status,
            progress: task.progress,
            digest,
        }) {
            Becomes::Same => waits(0, None),
            Becomes::Moved {
                status,
                progress,
                data,
                digest,
            } => {
                let news = News {
                    status,
                    progress,
                    data: text(data),
                    digest,
                };
                waits(0, Some(news))
            }
            Becomes::Succeeded { data } => Outcome::Ends(Finished {
                at,
                end: End::Success,
                data: text(data),
            }),
            Becomes::Failed { reason, data } => fails(&reason, false, text(data)),
        }
    }

    fn wait_on(&mut self, one: Waiting) -> Option<AtTurn> {
        let seconds = self.oracle.now.seconds();
        let task = self.oracle.at(one.at)?;
        task.turn += 1;
        (task.due_at, task.polls, task.missing) = (one.due_at, one.polls, one.missing);
        let next = AtTurn {
            turn: Turn(task.turn),
            ..one.at
        };
        if let Some(news) = one.news {
            task.digest = news.digest;
            let number = self.oracle.task(one.at.row);
            let task = &mut self.oracle.tasks[number];
            (task.status, task.progress) = (news.status, news.progress);
            task.data = news.data.or(task.data.take());
            if task.start_time == 0 && news.status == Status::InProgress {
                task.start_time = seconds;
            }
        }
        Some(next)
    }

    fn end(&mut self, one: &Finished) {
        let number = self.oracle.task(one.at.row);
        let task = &mut self.oracle.tasks[number];
        task.data = one.data.clone().or(task.data.take());
        match &one.end {
            End::Success => self.oracle.end(one.at.row, Status::Success, None, false),
            End::Failure {
                channel, given_up, ..
            } => {
                let named = |known: &Channel| Some(known.id) == *channel;
                let channel = self.oracle.channels.iter().position(named);
                self.oracle
                    .end(one.at.row, Status::Failure, channel, *given_up);
            }
        }
    }

    async fn postpone(&mut self, picks: &[Pick]) {
        let idle = |stage| !matches!(stage, Stage::Sending { .. });
        let picked = self.picks(picks, |task| at_stage(task, idle));
        let due_at = self.oracle.now.after(PACE);
        let postponed = self.store().postpone(&picked, due_at).await;
        let mut expected = Vec::new();
        for at in picked {
            let named_before = expected.iter().any(|done: &AtTurn| done.row == at.row);
            let task = self
                .oracle
                .at(at)
                .filter(|task| idle(task.stage) && !named_before);
            expected.extend(task.map(|task| {
                task.turn += 1;
                task.due_at = due_at;
                AtTurn {
                    turn: Turn(task.turn),
                    ..at
                }
            }));
        }
        assert_eq!(
            sorted(postponed.expect("they are put off")),
            sorted(expected)
        );
    }

    async fn sweep(&mut self, limit: u32) {
        let (now, lease) = (self.oracle.now, self.oracle.now.after(LEASE));
        let overdue = self
            .store()
            .sweep(now, lease, limit, now)
            .await
            .expect("it sweeps");
        let mut due: Vec<Millis> = self
            .oracle
            .tasks
            .iter()
            .filter_map(|task| task.unfinished.as_ref())
            .filter_map(|task| (task.due_at < now).then_some(task.due_at))
            .collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).expect("it is small"));
        let mut given = Vec::new();
        for one in overdue {
            let poll_at = one.poll_at;
            let of_stage = |stage, channels: &[Channel]| match stage {
                Stage::Poll { channel } => Some(channels[channel].id),
                Stage::Submit | Stage::Sending { .. } => None,
            };
            let stage = self.oracle.at(one.at).expect("it is at that turn").stage;
            assert_eq!(poll_at, of_stage(stage, &self.oracle.channels));
            let task = self.oracle.at(one.at).expect("it is at that turn");
            given.push(task.due_at);
            task.due_at = lease;
        }
        // Which of those that are due since the same moment is left to the Store.
        assert_eq!(sorted(given), due, "what waited longest");
    }

    async fn late(&mut self, limit: u32) {
        let now = self.oracle.now;
        let looks = self.store().late_tasks(now, limit).await.expect("it reads");
        let mut due: Vec<Millis> = self
            .oracle
            .tasks
            .iter()
            .filter_map(|task| task.late)
            .filter_map(|(due_at, _)| (due_at <= now).then_some(due_at))
            .collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).expect("it is small"));
        let mut given = Vec::new();
        for look in looks {
            let number = self.oracle.task(look.row);
            let task = &mut self.oracle.tasks[number];
            assert_eq!(look.upstream_id, task.upstream_id());
            let (due_at, looks) = task.late.take().expect("it was given up");
            given.push(due_at);
            if looks + 1 < LATE_LOOKS {
                task.late = Some((now.after(LATE_LOOK_EVERY), looks + 1));
            }
        }
        assert_eq!(sorted(given), due);
    }

    async fn note_late(&mut self, task: usize, status: Status) {
        let (store, count) = (self.store(), self.oracle.tasks.len().max(1));
        let Some(task) = self.oracle.tasks.get_mut(task % count) else {
            return;
        };
        let noted = store
            .note_late(task.row, status, Some("[]"), self.oracle.now)
            .await;
        noted.expect("it is noted");
        if task.status == Status::Failure {
            (task.late_noted, task.late) = (true, None);
        }
    }

    async fn forget(&mut self, limit: u32) {
        let before = self.oracle.now.before(IDEMPOTENCY_KEPT);
        let forgotten = self.store().forget_idempotency(before, limit).await;
        let old = self.oracle.once.iter().filter(|(_, once)| once.at < before);
        let old: Vec<_> = old.map(|(key, _)| *key).take(limit as usize).collect();
        // Which of them is left to the Store: none of them counts any more.
        assert_eq!(forgotten.expect("it forgets"), old.len() as u64);
        old.iter()
            .for_each(|key| drop(self.oracle.once.remove(key)));
    }

    async fn grant(&mut self, user: usize, amount: i64) {
        let (store, now) = (self.store(), self.oracle.now);
        let user = &mut self.oracle.users[user % 2];
        user.granted += amount;
        self.oracle.grants += 1;
        let left = quota(user.granted - user.used);
        let granted = store.grant(&user.name, quota(amount), now).await;
        assert_eq!(granted.expect("it is granted"), Granted::Given(left));
    }

    async fn set_price(&mut self, action: Action, amount: i64) {
        self.oracle.prices.insert(action.as_str(), amount);
        let price = Price {
            platform: Platform::Suno,
            action,
            quota: quota(amount),
        };
        self.store().set_price(price).await.expect("it is set");
    }
}

/// What becomes of one task in a settle.
enum Outcome {
    Waits(Waiting),
    Ends(Finished),
}

fn at_stage(task: &Task, fits: impl Fn(Stage) -> bool) -> bool {
    task.unfinished
        .as_ref()
        .is_some_and(|task| fits(task.stage))
}

fn sorted<T: SortKey>(mut all: Vec<T>) -> Vec<T> {
    all.sort_by_key(SortKey::key);
    all
}

/// What the Store gives in no order.
trait SortKey {
    fn key(&self) -> (i64, i64);
}

impl SortKey for AtTurn {
    fn key(&self) -> (i64, i64) {
        (self.row.0, self.turn.0)
    }
}

impl SortKey for shared::task::RowId {
    fn key(&self) -> (i64, i64) {
        (self.0, 0)
    }
}

impl SortKey for Millis {
    fn key(&self) -> (i64, i64) {
        (self.0, 0)
    }
}
