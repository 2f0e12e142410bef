//! Links that work without AWS credentials, for a time.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;
use mailkeep_ports::{Key, Links, StoreError, StoreErrorKind};

use super::S3Store;

/// The longest that AWS lets a link work. One made with the credentials of a role ends with them.
pub const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3_600);

impl S3Store {
    /// A link by which anybody can read an object for a time. Whoever opens it saves a file of this
    /// name. It holds a signature: treat it as a secret. Nothing is asked of the store, not even whether
    /// the object is there.
    ///
    /// # Errors
    /// `Invalid` for a time that is zero or longer than [`LONGEST_LINK`], or a name with other characters
    /// than letters, digits, spaces and `._-`; `Denied` without credentials.
    pub async fn link(
        &self,
        key: &Key,
        valid_for: Duration,
        file_name: &str,
    ) -> Result<String, StoreError> {
        let invalid = |cause: String| StoreError::new(StoreErrorKind::Invalid, key.as_str(), cause);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-');
        if file_name.is_empty() || !file_name.chars().all(is_plain) {
            return Err(invalid("not a file name for a link".to_owned()));
        }
        if valid_for.is_zero() || valid_for > LONGEST_LINK {
            return Err(invalid("a link works for up to seven days".to_owned()));
        }
        let config = PresigningConfig::expires_in(valid_for);
        let config = config.map_err(|error| invalid(error.to_string()))?;
        let request = self
            .client
            .get_object()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()))
            .response_content_disposition(format!("attachment; filename=\"{file_name}\""))
            .presigned(config)
            .await;
        let request = request.map_err(|error| self.failed(key.as_str(), error))?;
        Ok(request.uri().to_owned())
    }
}

#[async_trait]
impl Links for S3Store {
    async fn link(
        &self,
        key: &Key,
        valid_for: Duration,
        file_name: &str,
    ) -> Result<String, StoreError> {
        S3Store::link(self, key, valid_for, file_name).await
    }
}
