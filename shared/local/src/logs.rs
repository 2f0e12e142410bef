//! Logs in a folder, one file each, for its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailkeep_ports::{LogError, LogErrorKind, LogInfo, LogName, LogSink};

/// Logs in a folder. A file is there with its head or not at all; what is appended is written at once,
/// so that lines of several writers do not mix.
#[derive(Clone, Debug)]
pub struct FolderLogs {
    folder: PathBuf,
}

impl FolderLogs {
    /// Logs in this folder, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    async fn with<T: Send + 'static>(
        &self,
        name: &LogName,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let (folder, path) = (self.folder.clone(), self.folder.join(name.as_str()));
        let done = tokio::task::spawn_blocking(move || work(&folder, &path)).await;
        let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| judge(name, &error))
    }
}

#[async_trait]
impl LogSink for FolderLogs {
    async fn create(&self, name: &LogName, head: Bytes) -> Result<bool, LogError> {
        let made = self.with(name, move |folder, path| {
            if path.exists() {
                return Ok(false);
            }
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&head)?;
            match file.persist_noclobber(path) {
                Ok(_) => Ok(true),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error.error),
            }
        });
        made.await
    }

    async fn append(&self, name: &LogName, lines: Bytes) -> Result<(), LogError> {
        let done = self.with(name, move |_, path| {
            let mut file = OpenOptions::new().append(true).mode(0o600).open(path)?;
            file.write_all(&lines)
        });
        done.await
    }

    async fn read(&self, name: &LogName, offset: u64, limit: usize) -> Result<Bytes, LogError> {
        let read = self.with(name, move |_, path| {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut piece = vec![];
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            file.take(limit).read_to_end(&mut piece)?;
            Ok(Bytes::from(piece))
        });
        read.await
    }

    async fn list(&self) -> Result<Vec<LogInfo>, LogError> {
        let all = LogName::new("all")?;
        let found = self.with(&all, |folder, _| {
            let mut found = vec![];
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_str().and_then(|name| LogName::new(name).ok());
                // One that was removed meanwhile is not there.
                if let (Some(name), Ok(metadata)) = (name, entry.metadata())
                    && metadata.is_file()
                {
                    found.push(LogInfo {
                        name,
                        bytes: metadata.len(),
                        modified_at: DateTime::<Utc>::from(metadata.modified()?),
                    });
                }
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        });
        found.await
    }

    async fn remove(&self, name: &LogName) -> Result<(), LogError> {
        let done = self.with(name, |_, path| match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
        done.await
    }
}

fn judge(name: &LogName, error: &io::Error) -> LogError {
    let (kind, cause) = match error.kind() {
        ErrorKind::NotFound => (LogErrorKind::Missing, "there is no such log".to_owned()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            let words = "the file system does not permit it; check the rights of the folder";
            (LogErrorKind::Denied, words.to_owned())
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (LogErrorKind::Full, "no room is left; make some".to_owned())
        }
        _ => (LogErrorKind::Unavailable, error.to_string()),
    };
    LogError::new(kind, name, cause)
}
