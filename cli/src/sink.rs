//! Where an export goes on this machine: a folder of files, or one single file.

use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use mailkeep_engine::export::{ExportSink, SinkError};
use mailkeep_model::FolderPath;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

/// Ending of a file that is not complete yet.
const PARTIAL: &str = ".partial";

/// Writes every file of an export below one folder. Files appear under their name when they are
/// complete, and nothing that exists is replaced.
#[derive(Debug)]
pub struct FolderSink {
    root: PathBuf,
    open: Option<OpenFile>,
    files: u64,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    partial: PathBuf,
    name: String,
    file: BufWriter<File>,
    written: u64,
    kept: u64,
    is_kept: bool,
}

impl FolderSink {
    /// A sink below `root`, which is created when something is written.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            open: None,
            files: 0,
        }
    }

    /// Files written.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    fn current(&mut self) -> Result<&mut OpenFile, SinkError> {
        self.open.as_mut().ok_or_else(|| SinkError {
            file: String::new(),
            cause: "no file is open; please report this".to_owned(),
        })
    }
}

/// A part of a path that stays inside its folder.
fn is_single_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none()
}

fn failed(file: &str) -> impl Fn(io::Error) -> SinkError {
    let file = file.to_owned();
    move |error| SinkError {
        file: file.clone(),
        cause: error.to_string(),
    }
}

async fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}

#[async_trait]
impl ExportSink for FolderSink {
    async fn begin(&mut self, folder: &FolderPath, name: &str) -> Result<(), SinkError> {
        let mut path = self.root.clone();
        for part in folder.0.iter().map(String::as_str).chain([name]) {
            if !is_single_name(part) {
                return Err(SinkError {
                    file: name.to_owned(),
                    cause: "its name would leave the folder; please report this".to_owned(),
                });
            }
            path.push(part);
        }
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).await.map_err(failed(name))?;
        if fs::try_exists(&path).await.map_err(failed(name))? {
            return Err(failed(name)(io::ErrorKind::AlreadyExists.into()));
        }
        let mut partial = path.clone().into_os_string();
        partial.push(PARTIAL);
        let partial = PathBuf::from(partial);
        let file = create_new(&partial).await.map_err(failed(name))?;
        self.open = Some(OpenFile {
            path,
            partial,
            name: name.to_owned(),
            file: BufWriter::new(file),
            written: 0,
            kept: 0,
            is_kept: false,
        });
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let open = self.current()?;
        let result = open.file.write_all(bytes).await;
        result.map_err(failed(&open.name))?;
        open.written += bytes.len() as u64;
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        let open = self.current()?;
        open.kept = open.written;
        open.is_kept = true;
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), SinkError> {
        let open = self.current()?;
        let back = async {
            open.file.flush().await?;
            open.file.get_mut().set_len(open.kept).await?;
            open.file.seek(io::SeekFrom::Start(open.kept)).await
        };
        back.await.map_err(failed(&open.name))?;
        open.written = open.kept;
        Ok(())
    }

    async fn end(&mut self) -> Result<(), SinkError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let is_kept = open.is_kept;
        let finish = async {
            open.file.flush().await?;
            if open.is_kept {
                open.file.get_mut().sync_all().await?;
                fs::rename(&open.partial, &open.path).await
            } else {
                fs::remove_file(&open.partial).await
            }
        };
        finish.await.map_err(failed(&open.name))?;
        self.files += u64::from(is_kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> FolderPath {
        FolderPath(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn listing(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_damaged_item_leaves_no_trace() {
        let root = tempfile::tempdir().unwrap();
        let mut sink = FolderSink::new(root.path());
        sink.begin(&path(&["Inbox"]), "all.mbox").await.unwrap();
        sink.write(b"good").await.unwrap();
        sink.keep().await.unwrap();
        sink.write(b"half").await.unwrap();
        sink.undo().await.unwrap();
        sink.write(b"more").await.unwrap();
        sink.keep().await.unwrap();
        sink.end().await.unwrap();
        sink.begin(&path(&["Inbox"]), "bad.eml").await.unwrap();
        sink.write(b"half").await.unwrap();
        sink.undo().await.unwrap();
        sink.end().await.unwrap();
        assert_eq!(listing(&root.path().join("Inbox")), ["all.mbox"]);
        let bytes = std::fs::read(root.path().join("Inbox/all.mbox")).unwrap();
        assert_eq!(bytes, b"goodmore");
        assert_eq!(sink.files(), 1);
    }

    #[tokio::test]
    async fn nothing_is_replaced_and_nothing_leaves_the_folder() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("x.eml"), "mine").unwrap();
        let mut sink = FolderSink::new(root.path());
        assert!(sink.begin(&path(&[]), "x.eml").await.is_err());
        for name in ["..", "/etc", "a/b", "", "."] {
            assert!(sink.begin(&path(&[]), name).await.is_err(), "{name}");
            assert!(sink.begin(&path(&[name]), "x.eml").await.is_err(), "{name}");
        }
        assert_eq!(std::fs::read(root.path().join("x.eml")).unwrap(), b"mine");
        assert_eq!(listing(root.path()), ["x.eml"]);
    }
}
