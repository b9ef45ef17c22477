//! Who is next, and how many may run: lines, limits and ceilings.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shared::clock::Millis;
use shared::store::Store;
use shared::store::channels::{Calls, Failed, NewChannel};
use shared::store::lines::{Line, Route};
use shared::store::turns::Intention;
use shared::task::claims::Trial;
use shared::task::cool_down::{CoolDown, RestsFor};
use shared::task::recent::Recent;
use shared::task::{Action, AtTurn, ChannelId, Platform, Turn};

use crate::database::{Kind, contract, ok};
use crate::values::{
    NOW, SONG, accepted, bad_call, failure, later, new_channel, next, only, retry, success,
};
use crate::world::{Payer, World};

contract! {
    the_user_with_the_fewest_running_tasks_is_next_and_then_the_oldest_task,
    a_line_has_its_tasks_in_order_and_those_that_are_due,
    a_route_has_its_own_lines,
    a_user_or_key_at_its_limit_stands_in_no_line,
    a_changed_limit_counts_at_once,
    the_smaller_of_an_operators_and_a_platforms_own_limit_holds,
    of_many_who_claim_at_once_no_more_get_through_than_each_limit_allows,
    a_task_that_is_refused_a_place_goes_on_waiting,
    a_channel_that_is_closed_gets_nothing,
    a_channel_that_rested_gets_one_task_at_a_time,
    a_channel_where_one_user_s_submits_fail_rests_for_this_user_alone,
    a_ceiling_is_learnt_by_all_together,
    a_channel_has_its_submits_a_minute,
    what_waited_too_long_is_found,
    the_deadline_counts_from_the_sending,
    the_audit_finds_what_is_counted_wrong,
    what_runs_is_counted_when_the_counters_come,
}

const ANY: Route = Route {
    platform: Platform::SUNO,
    action: Action::SONG,
    only: None,
};

async fn lines(world: &World, route: Route, now: Millis) -> Vec<Line> {
    ok!(world.other.next_lines(&[route], 100, now))
}

/// Whose turn it is, in order.
async fn users(world: &World) -> Vec<i64> {
    let lines = lines(world, ANY, NOW).await;
    lines.iter().map(|line| line.user.0).collect()
}

/// Each call is another caller.
static CLAIMS: AtomicI64 = AtomicI64::new(1);

fn intention(at: AtTurn, channel: ChannelId) -> Intention {
    Intention {
        at,
        channel,
        sent_to: 0,
        claim: CLAIMS.fetch_add(1, Ordering::SeqCst),
        deadline: later(1_800),
    }
}

/// The claimed tasks of those that are to be sent to the channel.
async fn claimed(store: &Store, tasks: &[AtTurn], channel: ChannelId, now: Millis) -> Vec<Trial> {
    let intentions: Vec<Intention> = tasks.iter().map(|at| intention(*at, channel)).collect();
    let begun = ok!(store.begin_submits(&intentions, now.after(Duration::from_mins(3)), now));
    begun.iter().map(|begun| begun.trial).collect()
}

async fn many_stored(world: &World, payer: &Payer, count: usize) -> Vec<AtTurn> {
    let mut stored = Vec::new();
    for _ in 0..count {
        stored.push(world.stored(payer).await.0);
    }
    stored
}

/// A channel with limits.
async fn channel_with(world: &World, change: impl FnOnce(&mut NewChannel)) -> ChannelId {
    let mut new = new_channel(&world.name("channel"));
    new.max_tasks = 0;
    change(&mut new);
    ok!(world.store.create_channel(new, NOW)).expect("the name is new")
}

async fn the_user_with_the_fewest_running_tasks_is_next_and_then_the_oldest_task(world: &World) {
    let (channel, a) = world.channel_and_payer(100 * SONG).await;
    let (b, c) = (world.payer(100 * SONG).await, world.payer(100 * SONG).await);
    let of_a = many_stored(world, &a, 3).await;
    many_stored(world, &c, 1).await;
    let of_b = many_stored(world, &b, 2).await;
    let (a, b, c) = (a.user.0, b.user.0, c.user.0);
    assert_eq!(users(world).await, [a, c, b]);
    let sending = world.begin(of_a[0], channel).await;
    assert_eq!(users(world).await, [c, b, a]);
    let of_b = world.begin(of_b[0], channel).await;
    assert_eq!(users(world).await, [c, a, b]);
    // A task that goes back to its line runs no more.
    ok!(world.store.retry_submit(retry(sending, false, "busy"), NOW));
    assert_eq!(users(world).await, [a, c, b]);
    // Nor does one that ended.
    world.end([failure(of_b, "it was refused")], NOW).await;
    assert_eq!(users(world).await, [a, c, b]);
    let line = &lines(world, ANY, NOW).await[0];
    assert_eq!((line.running, line.waiting), (0, 3));
}

async fn a_line_has_its_tasks_in_order_and_those_that_are_due(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 4).await;
    let sending = world.begin(stored[0], channel).await;
    let back = ok!(world.store.retry_submit(retry(sending, true, "no"), NOW)).expect("it is there");
    let line = only(lines(world, ANY, NOW).await);
    assert_eq!((line.first.at, line.waiting), (stored[1], 4));
    let first = async |now| {
        let found = ok!(world.other.first_in_lines(&[(line.id, 3)], now));
        found.iter().map(|(_, task)| task.at).collect::<Vec<_>>()
    };
    assert_eq!(first(NOW).await, stored[1..]);
    assert_eq!(first(later(7)).await, [back, stored[1], stored[2]]);
    let line = only(lines(world, ANY, later(7)).await);
    assert_eq!((line.first.at, line.first.avoid), (back, Some(channel)));
}

async fn a_route_has_its_own_lines(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let mut pinned = world.song(&payer);
    pinned.pinned = Some(channel);
    let row = world.store_task(pinned).await;
    let only_here = Route {
        only: Some(channel),
        ..ANY
    };
    let lyrics = Route {
        action: Action::LYRICS,
        ..ANY
    };
    assert_eq!(only(lines(world, only_here, NOW).await).first.at.row, row);
    assert!(lines(world, ANY, NOW).await.is_empty());
    assert!(lines(world, lyrics, NOW).await.is_empty());
    let all = ok!(world.other.next_lines(&[ANY, only_here, lyrics], 100, NOW));
    assert_eq!(all.len(), 1);
    let waiting = only(ok!(world.other.waiting_tasks()));
    assert_eq!(
        (waiting.route, waiting.is_full, waiting.tasks),
        (only_here, false, 1)
    );
}

async fn a_user_or_key_at_its_limit_stands_in_no_line(world: &World) {
    let (channel, a) = world.channel_and_payer(100 * SONG).await;
    let b = world.payer(100 * SONG).await;
    world
        .database
        .execute("UPDATE users SET max_tasks = 1")
        .await;
    world
        .database
        .execute("UPDATE api_keys SET max_tasks = 2")
        .await;
    let of_a = many_stored(world, &a, 2).await;
    many_stored(world, &b, 1).await;
    let line = &lines(world, ANY, NOW).await[0];
    assert_eq!((line.user_left, line.key_left), (Some(1), Some(2)));
    let running = world.begin(of_a[0], channel).await;
    assert_eq!(users(world).await, [b.user.0]);
    let full = ok!(world.other.waiting_tasks());
    assert!(
        full.iter()
            .any(|waiting| waiting.is_full && waiting.tasks == 1)
    );
    world.end([failure(running, "no")], NOW).await;
    assert_eq!(users(world).await, [a.user.0, b.user.0]);
}

async fn a_changed_limit_counts_at_once(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 3).await;
    world.begin(stored[0], channel).await;
    for (limit, stands) in [
        ("UPDATE users SET max_tasks = 1", false),
        ("UPDATE users SET max_tasks = 2", true),
        ("UPDATE api_keys SET max_tasks = 1", false),
        ("UPDATE api_keys SET max_tasks = 0", true),
    ] {
        world.database.execute(limit).await;
        assert_eq!(!users(world).await.is_empty(), stands, "{limit}");
        world.assert_balanced().await;
    }
}

async fn the_smaller_of_an_operators_and_a_platforms_own_limit_holds(world: &World) {
    let payer = world.payer(100 * SONG).await;
    for (set, own, expected) in [(0, 3, 3), (2, 3, 2), (3, 2, 2), (4, 0, 4)] {
        let channel = channel_with(world, |new| new.max_tasks = set).await;
        let is_new = ok!(world.store.note_own_limit(channel, own));
        assert_eq!(is_new, own > 0);
        assert!(!ok!(world.other.note_own_limit(channel, own)));
        let tasks = many_stored(world, &payer, 6).await;
        let claimed = claimed(&world.store, &tasks, channel, NOW).await;
        assert_eq!(claimed.len(), expected, "{set} set, {own} told");
        let gate = ok!(world.store.gates(NOW))[&channel];
        assert_eq!(usize::try_from(gate.max), Ok(expected));
    }
}

async fn of_many_who_claim_at_once_no_more_get_through_than_each_limit_allows(world: &World) {
    let channel = channel_with(world, |new| new.max_tasks = 7).await;
    let (a, b) = (world.payer(100 * SONG).await, world.payer(100 * SONG).await);
    let limit = format!("UPDATE users SET max_tasks = 3 WHERE id = {}", a.user.0);
    world.database.execute(&limit).await;
    let mut tasks = many_stored(world, &a, 10).await;
    tasks.extend(many_stored(world, &b, 10).await);
    let won = world
        .at_once(8, |number, store| {
            let mut tasks = tasks.clone();
            tasks.rotate_left(number * 2);
            async move {
                let mut won = 0;
                for pair in tasks.chunks(2) {
                    won += claimed(&store, pair, channel, NOW).await.len();
                }
                won
            }
        })
        .await;
    assert_eq!(won.iter().sum::<usize>(), 7, "{won:?}");
    let running = |payer: &Payer| {
        let running = format!(
            "SELECT tasks FROM running_tasks WHERE kind = 'user' AND id = {}",
            payer.user.0
        );
        async move { world.database.number(&running).await }
    };
    let (of_a, of_b) = (running(&a).await, running(&b).await);
    assert!(of_a <= 3 && of_a + of_b == 7, "{of_a} {of_b}");
}

async fn a_task_that_is_refused_a_place_goes_on_waiting(world: &World) {
    let channel = channel_with(world, |new| new.max_tasks = 1).await;
    let payer = world.payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 2).await;
    assert_eq!(claimed(&world.store, &stored, channel, NOW).await.len(), 1);
    assert_eq!(claimed(&world.store, &stored[1..], channel, NOW).await, []);
    let line = only(lines(world, ANY, NOW).await);
    assert_eq!(
        (line.first.at, line.first.at.turn),
        (stored[1], Turn::FIRST)
    );
    // The place is free again as soon as the first goes back to wait, or ends.
    let sending = next(stored[0]);
    ok!(world.store.retry_submit(retry(sending, false, "busy"), NOW));
    assert_eq!(
        claimed(&world.store, &stored[1..], channel, NOW)
            .await
            .len(),
        1
    );
    world.end([success(next(stored[1]), "[]")], NOW).await;
    assert_eq!(
        claimed(&world.store, &[next(sending)], channel, NOW)
            .await
            .len(),
        1
    );
}

async fn a_channel_that_is_closed_gets_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 1).await;
    for (close, open) in [
        ("enabled = FALSE", "enabled = TRUE"),
        ("paused_until = 1760000001000", "paused_until = 0"),
        ("cool_until = 1760000001000", "cool_until = 0"),
        ("deleted = TRUE", "deleted = FALSE"),
    ] {
        let set = |what| format!("UPDATE channels SET {what} WHERE id = {}", channel.0);
        world.database.execute(&set(close)).await;
        assert_eq!(
            claimed(&world.store, &stored, channel, NOW).await,
            [],
            "{close}"
        );
        world.database.execute(&set(open)).await;
    }
    assert_eq!(
        claimed(&world.store, &stored, channel, NOW).await,
        [Trial::None]
    );
}

async fn a_channel_where_one_user_s_submits_fail_rests_for_this_user_alone(world: &World) {
    let (channel, ann) = world.channel_and_payer(100 * SONG).await;
    let bob = world.payer(100 * SONG).await;
    let (of_ann, of_bob) = (
        many_stored(world, &ann, 3).await,
        many_stored(world, &bob, 3).await,
    );
    let failure_of =
        async |payer: &Payer, good| ok!(world.other.note_failure(channel, payer.user, good, NOW));
    for _ in 0..4 {
        assert_eq!(failure_of(&ann, Recent::default()).await, None);
    }
    let for_ann = RestsFor::User(ann.user);
    assert_eq!(failure_of(&ann, Recent::default()).await, Some(for_ann));
    // It is judged anew.
    assert_eq!(failure_of(&ann, Recent::default()).await, None);
    let rest = async |rests_for| {
        let failed = Failed {
            rests_for,
            ..bad_call(Calls::Submits, CoolDown::Trouble)
        };
        ok!(world.store.cool_down(channel, failed, NOW))
    };
    assert!(rest(for_ann).await > NOW);
    assert_eq!(claimed(&world.store, &of_ann, channel, NOW).await, []);
    assert_eq!(
        claimed(&world.store, &of_bob, channel, NOW).await,
        [Trial::Probe]
    );
    // This one fails, too.
    rest(RestsFor::User(bob.user)).await;
    ok!(world.store.end_trial(channel, Trial::Probe));
    assert_eq!(claimed(&world.store, &of_bob[1..], channel, NOW).await, []);
    assert_eq!(
        claimed(&world.store, &of_bob[1..], channel, later(1)).await,
        [Trial::Probe]
    );
    // A failure of one user after another's success is the request's.
    ok!(world.store.warm_up(channel, Calls::Submits));
    for _ in 0..20 {
        let good = Recent::default().and_good(bob.user, NOW);
        assert_eq!(failure_of(&ann, good).await, None);
    }
}

async fn a_channel_that_rested_gets_one_task_at_a_time(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 4).await;
    let rested = format!(
        "UPDATE channels SET cool_count = 1 WHERE id = {}",
        channel.0
    );
    world.database.execute(&rested).await;
    assert_eq!(
        claimed(&world.store, &stored, channel, NOW).await,
        [Trial::Probe]
    );
    assert_eq!(claimed(&world.other, &stored[1..], channel, NOW).await, []);
    // Its worker may be dead.
    assert_eq!(
        claimed(&world.other, &stored[1..], channel, later(180)).await,
        [Trial::Probe]
    );
    ok!(world.store.end_trial(channel, Trial::Probe));
    assert_eq!(
        claimed(&world.other, &stored[2..], channel, NOW).await,
        [Trial::Probe]
    );
    ok!(world.store.warm_up(channel, Calls::Submits));
    assert_eq!(
        claimed(&world.other, &stored[3..], channel, NOW).await,
        [Trial::None]
    );
}

async fn a_ceiling_is_learnt_by_all_together(world: &World) {
    let channel = channel_with(world, |_| {}).await;
    let payer = world.payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 12).await;
    // Four at first, and half as many again once these are accepted.
    assert_eq!(claimed(&world.store, &stored, channel, NOW).await.len(), 4);
    ok!(world.store.raise_ceiling(channel, NOW));
    assert_eq!(
        claimed(&world.other, &stored[4..], channel, NOW).await,
        [],
        "none is accepted yet"
    );
    for task in &stored[..4] {
        let up = world.name("upstream");
        ok!(world
            .store
            .accept(vec![accepted(next(*task), channel, &up)], NOW));
    }
    ok!(world.store.raise_ceiling(channel, NOW));
    assert_eq!(
        claimed(&world.other, &stored[4..], channel, NOW)
            .await
            .len(),
        2
    );
    // One of these is refused.
    let refused = next(stored[5]);
    ok!(world.store.retry_submit(retry(refused, false, "busy"), NOW));
    assert_eq!(ok!(world.store.note_refused(channel, Trial::None, NOW)), 5);
    let gates = ok!(world.other.gates(NOW));
    assert_eq!(gates[&channel].ceiling.limit(0), 5);
    assert_eq!(claimed(&world.store, &stored[6..], channel, NOW).await, []);
    let soon = later(1);
    assert_eq!(
        claimed(&world.store, &stored[6..], channel, soon).await,
        [Trial::AboveCeiling]
    );
    assert_eq!(claimed(&world.other, &stored[7..], channel, soon).await, []);
    ok!(world.other.note_accepted_above(channel, soon));
    let gates = ok!(world.store.gates(soon));
    assert_eq!(gates[&channel].ceiling.limit(0), 6);
}

async fn a_channel_has_its_submits_a_minute(world: &World) {
    let channel = channel_with(world, |new| {
        (new.max_tasks, new.submits_per_minute) = (100, 60);
    })
    .await;
    let payer = world.payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 6).await;
    assert_eq!(claimed(&world.store, &stored, channel, NOW).await.len(), 1);
    assert_eq!(claimed(&world.other, &stored[1..], channel, NOW).await, []);
    assert_eq!(
        claimed(&world.other, &stored[1..], channel, later(1))
            .await
            .len(),
        1
    );
}

async fn what_waited_too_long_is_found(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 2).await;
    world.begin(stored[0], channel).await;
    assert_eq!(ok!(world.other.expired(later(1_799), 10)), []);
    assert_eq!(ok!(world.other.expired(later(1_800), 10)), [stored[1]]);
}

async fn the_deadline_counts_from_the_sending(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let (at, task) = world.stored(&payer).await;
    let intention = Intention {
        deadline: later(9_000),
        ..intention(at, channel)
    };
    ok!(world.store.begin_submits(&[intention], later(180), NOW));
    let deadline = format!(
        "SELECT deadline FROM unfinished_tasks WHERE id = {}",
        at.row.0
    );
    assert_eq!(world.database.number(&deadline).await, later(9_000).0);
    // Back in its line it may wait as long as before.
    let mut back = retry(next(at), false, "busy");
    back.heard = Some("the upstream answered with status 429".to_owned());
    let back = ok!(world.store.retry_submit(back, NOW)).expect("it is there");
    assert_eq!(world.database.number(&deadline).await, later(1_800).0);
    let job = ok!(world.store.submit_job(back)).expect("it waits");
    assert_eq!(
        job.last_heard.as_deref(),
        Some("the upstream answered with status 429")
    );
    assert_eq!(job.task_id, task);
}

async fn the_audit_finds_what_is_counted_wrong(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = many_stored(world, &payer, 3).await;
    world.begin(stored[0], channel).await;
    world.assert_balanced().await;
    for (wrong, found) in [
        (
            "UPDATE running_tasks SET tasks = tasks + 1 WHERE kind = 'channel'",
            "channel",
        ),
        ("UPDATE lines SET waiting = waiting + 1", "line"),
        (
            "UPDATE lines SET is_full = TRUE, waiting = waiting - 1",
            "full",
        ),
    ] {
        world.break_with(wrong).await;
        let breaks = ok!(world.store.audit()).breaks;
        assert!(
            breaks.iter().any(|told| told.contains(found)),
            "{wrong}: {breaks:?}"
        );
    }
}

async fn what_runs_is_counted_when_the_counters_come(world: &World) {
    let database = world.database.sibling().await;
    database.migrate_until(12).await;
    let digest = |n: u8| match database.kind() {
        Kind::Sqlite => format!("x'0{n}'"),
        Kind::Postgres => format!("'\\x0{n}'"),
    };
    let (token, key) = (digest(1), digest(2));
    database
        .execute(&format!(
            "INSERT INTO users (name, role, quota, used_quota, token_digest, created_at)
             VALUES ('a', 'user', 0, 0, {token}, 0);
             INSERT INTO api_keys (user_id, label, digest, created_at) VALUES (1, 'k', {key}, 0);
             INSERT INTO channels (name, platform, base_url, key, created_at)
             VALUES ('c', 'suno', 'http://upstream.example', '', 0);"
        ))
        .await;
    for (n, stage, columns) in [
        (1, "poll", "1, 'up-1', NULL, NULL"),
        (2, "sending", "1, NULL, 5, NULL"),
        (3, "submit", "NULL, NULL, NULL, NULL"),
        (4, "submit", "NULL, NULL, NULL, 1"),
        (5, "submit", "NULL, NULL, NULL, NULL"),
    ] {
        database
            .execute(&format!(
                "INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                                    created_at, updated_at, submit_time, request, input, user_seq)
                 VALUES ('t{n}', 1, 1, 'suno', 'song', 'NOT_START', 0, 0, 0, 0, 0, '{{}}', '', {n});
                 INSERT INTO unfinished_tasks (id, due_at, deadline, stage, channel_id, upstream_id, claim,
                                               pinned_channel)
                 VALUES ({n}, 0, 99, '{stage}', {columns});"
            ))
            .await;
    }
    let world = World::without_migration(database).await;
    ok!(world.store.migrate());
    let breaks = ok!(world.store.audit()).breaks;
    let of_flow = |told: &&String| told.contains("counted") || told.contains("line");
    assert_eq!(breaks.iter().find(of_flow), None);
    let line = only(ok!(world.store.next_lines(&[ANY], 10, NOW)));
    assert_eq!((line.running, line.waiting, line.first.at.row.0), (2, 2, 3));
    world.close().await.remove().await;
}
