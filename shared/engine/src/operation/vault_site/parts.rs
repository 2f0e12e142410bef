//! Writes an export as archives of bounded size, each of which is complete in itself.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailkeep_model::FolderPath;
use mailkeep_ports::{Key, PutOptions, Store, sha256};
use serde::Serialize;

use super::super::{ExportPart, Keeper, OperationCounts, WorkOrder, WorkState};
use super::archive::Archive;
use crate::cursor::Cursor;
use crate::export::{ExportSink, ExportSummary, SinkError};

/// The objects of an export, whoever made them.
pub(in super::super) fn prefix(id: &super::super::OperationId) -> String {
    format!("exports/{id}/")
}

/// Receives the files of an export.
pub(super) struct PartSink<'a> {
    store: Arc<dyn Store>,
    keeper: Arc<dyn Keeper>,
    order: &'a WorkOrder,
    part_bytes: u64,
    before: OperationCounts,
    /// What is written down, or will be next.
    state: WorkState,
    /// Problems of the summary that are in it.
    problems: usize,
    /// Objects that this attempt made.
    objects: u32,
    archive: Archive,
    items: u64,
    file: Option<File>,
    /// The first file was begun in an earlier part.
    is_continued: bool,
    /// The item that is being written.
    item: Vec<u8>,
    is_giant: bool,
    /// The pieces of it that are in archives of their own.
    pieces: Vec<ExportPart>,
}

/// The file that is being written.
struct File {
    path: String,
    /// It was begun in an earlier part.
    is_continued: bool,
}

/// What the last object of an export says.
#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    operation: &'a str,
    snapshot: u64,
    items: u64,
    failed: u64,
    bytes: u64,
    parts: Vec<ManifestPart<'a>>,
    pieces: &'static str,
}

#[derive(Serialize)]
struct ManifestPart<'a> {
    object: &'a str,
    file: &'a str,
    size_bytes: u64,
    sha256: &'a str,
    items: u64,
}

impl<'a> PartSink<'a> {
    pub(super) fn new(
        store: Arc<dyn Store>,
        keeper: Arc<dyn Keeper>,
        order: &'a WorkOrder,
        part_bytes: u64,
        is_continued: bool,
    ) -> Self {
        Self {
            store,
            keeper,
            order,
            part_bytes,
            before: order.state.counts.clone(),
            state: order.state.clone(),
            problems: 0,
            objects: 0,
            archive: Archive::new(),
            items: 0,
            file: None,
            is_continued,
            item: vec![],
            is_giant: false,
            pieces: vec![],
        }
    }

    /// What is written down, or is to be.
    pub(super) fn into_state(self) -> WorkState {
        self.state
    }

    /// So much is done when what is open is put away.
    fn note(&mut self, summary: &ExportSummary, cursor: &Cursor) {
        let new = summary.problems.get(self.problems..).unwrap_or_default();
        self.state.problems.problems.extend_from_slice(new);
        self.problems = summary.problems.len();
        let before = &self.before;
        self.state.counts = OperationCounts {
            items_done: before.items_done + summary.exported + summary.failed,
            created: before.created + summary.exported,
            failed: before.failed + summary.failed,
            bytes: before.bytes + summary.bytes,
            ..before.clone()
        };
        self.state.cursor = Some(cursor.clone());
    }

    /// Puts away what is open: the export has come this far.
    pub(super) async fn settle(
        &mut self,
        summary: &ExportSummary,
        cursor: &Cursor,
    ) -> Result<(), SinkError> {
        if !self.archive.is_empty() {
            let part = self.put_archive().await?;
            self.add(part);
        }
        self.note(summary, cursor);
        Ok(())
    }

    /// Writes what tells of all parts.
    pub(super) async fn conclude(&mut self) -> Result<(), SinkError> {
        let failed = || failed("manifest", "the parts that are there could not be listed");
        let new = u32::try_from(self.state.new_parts.len()).unwrap_or(u32::MAX);
        let up_to = self.state.parts.saturating_sub(new);
        let known = self.keeper.parts(up_to).await.ok_or_else(failed)?;
        let parts: Vec<&ExportPart> = known.iter().chain(&self.state.new_parts).collect();
        let manifest = Manifest {
            format: "mailkeep export 1",
            operation: &self.order.id.0,
            snapshot: self.order.pinned.sequence,
            items: self.state.counts.created,
            failed: self.state.counts.failed,
            bytes: self.state.counts.bytes,
            parts: parts.iter().map(|part| manifest_part(part)).collect(),
            pieces: "A file whose name ends in .001 is continued in the archives after it (.002, and so on); \
                     join the pieces in this order.",
        };
        let body = serde_json::to_vec_pretty(&manifest);
        let body = body.map_err(|error| self::failed("manifest", error))?;
        let file_name = format!("{}-manifest.json", self.order.id);
        let part = self.put(body, "json", file_name, 0).await?;
        self.add(part);
        Ok(())
    }

    fn add(&mut self, part: ExportPart) {
        self.state.parts = part.number;
        self.state.part_bytes += part.size_bytes;
        self.state.new_parts.push(part);
    }

    /// The number of the next archive.
    fn number(&self) -> u32 {
        let pieces = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        self.state.parts.saturating_add(pieces).saturating_add(1)
    }

    async fn put_archive(&mut self) -> Result<ExportPart, SinkError> {
        let archive = std::mem::replace(&mut self.archive, Archive::new());
        let items = std::mem::take(&mut self.items);
        let file_name = format!("{}-part-{:04}.zip", self.order.id, self.number());
        let body = archive.finish();
        let body = body.map_err(|error| failed(&file_name, error))?;
        if let Some(file) = &mut self.file {
            file.is_continued = true;
        }
        self.put(body, "zip", file_name, items).await
    }

    async fn put(
        &mut self,
        body: Vec<u8>,
        ending: &str,
        file_name: String,
        items: u64,
    ) -> Result<ExportPart, SinkError> {
        self.objects += 1;
        let (attempt, object) = (self.order.attempt, self.objects);
        let folder = prefix(&self.order.id);
        // No two attempts write the same object, so that one which was given up cannot change
        // what another wrote.
        let name = format!("{folder}{attempt:08}-{object:06}.{ending}");
        let key = Key::new(name).map_err(|error| failed(&file_name, error))?;
        let digest = sha256(&body);
        let part = ExportPart {
            number: self.number(),
            key: key.to_string(),
            file_name,
            size_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            sha256: digest.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
            items,
        };
        let options = PutOptions {
            sha256: Some(digest),
            ..PutOptions::if_absent()
        };
        let put = self.store.put(&key, Bytes::from(body), options).await;
        put.map_err(|error| failed(&part.file_name, error))?;
        Ok(part)
    }

    /// The entry that the open file is in this archive.
    fn entry(&self) -> Result<String, SinkError> {
        let file = self.file.as_ref();
        let file = file.ok_or_else(|| failed("", "no file is open; please report this"))?;
        if !file.is_continued {
            return Ok(file.path.clone());
        }
        // No other archive has this name, so that all can be unpacked into one folder.
        let number = self.number();
        Ok(match file.path.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem} (part {number}).{ending}"),
            None => format!("{} (part {number})", file.path),
        })
    }

    /// A piece of an item that is larger than an archive.
    async fn piece(&mut self, name: &str) -> Result<(), SinkError> {
        let entry = format!("{name}.{:03}", self.pieces.len() + 1);
        let item = std::mem::take(&mut self.item);
        let written = self.archive.write(&entry, &item).await;
        written.map_err(|error| failed(&entry, error))
    }

    fn is_full(&self) -> bool {
        u64::try_from(self.item.len()).unwrap_or(u64::MAX) >= self.part_bytes
    }
}

fn manifest_part(part: &ExportPart) -> ManifestPart<'_> {
    ManifestPart {
        object: &part.key,
        file: &part.file_name,
        size_bytes: part.size_bytes,
        sha256: &part.sha256,
        items: part.items,
    }
}

fn failed(file: &str, cause: impl ToString) -> SinkError {
    SinkError {
        file: file.to_owned(),
        cause: cause.to_string(),
    }
}

#[async_trait]
impl ExportSink for PartSink<'_> {
    async fn before(
        &mut self,
        bytes: u64,
        summary: &ExportSummary,
        cursor: &Cursor,
    ) -> Result<bool, SinkError> {
        self.is_giant = bytes > self.part_bytes;
        let has_room = self.archive.size_bytes().saturating_add(bytes) <= self.part_bytes;
        if self.archive.is_empty() || (has_room && !self.is_giant) {
            return Ok(true);
        }
        self.settle(summary, cursor).await?;
        Ok(self.keeper.keep(&mut self.state).await)
    }

    async fn begin(&mut self, folder: &FolderPath, name: &str) -> Result<(), SinkError> {
        let parts = folder.0.iter().map(String::as_str).chain([name]);
        self.file = Some(File {
            path: parts.collect::<Vec<_>>().join("/"),
            is_continued: std::mem::take(&mut self.is_continued),
        });
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.item.extend_from_slice(bytes);
        if self.is_giant && self.is_full() {
            // The name stays that of the first piece.
            let name = self.giant_name()?;
            self.piece(&name).await?;
            let part = self.put_archive().await?;
            self.pieces.push(part);
        }
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        self.items += 1;
        if self.pieces.is_empty() {
            let entry = self.entry()?;
            let item = std::mem::take(&mut self.item);
            let written = self.archive.write(&entry, &item).await;
            return written.map_err(|error| failed(&entry, error));
        }
        let name = self.giant_name()?;
        self.piece(&name).await?;
        for part in std::mem::take(&mut self.pieces) {
            self.add(part);
        }
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), SinkError> {
        self.item.clear();
        // Objects of them stay until the export's time is over; nothing names them.
        self.pieces.clear();
        Ok(())
    }

    async fn end(&mut self) -> Result<(), SinkError> {
        self.file = None;
        Ok(())
    }
}

impl PartSink<'_> {
    /// What the pieces of the open item are called.
    fn giant_name(&self) -> Result<String, SinkError> {
        let file = self.file.as_ref();
        let file = file.ok_or_else(|| failed("", "no file is open; please report this"))?;
        let first = self.state.parts.saturating_add(1);
        // A mailbox file goes on in each archive; a file of one item is begun by its first piece.
        Ok(match file.path.rsplit_once('.') {
            Some((stem, "mbox")) => format!("{stem} (part {first}).mbox"),
            _ => file.path.clone(),
        })
    }
}
