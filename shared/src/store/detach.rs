//! Runs a transaction in its own task, so that a dropped request cannot cancel it half-way.

use std::future::Future;

use super::{Result, StoreError};

/// Runs `work` to its end in a task of its own. Dropping the returned future does not stop the task.
///
/// sqlx 0.9.0 can return a connection to its pool with a transaction still open if `begin()` is cancelled
/// (sqlx's issue 4393): the next statement on that connection then "succeeds" and vanishes. So everything
/// that writes goes through here, and nothing in `work` stands under a `timeout` or a `select!`.
pub(super) async fn detach<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(failed) => {
            tracing::error!(error = %failed, "a unit of work died; its transaction is rolled back");
            Err(StoreError::Died)
        }
    }
}
