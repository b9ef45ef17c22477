//! Submits: charge, task and ledger in one transaction.

use shared::store::channels::Calls;
use shared::store::channels::by_hand::ChannelChange;
use shared::store::listing::TaskView;
use shared::store::prices::Price;
use shared::store::submissions::{NewTask, Submitted};
use shared::store::turns::Sending;
use shared::task::cool_down::CoolDown;
use shared::task::{Action, Actions, ChannelId, Platform, Progress, Status};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, bad_call, entries, failure, first_turn, new_channel, only, quota, stored,
    turn_and_due,
};
use crate::world::World;

contract! {
    a_submit_charges_and_stores_the_task,
    what_is_stored_is_what_a_worker_reads,
    a_balance_can_be_spent_to_the_last_unit,
    a_user_who_cannot_pay_is_refused_and_nothing_is_taken,
    a_key_that_cannot_pay_is_refused_and_nothing_is_taken_from_the_user_either,
    without_an_enabled_channel_a_submit_is_refused_and_nothing_is_taken,
    a_channel_that_cools_down_still_takes_tasks_on,
    a_continuation_needs_the_one_channel_that_can_serve_it,
    a_task_costs_the_price_of_the_moment_it_was_submitted,
    lyrics_have_a_price_of_their_own,
    what_is_free_is_charged_nothing_and_still_stands_in_the_ledger,
    concurrent_submits_never_spend_more_than_there_is,
    concurrent_submits_never_spend_more_than_their_key_may,
    a_caller_who_goes_away_in_the_middle_leaves_nothing_half_done,
    only_the_platform_s_own_channels_count,
    a_model_may_have_a_price_of_its_own,
    what_has_no_price_is_not_sold,
}

async fn a_submit_charges_and_stores_the_task(world: &World) {
    world.channel().await;
    let payer = world.payer_with(SONG + 1, Some(SONG + 2)).await;
    let (at, task) = world.stored(&payer).await;

    assert_eq!(world.money(&payer).await, (1, SONG, SONG));
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((0, NOW.0)));
    assert_eq!(story.upstream_id, None);
    assert_eq!(entries(&story), [(NOW.0, "charge", -SONG)]);
    let events = story.events.iter();
    let events: Vec<_> = events.map(|e| (e.at, e.turn, e.kind.as_str())).collect();
    assert_eq!(events, [(NOW.0, 0, "stored")]);

    let now = NOW.seconds();
    let expected = TaskView {
        id: at.row,
        task_id: task,
        platform: "suno".to_owned(),
        user_id: payer.user,
        channel_id: ChannelId(0),
        username: payer.name,
        quota: quota(SONG),
        action: Action::SONG,
        status: Status::NotStart,
        fail_reason: String::new(),
        created_at: now,
        updated_at: now,
        submit_time: now,
        start_time: 0,
        finish_time: 0,
        progress: Progress::NONE,
        input: "la la la".to_owned(),
        data: None,
        truncated: false,
    };
    assert_eq!(story.task, expected);
}

async fn what_is_stored_is_what_a_worker_reads(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let request = r#"{"prompt":"海\u0000 🎵 'quoted' \"\\","title":"\u2028"}"#;
    let song = NewTask {
        request: request.to_owned(),
        input: "海 🎵 'quoted' \\ ؟".to_owned(),
        pinned: Some(channel),
        ..world.song(&payer)
    };
    let at = first_turn(world.store_task(song.clone()).await);

    let job = ok!(world.store.submit_job(at)).expect("it is to be submitted");
    assert_eq!((job.at, &job.task_id), (at, &song.task_id));
    assert_eq!(job.request, request);
    assert_eq!((job.platform, job.action), (Platform::SUNO, Action::SONG));
    assert_eq!((job.pinned, job.last_channel), (Some(channel), None));
    assert_eq!((job.attempts, job.sending), (0, Sending::NotSent));
    assert_eq!(job.deadline, song.deadline);
    assert_eq!(world.view(&song.task_id).await.input, song.input);
}

async fn a_balance_can_be_spent_to_the_last_unit(world: &World) {
    world.channel().await;
    let payer = world.payer_with(SONG, Some(SONG)).await;
    world.stored(&payer).await;
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(world.key(&payer).await.quota, Some(quota(0)));
}

async fn a_user_who_cannot_pay_is_refused_and_nothing_is_taken(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG - 1).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);
    assert_eq!(world.money(&payer).await, (SONG - 1, 0, 0));
    assert_eq!(ok!(world.store.unfinished()), 0);
}

async fn a_key_that_cannot_pay_is_refused_and_nothing_is_taken_from_the_user_either(world: &World) {
    world.channel().await;
    let payer = world.payer_with(3 * SONG, Some(2 * SONG - 1)).await;
    world.stored(&payer).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);
    assert_eq!(world.money(&payer).await, (2 * SONG, SONG, SONG));
    assert_eq!(ok!(world.store.unfinished()), 1);
}

async fn without_an_enabled_channel_a_submit_is_refused_and_nothing_is_taken(world: &World) {
    let payer = world.payer(SONG).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);

    let channel = world.channel().await;
    world.enable(channel, false).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn a_channel_that_cools_down_still_takes_tasks_on(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let kind = CoolDown::Trouble;
    ok!(world
        .store
        .cool_down(channel, bad_call(Calls::Submits, kind), NOW));
    world.stored(&payer).await;
}

async fn a_continuation_needs_the_one_channel_that_can_serve_it(world: &World) {
    let (pinned, payer) = world.channel_and_payer(SONG).await;
    world.channel().await;
    world.enable(pinned, false).await;
    let song = NewTask {
        pinned: Some(pinned),
        ..world.song(&payer)
    };
    let refused = ok!(world.store.submit(song.clone(), NOW));
    assert_eq!(refused, Submitted::NoChannel);

    world.enable(pinned, true).await;
    world.store_task(song).await;
}

async fn a_model_may_have_a_price_of_its_own(world: &World) {
    let (_, payer) = world.channel_and_payer(10 * SONG).await;
    let of = |model: Option<&str>| NewTask {
        model: model.map(str::to_owned),
        ..world.song(&payer)
    };
    let set = async |model: Option<&str>, amount| {
        let price = Price {
            platform: Platform::SUNO,
            action: Action::SONG,
            model: model.map(str::to_owned),
            quota: quota(amount),
        };
        ok!(world.store.set_price(&price));
    };
    let paid = async |model| match ok!(world.store.submit(of(model), NOW)) {
        Submitted::Stored { price, .. } => price.get(),
        other => panic!("{other:?}"),
    };
    set(Some("chirp-v5"), 70).await;
    set(Some("chirp-v6"), 90).await;
    set(Some("chirp-v6"), 80).await;
    assert_eq!(paid(Some("chirp-v5")).await, 70);
    assert_eq!(paid(Some("chirp-v6")).await, 80);
    assert_eq!(paid(Some("chirp-v4")).await, SONG);
    assert_eq!(paid(None).await, SONG);
    let prices = ok!(world.store.prices());
    let models: Vec<_> = prices.iter().map(|price| price.model.as_deref()).collect();
    assert_eq!(models, [None, None, Some("chirp-v5"), Some("chirp-v6")]);
}

async fn what_has_no_price_is_not_sold(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG).await;
    let everything = ChannelChange {
        actions: Some(Actions::only([Action::STEMS])),
        ..ChannelChange::default()
    };
    let name = only(ok!(world.store.channels())).name;
    ok!(world.store.change_channel(&name, everything));
    let stems = |model: Option<&str>| NewTask {
        action: Action::STEMS,
        model: model.map(str::to_owned),
        ..world.song(&payer)
    };
    let refused = ok!(world.store.submit(stems(None), NOW));
    assert_eq!(refused, Submitted::NoPrice);
    let price = Price {
        platform: Platform::SUNO,
        action: Action::STEMS,
        model: Some("m".to_owned()),
        quota: quota(5),
    };
    ok!(world.store.set_price(&price));
    let refused = ok!(world.store.submit(stems(None), NOW));
    assert_eq!(
        refused,
        Submitted::NoPrice,
        "the model has one, the action has none"
    );
    world.store_task(stems(Some("m"))).await;
    assert_eq!(world.money(&payer).await, (SONG - 5, 5, 5));
}

async fn set_all_prices(world: &World, amount: i64) {
    for price in ok!(world.store.prices()) {
        let quota = quota(amount);
        ok!(world.store.set_price(&Price { quota, ..price }));
    }
}

async fn a_task_costs_the_price_of_the_moment_it_was_submitted(world: &World) {
    let (channel, payer) = world.channel_and_payer(10 * SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    set_all_prices(world, 7).await;
    let (_, cheap) = world.stored(&payer).await;
    assert_eq!(world.view(&cheap).await.quota, quota(7));

    assert_eq!(world.end([failure(at, "no")], NOW).await, [at.row]);
    assert_eq!(world.view(&task).await.quota, quota(SONG));
    assert_eq!(world.money(&payer).await, (10 * SONG - 7, 7, 7));
}

async fn lyrics_have_a_price_of_their_own(world: &World) {
    let (_, payer) = world.channel_and_payer(5_000).await;
    let lyrics = NewTask {
        action: Action::LYRICS,
        ..world.song(&payer)
    };
    let stored = ok!(world.store.submit(lyrics, NOW));
    let is_charged =
        |price| matches!(stored, Submitted::Stored { price: paid, .. } if paid == price);
    assert!(is_charged(quota(5_000)), "{stored:?}");
    assert_eq!(world.money(&payer).await, (0, 5_000, 5_000));
}

async fn what_is_free_is_charged_nothing_and_still_stands_in_the_ledger(world: &World) {
    let (channel, payer) = world.channel_and_payer(0).await;
    set_all_prices(world, 0).await;
    let (at, task) = world.sending(&payer, channel).await;
    assert_eq!(world.end([failure(at, "no")], NOW).await, [at.row]);
    let expected = [(NOW.0, "charge", 0), (NOW.0, "refund", 0)];
    assert_eq!(entries(&world.story(&task).await), expected);
}

async fn concurrent_submits_never_spend_more_than_there_is(world: &World) {
    let (_, payer) = world.channel_and_payer(5 * SONG + SONG / 2).await;
    let song = || world.song(&payer);
    let answers = world.submit_at_once(16, song, NOW).await;
    let refused = |answer: &&Submitted| **answer == Submitted::QuotaNotEnough;
    let refused = answers.iter().filter(refused).count();
    assert_eq!((stored(&answers), refused), (5, 11), "{answers:?}");
    assert_eq!(world.money(&payer).await, (SONG / 2, 5 * SONG, 5 * SONG));
}

async fn concurrent_submits_never_spend_more_than_their_key_may(world: &World) {
    world.channel().await;
    let payer = world.payer_with(100 * SONG, Some(3 * SONG)).await;
    let song = || world.song(&payer);
    let answers = world.submit_at_once(16, song, NOW).await;
    assert_eq!(stored(&answers), 3, "{answers:?}");
    assert_eq!(world.money(&payer).await, (97 * SONG, 3 * SONG, 3 * SONG));
}

async fn a_caller_who_goes_away_in_the_middle_leaves_nothing_half_done(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    let submit = |_| world.store.submit(world.song(&payer), NOW);
    world.abandon((0..20).map(submit), 20).await;
    world.assert_balanced().await;
    assert_eq!(world.money(&payer).await, (80 * SONG, 20 * SONG, 20 * SONG));
    world.stored(&payer).await;
}

async fn only_the_platform_s_own_channels_count(world: &World) {
    let payer = world.payer(SONG).await;
    ok!(world.store.create_channel(new_channel("c"), NOW));
    let sql = "UPDATE channels SET platform = 'udio'";
    world.break_with(sql).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);
}
