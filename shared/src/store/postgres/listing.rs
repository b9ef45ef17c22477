//! Tasks as clients see them.

use async_trait::async_trait;
use sqlx::{Postgres, QueryBuilder};

use super::PostgresStore;
use crate::store::listing::{Filter, Listing, Page, TaskView};
use crate::store::row::{self, TASK_COLUMNS};
use crate::store::{Result, StoreError};
use crate::task::{TaskId, UserId};

#[async_trait]
impl Listing for PostgresStore {
    async fn list(&self, filter: Filter, offset: i64, limit: i64) -> Result<Page> {
        // One statement, so one snapshot: the count and the page never disagree.
        let mut sql =
            QueryBuilder::<Postgres>::new("WITH total AS (SELECT count(*) AS total FROM tasks t");
        push_filter(&mut sql, &filter);
        sql.push("), page AS (SELECT ");
        sql.push(TASK_COLUMNS);
        sql.push(" FROM tasks t JOIN users u ON u.id = t.user_id");
        push_filter(&mut sql, &filter);
        sql.push(" ORDER BY t.id DESC LIMIT ").push_bind(limit);
        sql.push(" OFFSET ").push_bind(offset);
        sql.push(
            ") SELECT total.total, page.* FROM total LEFT JOIN page ON TRUE ORDER BY page.id DESC",
        );
        let rows = sql.build().fetch_all(&self.pool).await?;
        row::page(&rows)
    }

    async fn find(&self, user: UserId, tasks: &[TaskId]) -> Result<Vec<TaskView>> {
        let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
        sql.push(TASK_COLUMNS);
        sql.push(" FROM tasks t JOIN users u ON u.id = t.user_id WHERE t.user_id = ");
        sql.push_bind(user.0);
        sql.push(" AND t.task_id = ANY (");
        sql.push_bind(
            tasks
                .iter()
                .map(|task| task.as_str().to_owned())
                .collect::<Vec<_>>(),
        );
        sql.push(")");
        let rows = sql
            .build()
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::from)?;
        rows.iter().map(row::task).collect()
    }
}

fn push_filter(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    sql.push(if filter.nothing {
        " WHERE FALSE"
    } else {
        " WHERE TRUE"
    });
    if let Some(user) = filter.user_id {
        sql.push(" AND t.user_id = ").push_bind(user.0);
    }
    if let Some(channel) = filter.channel_id {
        sql.push(" AND t.channel_id = ").push_bind(channel.0);
    }
    if let Some(platform) = &filter.platform {
        sql.push(" AND t.platform = ").push_bind(platform.clone());
    }
    if let Some(task) = &filter.task_id {
        sql.push(" AND t.task_id = ").push_bind(task.clone());
    }
    if let Some(status) = filter.status {
        sql.push(" AND t.status = ").push_bind(status.as_str());
    }
    if let Some(action) = filter.action {
        sql.push(" AND t.action = ").push_bind(action.as_str());
    }
    if let Some(start) = filter.start_timestamp {
        sql.push(" AND t.submit_time >= ").push_bind(start);
    }
    if let Some(end) = filter.end_timestamp {
        sql.push(" AND t.submit_time <= ").push_bind(end);
    }
}
