//! The bounds of pages and batches, and what has none: one task.

use shared::store::listing::{Filter, INPUT_CHARACTERS, Page, RESULT_BYTES, TaskView};
use shared::store::submissions::NewTask;
use shared::task::TaskId;

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, later, success};
use crate::world::{Payer, World};

contract! {
    results_beyond_the_bound_are_left_out_in_the_order_of_the_page,
    results_beyond_the_bound_are_left_out_in_the_order_of_the_batch,
    a_page_shows_the_beginning_of_an_input_and_a_task_by_itself_the_whole,
    a_task_by_itself_is_its_users_and_whole,
}

/// A result of so many bytes.
fn result(bytes: usize) -> String {
    // Three bytes a character: sizes are no numbers of characters.
    let filling = bytes - 2;
    format!(
        "\"{}{}\"",
        "雨".repeat(filling / 3),
        "x".repeat(filling % 3)
    )
}

const MIB: usize = 1024 * 1024;

/// The sizes of results, newest first, and whether a page leaves each out: the second is too large by itself,
/// and the first and the third fill a page to the last byte.
const SIZES: [(usize, bool); 5] = [
    (3 * MIB, false),
    (RESULT_BYTES + 1, true),
    (RESULT_BYTES - 3 * MIB, false),
    (3, true),
    (2 * MIB, true),
];

/// A user with a task for each of [`SIZES`], and before these an unfinished one.
async fn with_results(world: &World) -> (Payer, Vec<TaskId>) {
    let (channel, payer) = world.channel_and_payer(6 * SONG).await;
    let mut tasks = vec![world.accepted(&payer, channel).await.id];
    for (size, _) in SIZES.iter().rev() {
        let song = world.polled(&payer, channel).await;
        world
            .end([success(song.at, &result(*size))], later(9))
            .await;
        tasks.insert(0, song.id);
    }
    (payer, tasks)
}

/// The size of each task's result, and whether it is left out.
fn seen(tasks: &[TaskView]) -> Vec<(Option<usize>, bool)> {
    let seen = |task: &TaskView| (task.data.as_ref().map(String::len), task.truncated);
    tasks.iter().map(seen).collect()
}

fn expected(sizes: &[(usize, bool)]) -> Vec<(Option<usize>, bool)> {
    let seen = |(size, is_left_out): (usize, bool)| ((!is_left_out).then_some(size), is_left_out);
    sizes.iter().copied().map(seen).collect()
}

async fn results_beyond_the_bound_are_left_out_in_the_order_of_the_page(world: &World) {
    let (payer, tasks) = with_results(world).await;
    let user = Some(payer.user);
    let page =
        async |filter: Filter, offset| -> Page { ok!(world.store.list(filter, offset, 100)) };
    let mut all = expected(&SIZES);
    all.push((None, false));
    let by_time = Filter {
        user_id: user,
        start_timestamp: Some(0),
        ..Filter::default()
    };
    let of_user = Filter {
        user_id: user,
        ..Filter::default()
    };
    // Each is read by a statement of its own.
    for filter in [Filter::default(), of_user, by_time] {
        let listed = page(filter.clone(), 0).await;
        assert_eq!(seen(&listed.items), all, "{filter:?}");
        assert_eq!(listed.total, 6);
    }
    let rest = page(Filter::default(), 3).await;
    let whole = [(Some(3), false), (Some(2 * MIB), false), (None, false)];
    assert_eq!(seen(&rest.items), whole);
    for (task, alone) in [(&tasks[1], (None, true)), (&tasks[3], (Some(3), false))] {
        let filter = Filter {
            task_id: Some(task.to_string()),
            ..Filter::default()
        };
        assert_eq!(seen(&page(filter, 0).await.items), [alone]);
    }
}

async fn results_beyond_the_bound_are_left_out_in_the_order_of_the_batch(world: &World) {
    let (payer, tasks) = with_results(world).await;
    let order = [5, 4, 3, 2, 1, 0];
    let wanted: Vec<_> = order.iter().map(|n| tasks[*n].clone()).collect();
    let found = ok!(world.store.find(payer.user, &wanted));
    let names: Vec<_> = found.iter().map(|task| task.task_id.clone()).collect();
    assert_eq!(names, wanted);
    let expected = [
        (None, false),
        (Some(2 * MIB), false),
        (Some(3), false),
        (Some(RESULT_BYTES - 3 * MIB), false),
        (None, true),
        (None, true),
    ];
    assert_eq!(seen(&found), expected);
}

async fn a_page_shows_the_beginning_of_an_input_and_a_task_by_itself_the_whole(world: &World) {
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
    for (length, is_cut) in [(INPUT_CHARACTERS, false), (INPUT_CHARACTERS + 1, true)] {
        let input = "🎵".repeat(length);
        let task = NewTask {
            input: input.clone(),
            ..world.song(&payer)
        };
        let task_id = task.task_id.clone();
        world.store_task(task).await;
        let shown = if is_cut {
            format!("{}…", "🎵".repeat(INPUT_CHARACTERS))
        } else {
            input.clone()
        };
        let page = ok!(world.store.list(Filter::default(), 0, 1));
        assert_eq!(page.items[0].input, shown);
        let found = ok!(world.store.find(payer.user, std::slice::from_ref(&task_id)));
        assert_eq!(found[0].input, shown);
        let one = ok!(world.store.find_one(payer.user, &task_id)).expect("it exists");
        assert_eq!(one.input, input);
        assert_eq!(world.view(&task_id).await.input, input);
    }
}

async fn a_task_by_itself_is_its_users_and_whole(world: &World) {
    let (payer, tasks) = with_results(world).await;
    let stranger = world.payer(0).await;
    let giant = &tasks[1];
    let one = ok!(world.store.find_one(payer.user, giant)).expect("it is theirs");
    assert_eq!(
        seen(std::slice::from_ref(&one)),
        [(Some(SIZES[1].0), false)]
    );
    let story = ok!(world.store.story_of(giant, Some(payer.user))).expect("it is theirs");
    assert_eq!(story.task, one);
    assert_eq!(Some(story), ok!(world.store.story(giant)));
    assert_eq!(ok!(world.store.find_one(stranger.user, giant)), None);
    assert_eq!(ok!(world.store.story_of(giant, Some(stranger.user))), None);
    let unknown = world.song(&payer).task_id;
    assert_eq!(ok!(world.store.find_one(payer.user, &unknown)), None);
    assert_eq!(ok!(world.store.story_of(&unknown, Some(payer.user))), None);
    assert_eq!(one.created_at, NOW.seconds());
}
