//! The totals of listings, compared with plain counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::random::Random;
use shared::store::listing::Filter;
use shared::store::{Store, StoreError};
use shared::task::{Action, ChannelId, Status, UserId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, moved, success};
use crate::world::{Payer, World};

contract! {
    every_page_of_every_filter_is_what_the_plain_statement_says,
    totals_are_exact_while_others_write_and_fold,
    a_fold_counts_every_change_once_whoever_folds,
    what_is_deleted_behind_our_back_is_not_counted,
}

/// Enough for several blocks of every kind but the largest.
const MANY: i64 = 18_000;

/// Users, channels, and many tasks of all kinds, submitted roughly in order.
async fn many(world: &World) -> (Vec<Payer>, Vec<ChannelId>) {
    let mut payers = Vec::new();
    let mut channels = Vec::new();
    for _ in 0..3 {
        let (channel, payer) = world.channel_and_payer(100 * SONG).await;
        payers.push(payer);
        channels.push(channel);
    }
    let insert = format!(
        "WITH RECURSIVE numbers (n) AS (
             SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY}
         )
         INSERT INTO tasks (task_id, user_id, key_id, channel_id, platform, action, status, progress,
                            quota, created_at, updated_at, submit_time, request, input, user_seq)
         SELECT 'task_' || substr('00000000000000000000000000000000', length(CAST(n AS TEXT)) + 1) || n,
                CASE n % 4 WHEN 0 THEN {ann} ELSE {bob} END, {key},
                CASE WHEN n % 11 = 0 THEN NULL WHEN n % 700 = 1 THEN {second} ELSE {first} END, 'suno',
                CASE n % 5 WHEN 0 THEN 'lyrics' ELSE 'song' END,
                CASE WHEN n % 13 = 0 THEN 'FAILURE' WHEN n % 300 = 2 THEN 'IN_PROGRESS'
                     WHEN n % 17 = 0 THEN 'QUEUED' ELSE 'SUCCESS' END,
                CASE WHEN n % 13 <> 0 AND (n % 300 = 2 OR n % 17 = 0) THEN 30 ELSE 100 END,
                1, {now}, {now}, {now} + n / 3 + n * 7919 % 40, '{{}}', '',
                CASE n % 4 WHEN 0 THEN n / 4 ELSE n - n / 4 END
         FROM numbers",
        ann = payers[0].user.0,
        bob = payers[1].user.0,
        key = payers[0].key.0,
        first = channels[0].0,
        second = channels[1].0,
        now = NOW.seconds(),
    );
    world.break_with(&insert).await;
    (payers, channels)
}

fn any<T: Clone>(random: &Random, of: &[T]) -> Option<T> {
    let at = usize::try_from(random.below(2 * u64::try_from(of.len()).expect("few"))).ok()?;
    of.get(at).cloned()
}

/// A random filter.
fn a_filter(random: &Random, users: &[UserId], channels: &[ChannelId]) -> Filter {
    let moment = |share: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "some thousand seconds")]
        let after = (share * f64::from(i32::try_from(MANY).expect("few")) / 2.5) as i64;
        NOW.seconds() - 50 + after
    };
    let bounded = |bound: i64| (random.below(3) == 0).then_some(bound);
    Filter {
        user_id: any(random, users),
        channel_id: any(random, channels),
        platform: any(random, &["suno".to_owned()]),
        status: any(random, &Status::ALL),
        action: any(random, &[Action::SONG, Action::LYRICS]),
        start_timestamp: bounded(moment(random.unit())),
        end_timestamp: bounded(moment(random.unit())),
        ..Filter::default()
    }
}

/// The filter as a condition in SQL.
fn condition(filter: &Filter) -> String {
    let conditions = [
        filter.user_id.map(|user| format!("user_id = {user}")),
        filter
            .channel_id
            .map(|channel| format!("channel_id = {channel}")),
        filter
            .platform
            .as_ref()
            .map(|name| format!("platform = '{name}'")),
        filter.status.map(|status| format!("status = '{status}'")),
        filter.action.map(|action| format!("action = '{action}'")),
        filter
            .start_timestamp
            .map(|start| format!("submit_time >= {start}")),
        filter
            .end_timestamp
            .map(|end| format!("submit_time <= {end}")),
    ];
    let conditions: Vec<_> = conditions.into_iter().flatten().collect();
    if conditions.is_empty() {
        return "TRUE".to_owned();
    }
    conditions.join(" AND ")
}

/// Compares one page with plain statements.
async fn compare(world: &World, filter: Filter, offset: i64, limit: i64) {
    let condition = condition(&filter);
    let total = format!("SELECT count(*) FROM tasks WHERE {condition}");
    let total = world.database.number(&total).await;
    // The ids and their order, in one number.
    let page = format!(
        "SELECT CAST(coalesce(sum(id * place), 0) AS BIGINT)
         FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS place
               FROM (SELECT id FROM tasks WHERE {condition} ORDER BY id DESC
                     LIMIT {limit} OFFSET {offset}) AS ids) AS placed"
    );
    let page = world.database.number(&page).await;
    let listed = ok!(world.store.list(filter, offset, limit));
    let ids = listed.items.iter().map(|item| item.id.0);
    let sum: i64 = ids.zip(1..).map(|(id, place)| id * place).sum();
    assert_eq!(
        (listed.total, sum),
        (total, page),
        "{condition}, {limit} after {offset}"
    );
}

async fn every_page_of_every_filter_is_what_the_plain_statement_says(world: &World) {
    let (payers, channels) = many(world).await;
    let users: Vec<UserId> = payers.iter().map(|payer| payer.user).collect();
    let random = Random::seeded(5);
    for round in 0..6 {
        // Some are folded, some are not; then some change.
        let folded = ok!(world.store.fold(4_000));
        assert!(folded > 0 || round > 4, "{round}");
        for _ in 0..12 {
            let filter = a_filter(&random, &users, &channels);
            let total = ok!(world.store.list(filter.clone(), 0, 1)).total;
            let beyond = u64::try_from(total).expect("it is a count") + 20;
            let offset = i64::try_from(random.below(beyond)).expect("it is small");
            compare(world, filter.clone(), 0, 20).await;
            compare(world, filter, offset, 100).await;
        }
        let first = i64::try_from(random.below(17_000)).expect("it is small");
        let (from, to) = [("QUEUED", "IN_PROGRESS"), ("IN_PROGRESS", "UNKNOWN")][round % 2];
        let change = format!(
            "UPDATE tasks SET status = '{to}' WHERE status = '{from}' AND id > {first};
             UPDATE tasks SET status = 'SUCCESS', progress = 100
             WHERE status = '{to}' AND id > {first} + 800;
             UPDATE tasks SET channel_id = {} WHERE channel_id IS NULL AND id < {first}",
            channels[2].0
        );
        world.database.execute(&change).await;
    }
}

/// Runs writers, folds and listings at once, until the last writer is done.
async fn totals_are_exact_while_others_write_and_fold(world: &World) {
    let channel = world.channel().await;
    let payers = [
        world.payer(1_000 * SONG).await,
        world.payer(1_000 * SONG).await,
    ];
    let done = Arc::new(AtomicBool::new(false));
    let folding = |store: Store| {
        let done = done.clone();
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                ok!(store.fold(7));
                tokio::task::yield_now().await;
            }
        })
    };
    let folders = [folding(world.store.clone()), folding(world.other.clone())];
    let users = [payers[0].user, payers[1].user];
    let reader = tokio::spawn(look(world.other.clone(), users, channel, done.clone()));
    let write = async |payer: &Payer| {
        for number in 0..60 {
            let at = world.accepted(payer, channel).await.at;
            let at = world.wait(moved(at, Status::Queued, 10, None), NOW).await;
            let news = moved(at, Status::InProgress, 40, None);
            let at = world.wait(news, NOW).await;
            let end = match number % 3 {
                0 => failure(at, "no"),
                1 => success(at, "[]"),
                _ => continue,
            };
            world.end([end], NOW).await;
        }
    };
    tokio::join!(write(&payers[0]), write(&payers[1]));
    done.store(true, Ordering::SeqCst);
    let looked = reader.await.expect("every total was exact");
    assert!(looked > 20, "{looked}");
    for folder in folders {
        folder.await.expect("it folds");
    }
    let random = Random::seeded(9);
    for _ in 0..40 {
        compare(world, a_filter(&random, &users, &[channel]), 0, 100).await;
    }
}

/// Lists all tasks again and again. Each page must have as many rows as its total, which is of the same snapshot.
async fn look(store: Store, users: [UserId; 2], channel: ChannelId, done: Arc<AtomicBool>) -> u32 {
    let random = Random::seeded(3);
    let mut looked = 0;
    while !done.load(Ordering::SeqCst) {
        let filter = a_filter(&random, &users, &[channel]);
        let page = ok!(store.list(filter.clone(), 0, 1_000));
        let rows = i64::try_from(page.items.len()).expect("they are few");
        assert_eq!(rows, page.total, "{filter:?}");
        looked += 1;
    }
    looked
}

async fn a_fold_counts_every_change_once_whoever_folds(world: &World) {
    let (_, payer) = world.channel_and_payer(40 * SONG).await;
    for _ in 0..40 {
        world.stored(&payer).await;
    }
    let folds = world.at_once(8, |_, store| async move {
        // A fold does nothing while another fold runs.
        let mut folded = 0;
        for _ in 0..20 {
            folded += store.fold(3).await?;
        }
        Ok::<u64, StoreError>(folded)
    });
    let folded: u64 = folds
        .await
        .into_iter()
        .map(|one| one.expect("it folds"))
        .sum();
    // Each fold may have found another running every time.
    let rest = ok!(world.store.fold(100));
    assert_eq!(folded + rest, 40);
    assert_eq!(ok!(world.store.fold(100)), 0);
    compare(world, Filter::default(), 0, 100).await;
    let unfinished = Filter {
        status: Some(Status::NotStart),
        ..Filter::default()
    };
    compare(world, unfinished, 5, 10).await;
}

async fn what_is_deleted_behind_our_back_is_not_counted(world: &World) {
    let (_, payer) = world.channel_and_payer(3 * SONG).await;
    for _ in 0..3 {
        world.stored(&payer).await;
    }
    ok!(world.store.fold(2));
    world
        .break_with(
            "DELETE FROM task_events; DELETE FROM ledger; DELETE FROM unfinished_tasks;
             DELETE FROM tasks WHERE user_seq < 3",
        )
        .await;
    for _ in 0..2 {
        compare(world, Filter::default(), 0, 10).await;
        ok!(world.store.fold(100));
    }
}
