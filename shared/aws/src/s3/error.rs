//! What S3 says, in the words of the store.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use mailkeep_ports::{Condition, Key, StoreError, StoreErrorKind};

use super::S3Store;
use crate::fault::{Fault, FaultKind};

impl S3Store {
    /// Maps a failed call that has no condition. `name` is the object's name or the listed prefix.
    pub(super) fn failed<E>(&self, name: &str, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.refused(name, &Condition::None, error)
    }

    /// Maps a failed call.
    pub(super) fn refused<E>(
        &self,
        name: &str,
        condition: &Condition,
        error: SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = Fault::of(&error);
        let kind = kind(&fault, condition);
        let hint = hint(&fault, kind);
        let place = &self.location.bucket;
        let mut mapped =
            StoreError::new(kind, name, format!("bucket {place}: {}{hint}", fault.words));
        mapped.retry_after = fault.retry_after;
        mapped.with_source(error)
    }
}

/// An answer that lacks what it must have.
pub(super) fn broken_answer(key: &Key, what: &str) -> StoreError {
    let cause = format!("the store's answer is broken: {what}");
    StoreError::new(StoreErrorKind::Unavailable, key.as_str(), cause)
}

fn kind(fault: &Fault, condition: &Condition) -> StoreErrorKind {
    let code = fault.code.as_deref().unwrap_or_default();
    match code {
        "NoSuchKey" | "NoSuchVersion" => return StoreErrorKind::Missing,
        "BadDigest"
        | "InvalidDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch" => return StoreErrorKind::Corrupt,
        "IncompleteBody" => return StoreErrorKind::Unavailable,
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => {
            return StoreErrorKind::Full;
        }
        "ObjectLocked" => return StoreErrorKind::Locked,
        // Not "missing": the vault is not empty, it is somewhere else.
        "NoSuchBucket" => return StoreErrorKind::Invalid,
        _ => {}
    }
    match (fault.kind, fault.status) {
        (FaultKind::NoCredentials | FaultKind::Denied, _) => StoreErrorKind::Denied,
        (FaultKind::Busy, _) => StoreErrorKind::Busy,
        (FaultKind::InDoubt, _) => StoreErrorKind::Unavailable,
        (FaultKind::NotSent, _) => StoreErrorKind::Invalid,
        (FaultKind::Refused, Some(412)) => match condition {
            Condition::IfAbsent => StoreErrorKind::AlreadyExists,
            Condition::IfMatch(_) | Condition::None => StoreErrorKind::Changed,
        },
        (FaultKind::Refused, Some(409)) => StoreErrorKind::Conflict,
        // Answers to HEAD have no code.
        (FaultKind::Refused, Some(404)) if code.is_empty() || code == "NotFound" => {
            StoreErrorKind::Missing
        }
        // Archived: nothing to be read before somebody thaws it.
        (FaultKind::Refused, Some(403)) => StoreErrorKind::Denied,
        (FaultKind::Refused, Some(507)) => StoreErrorKind::Full,
        (FaultKind::Refused, _) => StoreErrorKind::Invalid,
    }
}

/// What to do about it, where the service's own words do not say.
fn hint(fault: &Fault, kind: StoreErrorKind) -> &'static str {
    match fault.code.as_deref().unwrap_or_default() {
        "NoSuchBucket" => "; check the bucket's name, the region and the endpoint",
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            "; the bucket is in another region: set AWS_REGION"
        }
        "RequestTimeTooSkewed" => "; set this machine's clock",
        "ExpiredToken" | "TokenRefreshRequired" => "; sign in again",
        "InvalidObjectState" => {
            "; it is archived: thaw it, and keep lifecycle rules from archiving packs"
        }
        _ if fault.kind == FaultKind::Denied => {
            "; S3 says so of a missing object, too, when s3:ListBucket is not permitted"
        }
        _ if fault.kind == FaultKind::InDoubt && fault.status.is_none() => {
            "; check the network and the endpoint"
        }
        _ if fault.status == Some(301) => "; the bucket is in another region: set AWS_REGION",
        _ if kind == StoreErrorKind::Full => "; make room",
        _ => "",
    }
}
