//! Files that this program creates beside the vault: never over an existing one.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::CliError;

/// A new, empty file that only its owner may read. It vanishes again unless it is filled, so that
/// a later failure leaves nothing behind, and a file that cannot be created is noticed early.
#[derive(Debug)]
pub struct Reserved {
    path: PathBuf,
    file: Option<File>,
}

impl Reserved {
    /// Creates the file.
    ///
    /// # Errors
    /// When a file of this name exists, or it cannot be created.
    pub fn create(path: &Path, what: &str) -> Result<Self, CliError> {
        must_not_exist(path, what)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(CliError::file("creating", path))?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
        })
    }

    /// Writes the file and makes it durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn fill(mut self, bytes: &[u8]) -> Result<(), CliError> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)
                .and_then(|()| file.sync_all())
                .map_err(CliError::file("writing", &self.path))?;
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Best effort: an empty file is left over at worst.
            let _ = fs::remove_file(&self.path);
        }
    }
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

/// A small text file that is no secret.
///
/// # Errors
/// When it cannot be read, is no text in UTF-8, or is larger than 64 KiB.
pub fn read_small_text(path: &Path) -> Result<String, CliError> {
    const LARGEST: u64 = 64 << 10;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .and_then(|read| match read as u64 > LARGEST {
            true => Err(std::io::Error::other("too large")),
            false => Ok(text),
        })
        .map_err(CliError::file("reading", path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(must_not_exist(&path, "key").is_ok());
        let reserved = Reserved::create(&path, "key").unwrap();
        assert!(Reserved::create(&path, "key").is_err());
        reserved.fill(b"first").unwrap();
        assert_eq!(Reserved::create(&path, "key").unwrap_err().exit_code(), 2);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_reserved_file_vanishes_when_it_is_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(Reserved::create(&path, "key").unwrap());
        assert!(!path.exists());
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
