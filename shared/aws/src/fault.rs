//! What a failed call says, read in one place for all services.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// Codes by which services say that a caller is too fast.
const BUSY: &[&str] = &[
    "SlowDown",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "TooManyRequestsException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "BandwidthLimitExceeded",
];

/// Codes by which services say that a caller is not who they must be, or may not do this.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "NotSignedUp",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
    "UnrecognizedClientException",
];

/// What kind of failure it is, as far as it means the same for every service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// There are no credentials, or they cannot be had.
    NoCredentials,
    /// They are no good, or do not permit this.
    Denied,
    /// Told to slow down.
    Busy,
    /// No answer, a broken one, or an error of the service: the call may have had its effect.
    InDoubt,
    /// The request could not be made: a setting is wrong.
    NotSent,
    /// The service refused, for a reason of its own.
    Refused,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Kind.
    pub kind: FaultKind,
    /// The service's code, for example `NoSuchKey`. Answers without a body have none.
    pub code: Option<String>,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The cause in words.
    pub words: String,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// Reads an error of the SDK.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let status = response.map(|response| response.status().as_u16());
        let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = metadata.and_then(|metadata| metadata.code().map(str::to_owned));
        let kind = match error {
            SdkError::ConstructionFailure(_) => FaultKind::NotSent,
            SdkError::ServiceError(_) => of_answer(code.as_deref(), status),
            _ if lacks_credentials(error) => FaultKind::NoCredentials,
            _ => FaultKind::InDoubt,
        };
        let said = metadata.and_then(|metadata| metadata.message());
        let words = match (kind, &code, said, status) {
            (FaultKind::NoCredentials, ..) => format!(
                "there are no AWS credentials ({}); set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                root_cause(error)
            ),
            (_, Some(code), Some(said), _) => format!("{code}: {said}"),
            (_, Some(code), None, _) => code.clone(),
            (_, None, _, Some(status)) => format!("the answer was HTTP status {status}"),
            _ => format!("no answer: {}", root_cause(error)),
        };
        let retry_after = response
            .and_then(|response| response.headers().get("retry-after"))
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        Self {
            kind,
            code,
            status,
            words,
            retry_after,
        }
    }
}

fn of_answer(code: Option<&str>, status: Option<u16>) -> FaultKind {
    let listed = |list: &[&str]| code.is_some_and(|code| list.contains(&code));
    match status {
        _ if listed(BUSY) => FaultKind::Busy,
        _ if listed(DENIED) => FaultKind::Denied,
        _ if code == Some("RequestTimeout") => FaultKind::InDoubt,
        // An answer without a body has no code.
        Some(429 | 503) => FaultKind::Busy,
        Some(401 | 403) if code.is_none() => FaultKind::Denied,
        // "Not implemented" and "no room" stay as they are.
        Some(500 | 502 | 504) => FaultKind::InDoubt,
        _ => FaultKind::Refused,
    }
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(credentials) = error.downcast_ref::<CredentialsError>() {
            // A role that cannot be assumed just now may be assumed later.
            return !matches!(credentials, CredentialsError::ProviderTimedOut(_));
        }
        next = error.source();
    }
    false
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
