//! Files that this program creates beside the vault: never over an existing one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::CliError;

/// Creates a file that only its owner may read, writes it and makes it durable.
///
/// # Errors
/// When a file of this name exists, or it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .map_err(CliError::file("creating", path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(CliError::file("writing", path))
}

/// Refuses a name that is taken, before anything else is done.
///
/// # Errors
/// When something of this name exists.
pub fn must_not_exist(path: &Path, what: &str) -> Result<(), CliError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(CliError::Usage(format!(
            "{} exists already and is never overwritten; choose another name for the {what}",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::file("looking at", path)(error)),
    }
}

/// Refuses a folder that holds anything. A folder that does not exist is fine.
///
/// # Errors
/// When it is no folder or not empty.
pub fn must_be_empty(path: &Path, what: &str) -> Result<(), CliError> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(CliError::Usage(format!(
                "{} is not empty and nothing in it is touched; \
                 choose an empty or new folder for the {what}",
                path.display()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::file("looking at", path)(error)),
    }
}

/// Creates a file for writing that must not exist yet.
///
/// # Errors
/// When it exists or cannot be created.
pub fn create_new(path: &Path) -> Result<File, CliError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(CliError::file("creating", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(must_not_exist(&path, "key").is_ok());
        write_private(&path, b"first").unwrap();
        assert!(write_private(&path, b"second").is_err());
        assert_eq!(must_not_exist(&path, "key").unwrap_err().exit_code(), 2);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn only_an_empty_or_new_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(must_be_empty(folder.path(), "vault").is_ok());
        assert!(must_be_empty(&folder.path().join("new"), "vault").is_ok());
        fs::write(folder.path().join("x"), "").unwrap();
        assert_eq!(
            must_be_empty(folder.path(), "vault")
                .unwrap_err()
                .exit_code(),
            2
        );
        assert!(must_be_empty(&folder.path().join("x"), "vault").is_err());
    }
}
