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
    /// What is in the way.
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

    /// Opens the gate for good: the tables are up to date.
    pub fn open(&self) {
        self.0.is_open.store(true, Ordering::Release);
    }

    /// Notes why the gate is closed.
    pub fn blame(&self, why: &StoreError) {
        let mut held = self.0.why.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(why.alike());
    }
}
