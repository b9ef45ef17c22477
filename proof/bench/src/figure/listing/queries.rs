//! The queries that the listings are asked.

use super::fill;

#[derive(Debug)]
pub struct Query {
    pub name: String,
    /// Whether it lists everybody's tasks, or only those of `heavy`.
    pub everybody: bool,
    pub parameters: String,
    /// The condition of a plain statement for the same page.
    pub condition: String,
    /// The offset of that statement.
    pub offset: i64,
}

const PAGE: i64 = 20;

/// Name, query string, condition of a plain statement, page. Own queries list the tasks of `heavy`.
const QUERIES: &str = "\
own: first page | | {own} | first
own: page 1,000 | p={page} | {own} | deep in own
own: status=FAILURE | status=FAILURE | {own} AND {failed} | first
own: status=IN_PROGRESS | status=IN_PROGRESS | {own} AND {going} | first
own: action=lyrics | action=lyrics | {own} AND {lyrics} | first
all: first page | | TRUE | first
all: page 1,000 | p={page} | TRUE | deep in all
all: the page in the middle | p={page} | TRUE | middle
all: status=FAILURE, page 1,000 | status=FAILURE&p={page} | {failed} | deep in failed
all: status=SUCCESS | status=SUCCESS | t.status = 'SUCCESS' | first
all: status=FAILURE | status=FAILURE | {failed} | first
all: status=IN_PROGRESS | status=IN_PROGRESS | {going} | first
all: status=UNKNOWN | status=UNKNOWN | t.status = 'UNKNOWN' | first
all: action=lyrics | action=lyrics | {lyrics} | first
all: platform=suno | platform=suno | t.platform = 'suno' | first
all: channel_id=1 | channel_id=1 | t.channel_id = 1 | first
all: channel_id=4 | channel_id=4 | {rare} | first
all: user_id | user_id={heavy} | {own} | first
all: task_id | task_id={id} | t.task_id = '{id}' | first
all: start_timestamp | start_timestamp={midpoint} | {after} | first
all: end_timestamp | end_timestamp={midpoint} | {before} | first
all: channel_id=4 and status=FAILURE | channel_id=4&status=FAILURE | {rare} AND {failed} | first
all: channel_id=4 and end_timestamp | channel_id=4&end_timestamp={midpoint} | {rare} AND {before} | first
all: status=IN_PROGRESS and user_id | status=IN_PROGRESS&user_id={heavy} | {own} AND {going} | first
all: status=IN_PROGRESS and start_timestamp | status=IN_PROGRESS&start_timestamp={midpoint} \
| {going} AND {after} | first";

/// All queries, in a database with `count` tasks of which `heavy` has a tenth.
pub fn all(heavy: i64, count: i64) -> Vec<Query> {
    let midpoint = fill::submitted_at(count / 2);
    let query = |line: &str| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, parameters, condition, page] = columns[..] else {
            panic!("no four columns: {line}");
        };
        // Page 1,000, or the last full page.
        let deep = |tasks: i64| (tasks / PAGE).clamp(1, 1_000);
        let page = match page {
            "first" => 1,
            "middle" => (count / PAGE / 2).max(1),
            "deep in own" => deep(count / 10),
            "deep in all" => deep(count),
            // At most the newest tenth is unfinished.
            "deep in failed" => deep(count / 10 * 9 / 10),
            _ => panic!("no page: {line}"),
        };
        let values = [
            ("{page}", page.to_string()),
            ("{heavy}", heavy.to_string()),
            ("{midpoint}", midpoint.to_string()),
            ("{id}", "task_c4ca4238a0b923820dcc509a6f75849b".to_owned()),
            ("{own}", format!("t.user_id = {heavy}")),
            ("{failed}", "t.status = 'FAILURE'".to_owned()),
            ("{going}", "t.status = 'IN_PROGRESS'".to_owned()),
            ("{lyrics}", "t.action = 'lyrics'".to_owned()),
            ("{rare}", "t.channel_id = 4".to_owned()),
            ("{before}", format!("t.submit_time <= {midpoint}")),
            ("{after}", format!("t.submit_time >= {midpoint}")),
        ];
        let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
        let filled = |text: &str| values.iter().fold(text.to_owned(), fill);
        Query {
            name: name.to_owned(),
            everybody: name.starts_with("all"),
            parameters: filled(parameters),
            condition: filled(condition),
            offset: PAGE * (page - 1),
        }
    };
    QUERIES.lines().map(query).collect()
}
