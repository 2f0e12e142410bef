//! Where an export goes.

use async_trait::async_trait;
use mailkeep_model::FolderPath;

use super::ExportSummary;
use crate::cursor::Cursor;

/// The sink could not be written; the export ends.
#[derive(Debug, thiserror::Error)]
#[error("export of {file}: {cause}")]
pub struct SinkError {
    /// The suggested name of the file that was being written.
    pub file: String,
    /// Why.
    pub cause: String,
}

/// Receives files one after another: `begin`, any number of `write`, `keep` and `undo`, then `end`.
#[async_trait]
pub trait ExportSink: Send {
    /// An item of this size is next; so much was exported, and to this place, before it. `false` ends
    /// the export as if it was told to stop.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn before(
        &mut self,
        _bytes: u64,
        _summary: &ExportSummary,
        _cursor: &Cursor,
    ) -> Result<bool, SinkError> {
        Ok(true)
    }

    /// Opens a file in a folder. Every part of `folder` and `name` is already safe as a file name on
    /// common systems, and no two files of one export have the same folder and name.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn begin(&mut self, folder: &FolderPath, name: &str) -> Result<(), SinkError>;

    /// Appends to the open file.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError>;

    /// What was written so far is good.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn keep(&mut self) -> Result<(), SinkError>;

    /// Takes back what was written since the last `keep`, or since `begin`: the item turned out to
    /// be damaged.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn undo(&mut self) -> Result<(), SinkError>;

    /// Closes the open file. A file without a single `keep` is to be removed.
    ///
    /// # Errors
    /// [`SinkError`] ends the export.
    async fn end(&mut self) -> Result<(), SinkError>;
}
