//! What SQLite and the operating system say, in the words of the ports.

use std::io;
use std::path::Path;

use mailkeep_ports::{QueueError, QueueErrorKind, TableError, TableErrorKind};
use rusqlite::ErrorCode;

/// The file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the job database {path}: {cause}")]
pub struct DatabaseError {
    /// What kind.
    pub kind: TableErrorKind,
    path: String,
    cause: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DatabaseError {
    fn new(path: &Path, kind: TableErrorKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.display().to_string(),
            cause: cause.into(),
            source: None,
        }
    }

    pub(super) fn newer(path: &Path) -> Self {
        let cause = "it was made by a newer mailkeep; update this program";
        Self::new(path, TableErrorKind::Invalid, cause)
    }

    pub(super) fn ended(path: &Path) -> Self {
        let cause = "the call was ended; the program is shutting down";
        Self::new(path, TableErrorKind::Unavailable, cause)
    }

    pub(super) fn from_io(path: &Path, error: io::Error) -> Self {
        let (kind, advice) = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (TableErrorKind::Denied, "give this user access to it")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (TableErrorKind::TooLarge, "free or add some space")
            }
            io::ErrorKind::NotFound => (TableErrorKind::Invalid, "make its folder first"),
            _ => (TableErrorKind::Unavailable, "check the disk or the mount"),
        };
        Self {
            source: Some(Box::new(error)),
            ..Self::new(path, kind, format!("it could not be opened; {advice}"))
        }
    }

    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let (kind, advice) = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (TableErrorKind::Busy, "another process holds it; try again")
            }
            Some(
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::AuthorizationForStatementDenied,
            ) => (
                TableErrorKind::Denied,
                "give this user access to it and to its folder",
            ),
            Some(ErrorCode::DiskFull) => (TableErrorKind::TooLarge, "free or add some space"),
            Some(ErrorCode::TooBig) => {
                (TableErrorKind::TooLarge, "it is larger than SQLite allows")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
                TableErrorKind::Corrupt,
                "it is damaged or no database; restore it, or move it away and define the jobs anew \
                 (no backup is lost)",
            ),
            Some(ErrorCode::SystemIoFailure) => {
                (TableErrorKind::Unavailable, "check the disk or the mount")
            }
            _ => (
                TableErrorKind::Unavailable,
                "this may be a bug; please report it",
            ),
        };
        let cause = format!("{error}; {advice}");
        Self {
            source: Some(Box::new(error)),
            ..Self::new(path, kind, cause)
        }
    }
}

impl From<DatabaseError> for TableError {
    fn from(error: DatabaseError) -> Self {
        Self::new(error.kind, "in SQLite", error.to_string()).with_source(error)
    }
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        let kind = match error.kind {
            TableErrorKind::Busy => QueueErrorKind::Busy,
            TableErrorKind::Denied => QueueErrorKind::Denied,
            TableErrorKind::TooLarge => QueueErrorKind::TooLarge,
            TableErrorKind::Invalid => QueueErrorKind::Invalid,
            _ => QueueErrorKind::Unavailable,
        };
        Self::new(kind, "in SQLite", error.to_string()).with_source(error)
    }
}
