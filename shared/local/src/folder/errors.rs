//! What the operating system says, in the words of the store.

use std::io::{Error, ErrorKind};
use std::path::Path;

use mailkeep_ports::{StoreError, StoreErrorKind};

/// Maps an error of the operating system. `doing` says what was tried.
pub(super) fn from_io(name: &str, doing: &str, error: Error) -> StoreError {
    let (kind, next_step) = match error.kind() {
        ErrorKind::NotFound => (StoreErrorKind::Missing, "check the path"),
        ErrorKind::PermissionDenied => (
            StoreErrorKind::Denied,
            "give this user access to the vault's folder",
        ),
        ErrorKind::ReadOnlyFilesystem => (
            StoreErrorKind::Denied,
            "the file system is read-only; mount it writable",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            (StoreErrorKind::Full, "free or add some space")
        }
        ErrorKind::UnexpectedEof => (
            StoreErrorKind::Unavailable,
            "it shrank meanwhile; something else writes into the vault's folder",
        ),
        _ => (StoreErrorKind::Unavailable, "check the disk or the mount"),
    };
    let cause = format!("{doing} failed: {error}; {next_step}");
    StoreError::new(kind, name, cause).with_source(error)
}

/// The vault's folder was there when it was opened and is not now.
pub(super) fn root_is_gone(root: &Path) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        &root.display().to_string(),
        "the folder is gone; check that its disk is still mounted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_get_their_kind() {
        // Numbers are those of Linux, the same for the others in use here.
        for (number, kind) in [
            (1, StoreErrorKind::Denied),
            (13, StoreErrorKind::Denied),
            (30, StoreErrorKind::Denied),
            (28, StoreErrorKind::Full),
            (27, StoreErrorKind::Full),
            (5, StoreErrorKind::Unavailable),
            (2, StoreErrorKind::Missing),
        ] {
            let error = from_io("a/b", "writing it", Error::from_raw_os_error(number));
            assert_eq!(error.kind, kind, "{number}: {error}");
            assert!(error.to_string().contains("a/b"), "{error}");
        }
    }
}
