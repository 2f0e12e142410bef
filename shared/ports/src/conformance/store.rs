//! The suite of [`Store`].

use std::sync::Arc;

use super::{Broken, conditions, listing, object_lock, objects};
use crate::TestClock;
use crate::store::{Store, StoreCapabilities};

/// What the suite needs to know of an adapter.
pub struct StoreUnderTest {
    /// Makes an empty store, one that shares nothing with those made before.
    pub fresh: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
    /// What the adapter says it can do. What it cannot do must be refused, not ignored.
    pub capabilities: StoreCapabilities,
    /// The clock of the store, where a test can set it: then Object Lock is also seen to end.
    pub clock: Option<Arc<TestClock>>,
}

/// Every clause of the contract of [`Store`]. Needs a Tokio runtime, best one with several threads.
///
/// # Errors
/// The first clause that does not hold.
pub async fn store(test: &StoreUnderTest) -> Result<(), Broken> {
    objects::all(test).await?;
    listing::all(test).await?;
    conditions::all(test).await?;
    object_lock::all(test).await
}
