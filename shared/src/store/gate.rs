//! Nobody uses the tables before they are up to date: a program serves before its database is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Result, StoreError};

/// Whether the tables may be used. Clones share the answer.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_open: AtomicBool,
    /// Why the last try to bring the tables up to date failed.
    why: Mutex<Option<StoreError>>,
}

impl Gate {
    /// A gate that is open, or closed until [`Gate::open`].
    pub fn new(is_open: bool) -> Self {
        Self(Arc::new(Inner {
            is_open: AtomicBool::new(is_open),
            why: Mutex::default(),
        }))
    }

    /// An error while the gate is closed.
    pub fn pass(&self) -> Result<()> {
        if self.0.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = self.0.why.lock().unwrap_or_else(PoisonError::into_inner);
        Err(why.as_ref().map_or(StoreError::Starting, StoreError::alike))
    }

    /// Notes whether the tables were brought up to date. If they were, the gate is open for good.
    pub fn note(&self, migrated: &Result<()>) {
        match migrated {
            Ok(()) => self.0.is_open.store(true, Ordering::Release),
            Err(error) => {
                let mut why = self.0.why.lock().unwrap_or_else(PoisonError::into_inner);
                *why = Some(error.alike());
            }
        }
    }
}
