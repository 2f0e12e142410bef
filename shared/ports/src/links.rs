//! Links to objects for people who have no access to their store.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Key, StoreError};

/// Makes links. For stores that anybody can reach who has the right link, as those of AWS.
#[async_trait]
pub trait Links: Send + Sync + 'static {
    /// A link by which anybody can read an object for a time. Whoever opens it saves a file of this
    /// name, which has letters, digits, spaces and `._-` only. A link is as good as the object: treat it
    /// as a secret.
    ///
    /// # Errors
    /// `Invalid` for a time that is zero or too long for the store, or for another name.
    async fn link(
        &self,
        key: &Key,
        valid_for: Duration,
        file_name: &str,
    ) -> Result<String, StoreError>;
}
