//! An export that stays in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mailkeep_engine::export::{ExportSink, SinkError};
use mailkeep_model::FolderPath;

/// Files by folder and name.
#[derive(Debug, Default)]
pub struct MemorySink {
    /// What is finished.
    pub files: BTreeMap<String, Vec<u8>>,
    open: Option<(String, Vec<u8>, usize)>,
}

#[async_trait]
impl ExportSink for MemorySink {
    async fn begin(&mut self, folder: &FolderPath, name: &str) -> Result<(), SinkError> {
        assert!(self.open.is_none(), "a file is still open");
        let path = format!("{}/{name}", folder.0.join("/"));
        assert!(!self.files.contains_key(&path), "{path} comes twice");
        self.open = Some((path, vec![], 0));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.open.as_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        let open = self.open.as_mut().unwrap();
        open.2 = open.1.len();
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), SinkError> {
        let open = self.open.as_mut().unwrap();
        open.1.truncate(open.2);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), SinkError> {
        let (path, bytes, kept) = self.open.take().unwrap();
        if kept > 0 {
            self.files.insert(path, bytes);
        }
        Ok(())
    }
}
