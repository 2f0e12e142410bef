//! Log files that are written line by line: one per run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::Clock;

/// Name of a log: 1 to 150 characters of `A-Z a-z 0-9 . _ -`, not beginning with a dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogName(String);

impl LogName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] when it is none.
    pub fn new(name: impl Into<String>) -> Result<Self, LogError> {
        let name = name.into();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_valid =
            (1..=150).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_part);
        if is_valid {
            Ok(Self(name))
        } else {
            Err(LogError {
                kind: LogErrorKind::Invalid,
                name: name.chars().take(40).filter(|c| is_part(*c)).collect(),
                cause: "not a valid name of a log".to_owned(),
            })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A log that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its name.
    pub name: LogName,
    /// Its size.
    pub bytes: u64,
    /// When something was written to it last.
    pub modified_at: DateTime<Utc>,
}

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// There is no such log.
    Missing,
    /// No permission.
    Denied,
    /// No room is left.
    Full,
    /// It cannot be read or written now.
    Unavailable,
    /// The request makes no sense: our bug.
    Invalid,
}

/// An error of a log: which, what, why.
#[derive(Debug, thiserror::Error)]
#[error("log {name}: {cause}")]
pub struct LogError {
    /// What kind.
    pub kind: LogErrorKind,
    /// Name of the log.
    pub name: String,
    /// The cause in words.
    pub cause: String,
}

impl LogError {
    /// An error.
    #[must_use]
    pub fn new(kind: LogErrorKind, name: &LogName, cause: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.to_string(),
            cause: cause.into(),
        }
    }
}

/// A place for logs. They name mailboxes and folders, so only administrators may read it.
///
/// Contract, held by the conformance suite: what several writers append is there in whole, each
/// piece in one; a log is listed as soon as it is created.
#[async_trait]
pub trait LogSink: Send + Sync + 'static {
    /// Makes a log that begins with `head`, unless it is there already. Returns whether it was made.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    async fn create(&self, name: &LogName, head: Bytes) -> Result<bool, LogError>;

    /// Appends whole lines to a log that is there.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    async fn append(&self, name: &LogName, lines: Bytes) -> Result<(), LogError>;

    /// Reads at most `limit` bytes from `offset` on; fewer at the end.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    async fn read(&self, name: &LogName, offset: u64, limit: usize) -> Result<Bytes, LogError>;

    /// All logs, by name.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    async fn list(&self) -> Result<Vec<LogInfo>, LogError>;

    /// Removes a log. One that is not there is no error.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    async fn remove(&self, name: &LogName) -> Result<(), LogError>;
}

/// Logs in memory.
pub struct MemoryLogs {
    clock: Arc<dyn Clock>,
    logs: Mutex<Logs>,
}

/// The text of each log, and when it was written to last.
type Logs = BTreeMap<LogName, (Vec<u8>, DateTime<Utc>)>;

impl MemoryLogs {
    /// No log yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            logs: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LogSink for MemoryLogs {
    async fn create(&self, name: &LogName, head: Bytes) -> Result<bool, LogError> {
        let mut logs = self.lock();
        if logs.contains_key(name) {
            return Ok(false);
        }
        logs.insert(name.clone(), (head.to_vec(), self.clock.now()));
        Ok(true)
    }

    async fn append(&self, name: &LogName, lines: Bytes) -> Result<(), LogError> {
        match self.lock().get_mut(name) {
            Some((log, modified_at)) => {
                log.extend_from_slice(&lines);
                *modified_at = self.clock.now();
                Ok(())
            }
            None => Err(missing(name)),
        }
    }

    async fn read(&self, name: &LogName, offset: u64, limit: usize) -> Result<Bytes, LogError> {
        let logs = self.lock();
        let (log, _) = logs.get(name).ok_or_else(|| missing(name))?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = log.get(offset..).unwrap_or_default();
        let piece = rest.get(..limit).unwrap_or(rest);
        Ok(Bytes::copy_from_slice(piece))
    }

    async fn list(&self) -> Result<Vec<LogInfo>, LogError> {
        let logs = self.lock();
        let infos = logs.iter().map(|(name, (log, modified_at))| LogInfo {
            name: name.clone(),
            bytes: u64::try_from(log.len()).unwrap_or(u64::MAX),
            modified_at: *modified_at,
        });
        Ok(infos.collect())
    }

    async fn remove(&self, name: &LogName) -> Result<(), LogError> {
        self.lock().remove(name);
        Ok(())
    }
}

fn missing(name: &LogName) -> LogError {
    LogError::new(LogErrorKind::Missing, name, "there is no such log")
}
