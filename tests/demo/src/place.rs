//! Where the demonstration keeps what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use mailkeep_cli::files;

use crate::Failure;

/// Folder names that are tried when none is given.
const TRIED: u32 = 100;

/// The files and folders of one demonstration.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// The wanted folder if it is empty or new, else the first free `demo-vault` here. Nothing that
    /// is there already is ever touched.
    pub(crate) fn choose(wanted: Option<&Path>) -> Result<Self, Failure> {
        let root = match wanted {
            Some(path) => {
                files::must_be_empty(path, "demonstration (--keep)")?;
                path.to_owned()
            }
            None => free_name()?,
        };
        fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The vault.
    pub(crate) fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    /// The key file.
    pub(crate) fn key(&self) -> PathBuf {
        self.root.join("vault.key")
    }

    /// The recovery key.
    pub(crate) fn recovery_key(&self) -> PathBuf {
        self.root.join("recovery.key")
    }

    /// The application's secret at the simulated tenant.
    pub(crate) fn client_secret(&self) -> PathBuf {
        self.root.join("client-secret")
    }

    /// Where the one mail is restored to.
    pub(crate) fn one_mail(&self) -> PathBuf {
        self.root.join("one-mail")
    }

    /// The file of the one mail, in the folders that it was exported to.
    pub(crate) fn one_mail_file(&self) -> Result<PathBuf, Failure> {
        let mut path = self.one_mail();
        while path.is_dir() {
            let first = fs::read_dir(&path)?.next();
            path = first.ok_or("the export left no file")??.path();
        }
        Ok(path)
    }
}

fn free_name() -> Result<PathBuf, Failure> {
    (1..=TRIED)
        .map(|number| match number {
            1 => PathBuf::from("demo-vault"),
            number => PathBuf::from(format!("demo-vault-{number}")),
        })
        .find(|path| files::must_be_empty(path, "demonstration").is_ok())
        .ok_or_else(|| "demo-vault and its numbered siblings are all taken; remove some".into())
}
