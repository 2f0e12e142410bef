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
    /// Where the store's ways may differ.
    pub ways: StoreWays,
}

/// Ways of a store that its users must not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreWays {
    /// A name that is the folder of others, or below an object, is refused. S3 would have to be asked
    /// at every write; that no two such names exist is a promise of whoever makes them.
    pub refuses_nesting: bool,
    /// The version mark of an object that was deleted and written again with the same bytes is another
    /// one. Marks that are a hash of the content, as on S3, cannot tell.
    pub marks_tell_rewrites: bool,
}

impl StoreWays {
    /// Stores whose every promise can be had without asking twice.
    pub const STRICT: Self = Self {
        refuses_nesting: true,
        marks_tell_rewrites: true,
    };
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
