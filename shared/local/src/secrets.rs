//! Secrets from the environment and from files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_ports::{SecretError, Secrets};
use zeroize::Zeroizing;

/// Largest secret.
pub const MAX_SECRET_BYTES: usize = 64 << 10;

/// Told in words about a secret that others can read.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// Secrets of this machine: `env:NAME` is an environment variable, `file:PATH` the content of a
/// file. One line ending at the end is cut off, as editors and `echo` add it.
#[derive(Clone)]
pub struct LocalSecrets {
    environment: Environment,
    on_warning: OnWarning,
}

#[derive(Clone)]
enum Environment {
    Process,
    Given(Arc<HashMap<String, Vec<u8>>>),
}

impl LocalSecrets {
    /// Secrets from the environment of this process and from files. `on_warning` hears about
    /// files that other users of the machine can read.
    #[must_use]
    pub fn new(on_warning: OnWarning) -> Self {
        Self {
            environment: Environment::Process,
            on_warning,
        }
    }

    /// The same with a given environment.
    #[must_use]
    pub fn with_environment(
        variables: impl IntoIterator<Item = (String, Vec<u8>)>,
        on_warning: OnWarning,
    ) -> Self {
        Self {
            environment: Environment::Given(Arc::new(variables.into_iter().collect())),
            on_warning,
        }
    }

    fn variable(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        match &self.environment {
            Environment::Process => std::env::var_os(name).map(OsString::into_vec),
            Environment::Given(variables) => variables.get(name).cloned(),
        }
        .map(Zeroizing::new)
    }
}

impl fmt::Debug for LocalSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalSecrets")
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let value = match name.split_once(':') {
            Some(("env", variable)) if !variable.is_empty() => {
                let value = self.variable(variable);
                value.ok_or_else(|| SecretError::Missing {
                    name: name.to_owned(),
                    next_step: "set this environment variable".to_owned(),
                })?
            }
            Some(("file", path)) if !path.is_empty() => {
                let (path, warn) = (PathBuf::from(path), Arc::clone(&self.on_warning));
                let read = tokio::task::spawn_blocking(move || read_file(&path, &warn));
                let read = read.await.unwrap_or_else(|e| Err(io::Error::other(e)));
                read.map_err(|error| file_error(name, &error))?
            }
            _ => {
                return Err(SecretError::Invalid {
                    name: name.to_owned(),
                    cause: "the name must be env:NAME or file:PATH".to_owned(),
                });
            }
        };
        checked(name, value)
    }
}

/// Reads at most one byte more than allowed, so that too long a file is seen as such.
fn read_file(path: &Path, warn: &OnWarning) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o077 != 0 {
        warn(&format!(
            "other users of this machine may read {}: run chmod 600 on it",
            path.display()
        ));
    }
    // Reserved at once, so that growing leaves no copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 3));
    let limit = u64::try_from(MAX_SECRET_BYTES + 3).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut value)?;
    Ok(value)
}

fn file_error(name: &str, error: &io::Error) -> SecretError {
    let name = name.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SecretError::Missing {
            name,
            next_step: "create this file or correct its path".to_owned(),
        },
        io::ErrorKind::PermissionDenied => SecretError::Denied {
            name,
            cause: "the file system does not permit it; make the file readable for this user"
                .to_owned(),
        },
        _ => SecretError::Invalid {
            name,
            cause: format!("the file cannot be read: {error}"),
        },
    }
}

fn checked(name: &str, mut value: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    let cause = if value.is_empty() {
        "it is empty"
    } else if value.len() > MAX_SECRET_BYTES {
        "it is longer than 64 KiB"
    } else {
        return Ok(value);
    };
    Err(SecretError::Invalid {
        name: name.to_owned(),
        cause: cause.to_owned(),
    })
}
