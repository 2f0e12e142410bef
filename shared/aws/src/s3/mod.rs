//! A store in a bucket of S3, or of a store that speaks its protocol.
//!
//! The object `a/b/c` is the S3 object `PREFIX/a/b/c`.
//!
//! * **One request, one object**: a body of at most 64 MiB goes as one `PutObject`. There are no
//!   multipart uploads, so none can be left incomplete.
//! * **Conditions** are `If-None-Match: *` and `If-Match`. 412 is the loss of a race and 409 the wish
//!   to be asked again; see [`StoreErrorKind::Conflict`]. Whether a store honours them is found out
//!   with [`mailkeep_ports::probe()`], not believed.
//! * **The version mark** is the `ETag`. On AWS it is a hash of the content, so an object deleted and
//!   written again with the same bytes has the same mark.
//! * **Checksums**: the SHA-256 that the caller gives goes with the body, else a CRC32. A whole object
//!   that is read is checked against what the store keeps.
//! * **Deleting is for ever**, also in a bucket that keeps versions: all versions are deleted, the
//!   current one last, so that no earlier one comes to light. An object under Object Lock is refused.
//! * **Names**: unlike a folder, S3 lets a name be both an object and the folder of others; nothing
//!   here looks for that.

mod delete;
mod error;
mod get;
mod list;
mod location;
mod lock;
mod presign;
mod put;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use mailkeep_ports::{
    Clock, Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, RetryPolicy, RetryStore, Rng, Store, StoreError, StoreErrorKind,
};

pub use self::location::{ColdClass, LocationError, S3Location};
pub use self::presign::LONGEST_LINK;

/// Keeps each object as one of S3. See the module for the guarantees.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    location: Arc<S3Location>,
}

impl S3Store {
    /// A store reached with a configuration that is there already. Its region and endpoint count, those
    /// of the location do not.
    #[must_use]
    pub fn with_config(location: S3Location, config: &SdkConfig) -> Self {
        let has_own_endpoint = crate::client::endpoint(config, "S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .force_path_style(location.path_style.unwrap_or(has_own_endpoint))
            .build();
        Self {
            client: Client::from_conf(config),
            location: Arc::new(location),
        }
    }

    /// A store that retries, reached with a configuration that is there already. The bucket is there
    /// and can be listed.
    ///
    /// # Errors
    /// Those of a listing.
    pub async fn open_with(
        location: S3Location,
        config: &SdkConfig,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let store = Arc::new(Self::with_config(location, config));
        let store = RetryStore::new(store, clock, rng, RetryPolicy::default());
        // Later a missing bucket could be taken for a missing object: answers to HEAD do not say.
        let options = ListOptions {
            limit: 1,
            ..ListOptions::default()
        };
        store.list(options).await?;
        Ok(Arc::new(store))
    }

    /// A store that retries, reached as the AWS environment and the location say. The bucket is there and
    /// can be listed.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] when no region is known; those of a listing.
    pub async fn open(
        location: S3Location,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let config = location.aws.load().await.map_err(|error| {
            let cause = error.to_string();
            StoreError::new(StoreErrorKind::Invalid, &location.to_string(), cause)
                .with_source(error)
        })?;
        Self::open_with(location, &config, clock, rng).await
    }

    /// Bucket and prefix.
    #[must_use]
    pub fn location(&self) -> &S3Location {
        &self.location
    }

    /// The name in the bucket of what is called `name` here.
    fn full_name(&self, name: &str) -> String {
        match self.location.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        self.put_object(key, body, &options).await
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.get_object(key, &options).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        Ok(self.head_object(key).await?.info)
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.list_page(&options).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        self.delete_object(key, &condition).await
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.put_retention(key, retention).await
    }
}
