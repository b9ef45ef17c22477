//! What is asked of the listings.

use super::fill;

/// A question.
#[derive(Debug)]
pub struct Question {
    /// In words.
    pub name: String,
    /// Whether everybody's tasks are listed, or `heavy`'s own.
    pub everybody: bool,
    /// The query.
    pub query: String,
    /// The condition that a plain statement would have.
    pub plain: String,
    /// The offset that a plain statement would have.
    pub offset: i64,
}

/// How many tasks a page has.
const PAGE: i64 = 20;

/// Of so many tasks page 1,000, or the last that is full.
fn deep(tasks: i64) -> i64 {
    (tasks / PAGE).clamp(1, 1_000)
}

/// The offset of a page.
fn offset(page: i64) -> i64 {
    PAGE * (page - 1)
}

/// All of them, where there are `count` tasks and `heavy` is the user with a tenth of them.
pub fn all(heavy: i64, count: i64) -> Vec<Question> {
    let mut all = of_heavy(heavy, count);
    all.extend(pages(count));
    all.extend(filters(heavy, count));
    all.extend(pairs(heavy, count));
    all
}

fn question(everybody: bool, name: &str, query: String, plain: String, offset: i64) -> Question {
    let whose = if everybody { "all" } else { "own" };
    Question {
        name: format!("{whose}: {name}"),
        everybody,
        query,
        plain,
        offset,
    }
}

fn of_heavy(heavy: i64, count: i64) -> Vec<Question> {
    let deep = deep(count / 10);
    let own = format!("t.user_id = {heavy}");
    let filters = [
        ("status=FAILURE", "t.status = 'FAILURE'"),
        ("status=IN_PROGRESS", "t.status = 'IN_PROGRESS'"),
        ("action=lyrics", "t.action = 'lyrics'"),
    ];
    let mut of_heavy = vec![
        question(false, "first page", String::new(), own.clone(), 0),
        question(
            false,
            "page 1,000",
            format!("p={deep}"),
            own.clone(),
            offset(deep),
        ),
    ];
    of_heavy.extend(filters.map(|(query, plain)| {
        let plain = format!("{own} AND {plain}");
        question(false, query, query.to_owned(), plain, 0)
    }));
    of_heavy
}

fn pages(count: i64) -> Vec<Question> {
    let middle = (count / PAGE / 2).max(1);
    let failed = "t.status = 'FAILURE'".to_owned();
    // The newest tenth has not failed, at most.
    let (deep, deep_failed) = (deep(count), deep(count / 10 * 9 / 10));
    vec![
        question(true, "first page", String::new(), "TRUE".to_owned(), 0),
        question(
            true,
            "page 1,000",
            format!("p={deep}"),
            "TRUE".to_owned(),
            offset(deep),
        ),
        question(
            true,
            "the page in the middle",
            format!("p={middle}"),
            "TRUE".to_owned(),
            offset(middle),
        ),
        question(
            true,
            "status=FAILURE, page 1,000",
            format!("status=FAILURE&p={deep_failed}"),
            failed,
            offset(deep_failed),
        ),
    ]
}

fn filters(heavy: i64, count: i64) -> Vec<Question> {
    let middle = fill::submitted_at(count / 2);
    let task = "task_c4ca4238a0b923820dcc509a6f75849b";
    let status = ["SUCCESS", "FAILURE", "IN_PROGRESS", "UNKNOWN"];
    let mut filters: Vec<Question> = status
        .map(|status| {
            let name = format!("status={status}");
            question(
                true,
                &name,
                name.clone(),
                format!("t.status = '{status}'"),
                0,
            )
        })
        .into();
    let others = [
        ("action=lyrics", "t.action = 'lyrics'"),
        ("platform=suno", "t.platform = 'suno'"),
        ("channel_id=1", "t.channel_id = 1"),
        ("channel_id=4", "t.channel_id = 4"),
    ];
    filters.extend(
        others.map(|(query, plain)| question(true, query, query.to_owned(), plain.to_owned(), 0)),
    );
    let with_numbers = [
        (
            "user_id",
            format!("={heavy}"),
            format!("t.user_id = {heavy}"),
        ),
        (
            "task_id",
            format!("={task}"),
            format!("t.task_id = '{task}'"),
        ),
        (
            "start_timestamp",
            format!("={middle}"),
            format!("t.submit_time >= {middle}"),
        ),
        (
            "end_timestamp",
            format!("={middle}"),
            format!("t.submit_time <= {middle}"),
        ),
    ];
    filters.extend(
        with_numbers.map(|(name, is, plain)| question(true, name, format!("{name}{is}"), plain, 0)),
    );
    filters
}

fn pairs(heavy: i64, count: i64) -> Vec<Question> {
    let middle = fill::submitted_at(count / 2);
    let making = "t.status = 'IN_PROGRESS'";
    vec![
        question(
            true,
            "channel_id=4 and status=FAILURE",
            "channel_id=4&status=FAILURE".to_owned(),
            "t.channel_id = 4 AND t.status = 'FAILURE'".to_owned(),
            0,
        ),
        question(
            true,
            "channel_id=4 and end_timestamp",
            format!("channel_id=4&end_timestamp={middle}"),
            format!("t.channel_id = 4 AND t.submit_time <= {middle}"),
            0,
        ),
        question(
            true,
            "status=IN_PROGRESS and user_id",
            format!("status=IN_PROGRESS&user_id={heavy}"),
            format!("t.user_id = {heavy} AND {making}"),
            0,
        ),
        question(
            true,
            "status=IN_PROGRESS and start_timestamp",
            format!("status=IN_PROGRESS&start_timestamp={middle}"),
            format!("{making} AND t.submit_time >= {middle}"),
            0,
        ),
    ]
}
