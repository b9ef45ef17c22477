//! Runs a unit of work in its own task, so that a dropped request cannot cancel it half-way, and for a bounded
//! time.

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::options::DEADLINE;
use super::sql::Database;
use super::{Result, StoreError};

impl Database {
    /// Runs `work` to its end in a task of its own, for at most [`DEADLINE`]. Dropping the returned future does
    /// not stop the task.
    pub(super) fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.detach_for(DEADLINE, work)
    }

    /// [`Database::detach`] for another time than [`DEADLINE`].
    pub(super) fn detach_for<T: Send + 'static>(
        &self,
        longest: Duration,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let database = self.clone();
        // Boxed, because the work may be too large to be a part of the caller's future.
        Box::pin(detach(
            async move { database.bound_for(longest, work).await? },
        ))
    }

    /// Runs `work` for at most [`DEADLINE`]. If it takes longer, it is dropped, which closes its connection; nobody
    /// knows the outcome of a commit that was under way.
    pub(super) async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.bound_for(DEADLINE, work).await
    }

    async fn bound_for<T>(&self, longest: Duration, work: impl Future<Output = T>) -> Result<T> {
        match self {
            Self::Postgres(store) => store.bound(longest, work).await,
            Self::Sqlite(_) => {
                let done = timeout(longest, work).await;
                done.map_err(|_| StoreError::silent(longest))
            }
        }
    }
}

/// Runs `work` to its end in a task of its own, however long that takes.
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
