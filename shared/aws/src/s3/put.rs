//! Writing.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass as AwsClass;
use bytes::Bytes;
use data_encoding::BASE64;
use mailkeep_ports::{
    Condition, ETag, Key, MAX_BODY_BYTES, PutOptions, StorageClass, StoreError, StoreErrorKind,
};

use super::error::broken_answer;
use super::{ColdClass, S3Store, lock};

/// How long a write may take at least, and how slow a line may be on top of it. A line that stands
/// still is noticed much earlier, by the SDK.
const LEAST: Duration = Duration::from_secs(60);
const BYTES_PER_SECOND: u64 = 128 << 10;

impl S3Store {
    pub(super) async fn put_object(
        &self,
        key: &Key,
        body: Bytes,
        options: &PutOptions,
    ) -> Result<ETag, StoreError> {
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if size > MAX_BODY_BYTES {
            let cause = format!("the body has {size} bytes, more than 64 MiB");
            let kind = StoreErrorKind::Invalid;
            return Err(StoreError::new(kind, key.as_str(), cause));
        }
        let limit = LEAST + Duration::from_secs(size / BYTES_PER_SECOND);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(limit);
        let mut request = self
            .client
            .put_object()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()))
            .content_type("application/octet-stream")
            .set_checksum_sha256(options.sha256.map(|sum| BASE64.encode(&sum)))
            .set_storage_class(self.class(options.class))
            .body(ByteStream::from(body));
        request = match &options.condition {
            Condition::None => request,
            Condition::IfAbsent => request.if_none_match("*"),
            Condition::IfMatch(etag) => request.if_match(&etag.0),
        };
        if let Some(retention) = options.retention {
            request = request
                .object_lock_mode(lock::mode(retention.mode).as_str().into())
                .object_lock_retain_until_date(lock::until(retention));
        }
        let config = aws_sdk_s3::config::Builder::new().timeout_config(timeouts.build());
        let sent = request.customize().config_override(config).send().await;
        let answer = sent.map_err(|error| self.refused(key.as_str(), &options.condition, error))?;
        let etag = answer.e_tag.map(ETag);
        etag.ok_or_else(|| broken_answer(key, "no ETag"))
    }

    /// Not named where it is what the store does anyway: other stores know no classes.
    fn class(&self, class: StorageClass) -> Option<AwsClass> {
        match (class, self.location.cold_class) {
            (StorageClass::Hot, _) | (StorageClass::Cold, ColdClass::Standard) => None,
            (StorageClass::Cold, ColdClass::StandardIa) => Some(AwsClass::StandardIa),
            (StorageClass::Cold, ColdClass::IntelligentTiering) => {
                Some(AwsClass::IntelligentTiering)
            }
            (StorageClass::Cold, ColdClass::GlacierInstant) => Some(AwsClass::GlacierIr),
        }
    }
}
