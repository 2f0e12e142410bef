//! Carrying out an export.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use mailkeep_content::MboxWriter;
use mailkeep_model::{FailureClass, FolderPath};
use mailkeep_vault::{ItemReader, ItemVersion, MailboxId, MailboxView, VaultError};
use serde::{Deserialize, Serialize};

use super::name::{eml_name, safe_path};
use super::{ExportSink, SinkError};
use crate::cursor::Cursor;
use crate::error::vault_code;
use crate::restore::{ItemProblem, RestoreOutcome};
use crate::select::{self, SelectedFolder, Selection};
use crate::{Engine, EngineError, Event, Observer, Progress, StopSignal, browse};

/// Problems kept in a summary.
const MAX_PROBLEMS: usize = 1000;

/// Which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One file per item, byte for byte what the source gave.
    #[default]
    Eml,
    /// One mbox (mboxrd) per folder.
    Mbox,
}

/// One export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// The mailbox in the vault.
    pub mailbox: MailboxId,
    /// The restore point (see [`browse::open`]).
    pub snapshot: String,
    /// Which items.
    pub selection: Selection,
    /// Which form.
    pub format: ExportFormat,
}

/// What an export did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Items written.
    pub exported: u64,
    /// Items that could not be read.
    pub failed: u64,
    /// Files begun and kept.
    pub files: u64,
    /// Bytes of the items written.
    pub bytes: u64,
    /// The first 1,000 problems; the counts above tell of all.
    pub problems: Vec<ItemProblem>,
    /// How it ended.
    pub outcome: RestoreOutcome,
}

impl ExportSummary {
    /// The process exit code: 0 all well, 1 stopped, 3 some items failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            RestoreOutcome::Finished if self.failed > 0 => 3,
            RestoreOutcome::Finished => 0,
            _ => 1,
        }
    }
}

/// One stored message, byte for byte. The last element is an error if it is not what was stored.
///
/// # Errors
/// When its item frame cannot be read.
pub async fn message(
    view: &MailboxView,
    version: &ItemVersion,
) -> Result<BoxStream<'static, Result<bytes::Bytes, VaultError>>, EngineError> {
    Ok(view.content(version).await?.mime())
}

/// Exports. Items that cannot be read are recorded, and the others go on.
///
/// # Errors
/// When the vault's index cannot be read, the selection names what is not there, or the sink fails.
pub async fn run(
    engine: &Engine,
    request: &ExportRequest,
    sink: &mut dyn ExportSink,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<ExportSummary, EngineError> {
    let from = Cursor::default();
    let exported = go_on(engine, request, from, sink, observer, stop).await?;
    Ok(exported.summary)
}

/// What an export did since it went on, and where the next one does.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What was done.
    pub summary: ExportSummary,
    /// Where to go on.
    pub cursor: Cursor,
}

/// Exports as [`run`](run()) does, from a place on. The request must name one commit, so that it means the
/// same each time.
///
/// # Errors
/// As [`run`](run()).
pub async fn go_on(
    engine: &Engine,
    request: &ExportRequest,
    from: Cursor,
    sink: &mut dyn ExportSink,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<Exported, EngineError> {
    let mailbox = engine.vault().mailbox(&request.mailbox).await?;
    let view = browse::open(&mailbox, &request.snapshot).await?;
    let folders = select::folders(&view, &request.selection).await?;
    let mut export = Export {
        view,
        request,
        sink,
        observer,
        stop,
        summary: ExportSummary::default(),
        progress: Progress::default(),
        cursor: from,
    };
    if export.cursor == Cursor::default() {
        export.count(&folders).await?;
    }
    let names = mbox_names(&folders);
    for (index, folder) in folders.iter().enumerate().skip(export.cursor.folders) {
        let name = names.get(index).cloned().unwrap_or_default();
        if !export.folder(folder, &name).await? {
            export.summary.outcome = RestoreOutcome::Stopped;
            break;
        }
        export.cursor = Cursor::of_folder(index + 1);
    }
    Ok(Exported {
        summary: export.summary,
        cursor: export.cursor,
    })
}

/// The mbox of each folder: where it is and its name. Folders may share a name. The same whether an export
/// begins or goes on.
fn mbox_names(folders: &[SelectedFolder]) -> Vec<(FolderPath, String)> {
    let mut used: HashMap<(FolderPath, String), u32> = HashMap::new();
    let name = |folder: &SelectedFolder| {
        let mut parent = safe_path(&folder.folder().path);
        let name = parent.0.pop().unwrap_or_else(|| "Mailbox".into());
        let key = (
            FolderPath(parent.0.iter().map(|part| part.to_lowercase()).collect()),
            name.to_lowercase(),
        );
        let used = used.entry(key).or_default();
        *used += 1;
        let name = if *used == 1 {
            format!("{name}.mbox")
        } else {
            // Ends in a bracket, which no folder's own file does by itself.
            format!("{name} [{used}].mbox")
        };
        (parent, name)
    };
    folders.iter().map(name).collect()
}

struct Export<'a> {
    view: MailboxView,
    request: &'a ExportRequest,
    sink: &'a mut dyn ExportSink,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
    summary: ExportSummary,
    progress: Progress,
    cursor: Cursor,
}

/// Why an item was not written.
enum Failure {
    Sink(SinkError),
    Item(VaultError),
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::Item(error)
    }
}

impl Export<'_> {
    async fn count(&mut self, folders: &[SelectedFolder]) -> Result<(), EngineError> {
        let filter = &self.request.selection.filter;
        let (items, bytes) = select::count(&self.view, folders, filter).await?;
        self.progress.items_expected = Some(items);
        self.observer
            .event(&Event::TransferStarted { items, bytes });
        Ok(())
    }

    /// Exports one folder; false when it was stopped.
    async fn folder(
        &mut self,
        folder: &SelectedFolder,
        (parent, name): &(FolderPath, String),
    ) -> Result<bool, EngineError> {
        let path = safe_path(&folder.folder().path);
        let is_mbox = self.request.format == ExportFormat::Mbox;
        let mut is_open = false;
        let mut from = self.cursor.mark()?;
        loop {
            let filter = &self.request.selection.filter;
            let mut page = select::page(&self.view, folder, filter, from).await?;
            let done = self.cursor.done();
            page.items
                .retain(|version| !done.contains(version.key.to_string().as_str()));
            for version in &page.items {
                let reader = self.view.content(version).await;
                let bytes = reader.as_ref().map_or(0, ItemReader::size_bytes);
                let (summary, cursor) = (&self.summary, &self.cursor);
                let is_stopped =
                    self.stop.is_stopped() || !self.sink.before(bytes, summary, cursor).await?;
                if is_stopped {
                    if is_open {
                        self.sink.end().await?;
                    }
                    return Ok(false);
                }
                if is_mbox && !is_open {
                    self.sink.begin(parent, name).await?;
                    self.summary.files += 1;
                    is_open = true;
                }
                self.item(&path, version, reader).await?;
                self.cursor.item(version.key);
            }
            match page.next {
                Some(next) => {
                    self.cursor.next_page(&next);
                    from = Some(next);
                }
                None => break,
            }
        }
        if is_open {
            self.sink.end().await?;
        }
        Ok(true)
    }

    async fn item(
        &mut self,
        path: &FolderPath,
        version: &ItemVersion,
        reader: Result<ItemReader, VaultError>,
    ) -> Result<(), EngineError> {
        let is_mbox = self.request.format == ExportFormat::Mbox;
        if !is_mbox {
            self.sink.begin(path, &eml_name(version)).await?;
        }
        let written = if is_mbox {
            self.mbox_message(version, reader).await
        } else {
            self.eml_message(reader).await
        };
        match written {
            Ok(bytes) => {
                self.sink.keep().await?;
                self.summary.exported += 1;
                self.summary.bytes += bytes;
                self.summary.files += u64::from(!is_mbox);
                self.progress.bytes_done += bytes;
            }
            Err(Failure::Sink(error)) => return Err(error.into()),
            Err(Failure::Item(error)) => {
                self.sink.undo().await?;
                self.failed(version, &error);
            }
        }
        if !is_mbox {
            self.sink.end().await?;
        }
        self.progress.items_done += 1;
        self.observer.event(&Event::TransferProgress {
            progress: self.progress.clone(),
        });
        Ok(())
    }

    async fn eml_message(
        &mut self,
        reader: Result<ItemReader, VaultError>,
    ) -> Result<u64, Failure> {
        let mut mime = reader?.mime();
        let mut bytes = 0;
        while let Some(piece) = mime.next().await {
            let piece = piece?;
            bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.sink.write(&piece).await?;
        }
        Ok(bytes)
    }

    async fn mbox_message(
        &mut self,
        version: &ItemVersion,
        reader: Result<ItemReader, VaultError>,
    ) -> Result<u64, Failure> {
        let mut mime = reader?.mime();
        let (mut bytes, mut out) = (0, vec![]);
        let mut writer = MboxWriter::new();
        writer.begin(
            &version.item.from.address,
            version.item.sort_time(),
            &mut out,
        );
        while let Some(piece) = mime.next().await {
            let piece = piece?;
            bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
            writer.write(&piece, &mut out);
            self.sink.write(&out).await?;
            out.clear();
        }
        writer.end(&mut out);
        self.sink.write(&out).await?;
        Ok(bytes)
    }

    fn failed(&mut self, version: &ItemVersion, error: &VaultError) {
        self.summary.failed += 1;
        self.observer.event(&Event::TransferFailed {
            item: version.key.to_string(),
            message: error.to_string(),
            class: FailureClass::Vault,
        });
        if self.summary.problems.len() < MAX_PROBLEMS {
            let folder = self.view.folder(&version.item.folder);
            self.summary.problems.push(ItemProblem {
                item: version.key.to_string(),
                folder: folder.map(|it| it.path.to_string()).unwrap_or_default(),
                class: Some(FailureClass::Vault),
                code: vault_code(error).into(),
                message: error.to_string(),
            });
        }
    }
}
