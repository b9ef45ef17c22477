//! The contract, sentence by sentence.

mod consuming;
mod ending;
mod publishing;

use async_trait::async_trait;
use shared::broker::SharedBroker;

pub use self::consuming::*;
pub use self::ending::*;
pub use self::publishing::*;

/// Connections to one broker.
#[async_trait]
pub trait Bench: Sync {
    async fn connect(&self) -> SharedBroker;
}
