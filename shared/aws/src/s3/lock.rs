//! Object Lock.

use aws_sdk_s3::primitives::DateTime as AwsTime;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use mailkeep_ports::{Key, LockMode, Retention, StoreError, StoreErrorKind};

use super::S3Store;
use super::get::time;

impl S3Store {
    pub(super) async fn put_retention(
        &self,
        key: &Key,
        retention: Retention,
    ) -> Result<(), StoreError> {
        let wanted = ObjectLockRetention::builder()
            .mode(mode(retention.mode))
            .retain_until_date(until(retention))
            .build();
        let request = self
            .client
            .put_object_retention()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()))
            .retention(wanted);
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let error = self.failed(key.as_str(), error);
        if error.kind != StoreErrorKind::Denied {
            return Err(error);
        }
        // S3 calls it denied, too, when the promise would become a smaller one.
        match self.head_object(key).await?.info.retention {
            Some(held) if held.until > retention.until || held.mode != retention.mode => {
                let cause = format!(
                    "Object Lock keeps it until {}, a promise that cannot be made smaller",
                    held.until
                );
                Err(StoreError::new(StoreErrorKind::Locked, key.as_str(), cause).with_source(error))
            }
            _ => Err(error),
        }
    }
}

/// A mode as S3 calls it.
pub(super) fn mode(mode: LockMode) -> ObjectLockRetentionMode {
    match mode {
        LockMode::Governance => ObjectLockRetentionMode::Governance,
        LockMode::Compliance => ObjectLockRetentionMode::Compliance,
    }
}

/// The end of a promise.
pub(super) fn until(retention: Retention) -> AwsTime {
    AwsTime::from_millis(retention.until.timestamp_millis())
}

/// What the answer to HEAD promises.
pub(super) fn retention(mode: Option<&str>, until: Option<&AwsTime>) -> Option<Retention> {
    let mode = match mode? {
        "GOVERNANCE" => LockMode::Governance,
        // Whatever is not known is held to be as strict.
        _ => LockMode::Compliance,
    };
    let until = time(Some(until?));
    Some(Retention { mode, until })
}
