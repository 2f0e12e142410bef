//! Where a vault is: a folder, or a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailkeep_aws::{S3Location, S3Store};
use mailkeep_local::FolderStore;
use mailkeep_ports::{Clock, Rng, Store};

use crate::{CliError, files};

/// What `--vault` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket, and the address as it was typed.
    Bucket(Box<S3Location>, String),
}

impl Place {
    /// Reads what was typed.
    ///
    /// # Errors
    /// When it begins like an address of S3 and is none.
    pub fn parse(typed: &Path) -> Result<Self, CliError> {
        let address = typed
            .to_str()
            .filter(|it| it.starts_with(S3Location::SCHEME));
        let Some(address) = address else {
            return Ok(Self::Folder(typed.to_owned()));
        };
        let location = address.parse();
        let location = location
            .map_err(|error: mailkeep_aws::LocationError| CliError::Usage(error.to_string()))?;
        Ok(Self::Bucket(Box::new(location), address.to_owned()))
    }

    /// The store of a vault that exists.
    ///
    /// # Errors
    /// When there is no such folder or bucket, or it cannot be reached.
    pub async fn open(
        &self,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<dyn Store>, CliError> {
        Ok(match self {
            Self::Folder(path) => Arc::new(FolderStore::open(path, rng)?),
            Self::Bucket(location, _) => S3Store::open((**location).clone(), clock, rng).await?,
        })
    }

    /// The store of a vault that is to be created. A folder is made when missing; a bucket is not: who
    /// may do what there is for its owner to decide.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn create(
        &self,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<dyn Store>, CliError> {
        match self {
            Self::Folder(path) => Ok(Arc::new(FolderStore::create(path, rng)?)),
            Self::Bucket(..) => self.open(clock, rng).await,
        }
    }

    /// As it was typed.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Bucket(_, address) => address.clone(),
        }
    }

    /// As it is typed in a shell, which would take `?` and `&` for itself.
    #[must_use]
    pub fn in_a_shell(&self) -> String {
        match self {
            Self::Bucket(_, address) if address.contains('?') => format!("'{address}'"),
            _ => self.shown(),
        }
    }

    /// Refuses a place for a new vault that is in use, and keys that would lie inside of the vault:
    /// whoever copies it would have the key to it.
    ///
    /// # Errors
    /// In these cases. What a bucket holds is looked at later.
    pub fn check_new(&self, new_files: &[&Path]) -> Result<(), CliError> {
        let Self::Folder(vault) = self else {
            return Ok(());
        };
        files::must_be_empty(vault, "vault")?;
        let full =
            |path: &Path| std::path::absolute(path).map_err(CliError::file("looking at", path));
        for file in new_files {
            if full(file)?.starts_with(full(vault)?) {
                return Err(CliError::Usage(format!(
                    "{} lies inside the vault's folder, so that whoever copies the vault would have the \
                     key to it; choose another place",
                    file.display()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        for path in ["./vault", "/srv/s3://x", "s3:/x", ""] {
            let place = Place::parse(Path::new(path)).unwrap();
            assert_eq!(place, Place::Folder(path.into()));
            assert_eq!(place.in_a_shell(), path);
        }
        let bucket = Place::parse(Path::new("s3://mail/vault")).unwrap();
        assert_eq!(bucket.in_a_shell(), "s3://mail/vault");
        let address = "s3://mail/vault?region=eu-central-1&path-style=true";
        let bucket = Place::parse(Path::new(address)).unwrap();
        assert_eq!(bucket.in_a_shell(), format!("'{address}'"));
        let Place::Bucket(location, _) = bucket else {
            panic!("{bucket:?}");
        };
        assert_eq!(location.path_style, Some(true));
        let error = Place::parse(Path::new("s3://mail?oops=1")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
