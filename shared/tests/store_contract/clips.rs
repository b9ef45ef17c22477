//! Clips by their id, and tasks by their name: where a request that names one goes.

use shared::store::clips::{Continuation, Maker};
use shared::task::{ChannelId, Status, TaskId, UserId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, failure_by, moved, success};
use crate::world::{AtUpstream, World};

contract! {
    a_task_can_be_continued_once_an_upstream_accepted_it,
    a_task_that_was_refused_by_a_channel_cannot_be_continued,
    a_clip_is_known_from_the_first_result_that_shows_it,
    a_clip_of_one_user_is_unknown_to_another,
    of_two_tasks_with_one_clip_the_first_counts,
    a_clip_that_the_table_lacks_is_found_in_the_users_results,
    clips_go_with_their_task,
    the_migration_knows_the_clips_of_the_tasks_that_there_are,
}

async fn a_task_can_be_continued_once_an_upstream_accepted_it(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let stranger = world.payer(0).await.user;
    let (_, fresh) = world.stored(&payer).await;
    let song = world.accepted(&payer, channel).await;
    let unknown = world.song(&payer).task_id;
    let possible = Continuation::Possible(Maker {
        channel,
        upstream_id: Some(song.upstream_id),
    });
    let cases: [(UserId, &TaskId, Continuation); 4] = [
        (payer.user, &song.id, possible),
        (payer.user, &fresh, Continuation::NeverAccepted),
        (stranger, &song.id, Continuation::NoTask),
        (payer.user, &unknown, Continuation::NoTask),
    ];
    for (user, task, expected) in cases {
        assert_eq!(ok!(world.store.continuation(user, task)), expected);
    }
}

async fn a_task_that_was_refused_by_a_channel_cannot_be_continued(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    world.end([failure_by(channel, at, "bad words")], NOW).await;
    let answer = ok!(world.store.continuation(payer.user, &task));
    assert_eq!(answer, Continuation::NeverAccepted);
}

/// The channel and the upstream's id of the task that made the clip.
async fn made_by(world: &World, user: UserId, clip: &str) -> Option<(ChannelId, String)> {
    let maker = ok!(world.store.maker_of_clip(user, clip));
    maker.map(|maker| (maker.channel, maker.upstream_id.unwrap_or_default()))
}

/// The answer of [`made_by`] for the clips of `song`.
#[allow(clippy::unnecessary_wraps, reason = "it is compared with an answer")]
fn made(song: &AtUpstream) -> Option<(ChannelId, String)> {
    Some((song.channel, song.upstream_id.clone()))
}

async fn a_clip_is_known_from_the_first_result_that_shows_it(world: &World) {
    let (channel, payer) = world.channel_and_payer(4 * SONG).await;
    let user = payer.user;
    let streaming = world.accepted(&payer, channel).await;
    let polled = moved(
        streaming.at,
        Status::InProgress,
        50,
        Some(r#"[{"id":"s1"},{"id":"s2"}]"#),
    );
    let next = world.wait(polled, NOW).await;
    let succeeded = world.accepted(&payer, channel).await;
    let failed = world.accepted(&payer, channel).await;
    let lyrics = world.accepted(&payer, channel).await;
    let mut failure = failure(failed.at, "out of tune");
    failure.data = Some(r#"[{"id":"f1","status":"complete"}]"#.to_owned());
    let ends = [
        success(succeeded.at, r#"[{"id":"e1"},{"id":"e%"}]"#),
        failure,
        success(lyrics.at, r#"{"id":"l1","text":"la"}"#),
    ];
    world.end(ends, NOW).await;
    for (clip, maker) in [
        ("s1", made(&streaming)),
        ("s2", made(&streaming)),
        ("e1", made(&succeeded)),
        ("e%", made(&succeeded)),
        ("f1", made(&failed)),
        ("l1", None),
        ("e_", None),
        ("E1", None),
        ("", None),
        (r#"s1"},{"id":"s2"#, None),
    ] {
        assert_eq!(made_by(world, user, clip).await, maker, "{clip}");
    }
    // A clip that is there already is no fault.
    let ends = [success(next, r#"[{"id":"s1"},{"id":"s3"}]"#)];
    world.end(ends, NOW).await;
    assert_eq!(made_by(world, user, "s1").await, made(&streaming));
    assert_eq!(made_by(world, user, "s3").await, made(&streaming));
}

async fn a_clip_of_one_user_is_unknown_to_another(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let stranger = world.payer(SONG).await;
    let song = world.accepted(&payer, channel).await;
    let theirs = world.accepted(&stranger, channel).await;
    let ends = [success(song.at, r#"[{"id":"c"},{"id":"both"}]"#)];
    world.end(ends, NOW).await;
    assert_eq!(made_by(world, stranger.user, "c").await, None);
    let ends = [success(theirs.at, r#"[{"id":"both"}]"#)];
    world.end(ends, NOW).await;
    assert_eq!(made_by(world, payer.user, "both").await, made(&song));
    assert_eq!(made_by(world, stranger.user, "both").await, made(&theirs));
}

async fn of_two_tasks_with_one_clip_the_first_counts(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let first = world.accepted(&payer, channel).await;
    let second = world.accepted(&payer, world.channel().await).await;
    let clips = r#"[{"id":"c"}]"#;
    world.end([success(first.at, clips)], NOW).await;
    world.end([success(second.at, clips)], NOW).await;
    assert_eq!(made_by(world, payer.user, "c").await, made(&first));
}

async fn a_clip_that_the_table_lacks_is_found_in_the_users_results(world: &World) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    let song = world.accepted(&payer, channel).await;
    let derived = world.accepted(&payer, channel).await;
    let odd = world.accepted(&payer, channel).await;
    let derived_from = r#"[{"id":"d","metadata":{"history":[{"id":"c_1"}]}}]"#;
    let ends = [
        success(song.at, r#"[{"id":"c_1"}]"#),
        success(derived.at, derived_from),
        success(odd.at, r#"[{"id":"100%"}]"#),
    ];
    world.end(ends, NOW).await;
    // Programs of the version before do not write the table.
    world.database.execute("DELETE FROM clips").await;
    let stranger = world.payer(0).await.user;
    for (user, clip, maker) in [
        (payer.user, "c_1", made(&song)),
        (payer.user, "100%", made(&odd)),
        (payer.user, "d", made(&derived)),
        (payer.user, "cx1", None),
        (payer.user, "c", None),
        (payer.user, "history", None),
        (stranger, "c_1", None),
    ] {
        assert_eq!(made_by(world, user, clip).await, maker, "{clip}");
    }
}

async fn clips_go_with_their_task(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let gone = world.accepted(&payer, channel).await;
    let kept = world.accepted(&payer, channel).await;
    let ends = [
        success(gone.at, r#"[{"id":"a"},{"id":"b"}]"#),
        success(kept.at, r#"[{"id":"c"}]"#),
    ];
    world.end(ends, NOW).await;
    let row = gone.at.row.0;
    let delete = format!(
        "DELETE FROM ledger WHERE task_id = {row}; DELETE FROM task_events WHERE task_id = {row};
         DELETE FROM tasks WHERE id = {row}"
    );
    world.break_with(&delete).await;
    let left = "SELECT count(*) FROM clips";
    assert_eq!(world.database.number(left).await, 1);
    assert_eq!(made_by(world, payer.user, "a").await, None);
    assert_eq!(made_by(world, payer.user, "c").await, made(&kept));
}

/// Migration 7.
async fn the_migration_knows_the_clips_of_the_tasks_that_there_are(world: &World) {
    let (channel, payer) = world.channel_and_payer(10 * SONG).await;
    let mut songs = Vec::new();
    for result in [
        r#"[{"id":"a1","title":"one\u0000two"},{"id":"a2"}]"#,
        r#"[{"id":"b1","metadata":{"history":[{"id":"a1"}]}}]"#,
        r#"[{"id":"c1","title":"half \ud800"}]"#,
        r#"{"id":"l1","text":"[la]"}"#,
        r#""https://cdn.example.com/1.wav""#,
        r#"[[[{"id":"n1"}]],{"id":7},{"id":""},{},5]"#,
        &format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)),
    ] {
        let song = world.accepted(&payer, channel).await;
        world.end([success(song.at, result)], NOW).await;
        songs.push(song);
    }
    world.database.execute("DELETE FROM clips").await;
    world.database.migrate_again("0007_clips.sql").await;
    let mut known = Vec::new();
    for clip in ["a1", "a2", "b1", "c1", "7", "l1", "n1"] {
        known.extend(made_by(world, payer.user, clip).await);
    }
    let expected: Vec<_> = [0, 0, 1, 2, 5]
        .iter()
        .filter_map(|n| made(&songs[*n]))
        .collect();
    assert_eq!(known, expected);
}
