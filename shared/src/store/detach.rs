//! Units of work that a caller who goes away cannot cut in half.

use std::future::Future;

use super::{Result, StoreError};

/// Runs `work` to its end in a task of its own. Dropping the returned future does not stop it.
///
/// sqlx 0.9.0 can hand a connection back to its pool with a transaction still open when `begin()`
/// is cancelled (its issue 4393): the next statement on it then "succeeds" and vanishes. Everything
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
