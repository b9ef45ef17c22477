//! The queries that the listings are asked.

use super::fill;

/// A query.
#[derive(Debug)]
pub struct Query {
    /// What the report calls it.
    pub name: String,
    /// Whether it lists everybody's tasks, or only those of `heavy`.
    pub everybody: bool,
    /// The query string.
    pub parameters: String,
    /// The condition of a plain statement for the same page.
    pub condition: String,
    /// The offset of that statement.
    pub offset: i64,
}

/// Tasks on a page.
const PAGE: i64 = 20;

/// Page 1,000 of so many tasks, or the last full page.
fn deep(tasks: i64) -> i64 {
    (tasks / PAGE).clamp(1, 1_000)
}

/// All queries, in a database with `count` tasks of which `heavy` has a tenth.
pub fn all(heavy: i64, count: i64) -> Vec<Query> {
    let (own_deep, all_deep) = (deep(count / 10), deep(count));
    // At most the newest tenth is unfinished.
    let failed_deep = deep(count / 10 * 9 / 10);
    let middle = (count / PAGE / 2).max(1);
    let midpoint = fill::submitted_at(count / 2);
    let own = format!("t.user_id = {heavy}");
    let own_and = |condition: &str| format!("{own} AND {condition}");
    let id = "task_c4ca4238a0b923820dcc509a6f75849b";
    let (failed, in_progress) = ("t.status = 'FAILURE'", "t.status = 'IN_PROGRESS'");
    let rare = "t.channel_id = 4";
    let before = format!("t.submit_time <= {midpoint}");
    let after = format!("t.submit_time >= {midpoint}");
    let query = |name: &str, parameters: &str, condition: &str, page: i64| Query {
        name: name.to_owned(),
        everybody: name.starts_with("all"),
        parameters: parameters.to_owned(),
        condition: condition.to_owned(),
        offset: PAGE * (page - 1),
    };
    // The name is the query.
    let plain = |name: &str, condition: &str| {
        let (_, after) = name.split_once(": ").unwrap_or_default();
        query(name, after, condition, 1)
    };
    vec![
        query("own: first page", "", &own, 1),
        query("own: page 1,000", &format!("p={own_deep}"), &own, own_deep),
        plain("own: status=FAILURE", &own_and(failed)),
        plain("own: status=IN_PROGRESS", &own_and(in_progress)),
        plain("own: action=lyrics", &own_and("t.action = 'lyrics'")),
        query("all: first page", "", "TRUE", 1),
        query(
            "all: page 1,000",
            &format!("p={all_deep}"),
            "TRUE",
            all_deep,
        ),
        query(
            "all: the page in the middle",
            &format!("p={middle}"),
            "TRUE",
            middle,
        ),
        query(
            "all: status=FAILURE, page 1,000",
            &format!("status=FAILURE&p={failed_deep}"),
            failed,
            failed_deep,
        ),
        plain("all: status=SUCCESS", "t.status = 'SUCCESS'"),
        plain("all: status=FAILURE", failed),
        plain("all: status=IN_PROGRESS", in_progress),
        plain("all: status=UNKNOWN", "t.status = 'UNKNOWN'"),
        plain("all: action=lyrics", "t.action = 'lyrics'"),
        plain("all: platform=suno", "t.platform = 'suno'"),
        plain("all: channel_id=1", "t.channel_id = 1"),
        plain("all: channel_id=4", rare),
        query("all: user_id", &format!("user_id={heavy}"), &own, 1),
        query(
            "all: task_id",
            &format!("task_id={id}"),
            &format!("t.task_id = '{id}'"),
            1,
        ),
        query(
            "all: start_timestamp",
            &format!("start_timestamp={midpoint}"),
            &after,
            1,
        ),
        query(
            "all: end_timestamp",
            &format!("end_timestamp={midpoint}"),
            &before,
            1,
        ),
        query(
            "all: channel_id=4 and status=FAILURE",
            "channel_id=4&status=FAILURE",
            &format!("{rare} AND {failed}"),
            1,
        ),
        query(
            "all: channel_id=4 and end_timestamp",
            &format!("channel_id=4&end_timestamp={midpoint}"),
            &format!("{rare} AND {before}"),
            1,
        ),
        query(
            "all: status=IN_PROGRESS and user_id",
            &format!("status=IN_PROGRESS&user_id={heavy}"),
            &own_and(in_progress),
            1,
        ),
        query(
            "all: status=IN_PROGRESS and start_timestamp",
            &format!("status=IN_PROGRESS&start_timestamp={midpoint}"),
            &format!("{in_progress} AND {after}"),
            1,
        ),
    ]
}
