//! To be measured.

use super::Effort;
use crate::report::Table;

/// Nothing yet.
pub async fn measure(_effort: Effort) -> Vec<Table> {
    Vec::new()
}
