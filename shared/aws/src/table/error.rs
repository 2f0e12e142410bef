//! What DynamoDB says, in the words of the table.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use mailkeep_ports::{TableError, TableErrorKind, Write};

use super::DynamoTable;
use crate::fault::{Fault, FaultKind};

impl DynamoTable {
    /// Maps a failed single write.
    pub(super) fn refused<E>(
        &self,
        write: &Write,
        name: &str,
        error: SdkError<E, HttpResponse>,
    ) -> TableError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code);
        if code == Some("ConditionalCheckFailedException") {
            return TableError::conflict(write, 0).with_source(error);
        }
        self.failed(name, error)
    }

    /// Maps a failed call.
    pub(super) fn failed<E>(&self, name: &str, error: SdkError<E, HttpResponse>) -> TableError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = Fault::of(&error);
        let (kind, hint) = kind(&fault);
        let cause = format!("table {}: {}{hint}", self.name, fault.words);
        let mut mapped = TableError::new(kind, name, cause);
        mapped.retry_after = fault.retry_after;
        mapped.with_source(error)
    }
}

fn kind(fault: &Fault) -> (TableErrorKind, &'static str) {
    match fault.code.as_deref().unwrap_or_default() {
        "TransactionConflictException" | "TransactionInProgressException" => {
            return (TableErrorKind::Busy, "");
        }
        "ItemCollectionSizeLimitExceededException" => return (TableErrorKind::TooLarge, ""),
        "ResourceNotFoundException" => {
            let hint = "; check the table's name and the region";
            return (TableErrorKind::Invalid, hint);
        }
        _ => {}
    }
    let kind = match fault.kind {
        FaultKind::NoCredentials | FaultKind::Denied => TableErrorKind::Denied,
        FaultKind::Busy => TableErrorKind::Busy,
        FaultKind::InDoubt => TableErrorKind::Unavailable,
        FaultKind::NotSent | FaultKind::Refused => TableErrorKind::Invalid,
    };
    (kind, "")
}
