//! Log segments: written by a commit, read by the fold.

use bytes::Bytes;
use mailkeep_model::FolderId;
use mailkeep_ports::Key;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::frame::{FrameInfo, FrameKind};
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::index::fold::{Commit, Index, names_after};
use crate::index::record::CommitRecord;
use crate::index::rows::{RowEntry, batch};
use crate::index::state::State;
use crate::index::tail;
use crate::index::wire::check_reader;
use crate::names;
use crate::object::ObjectReader;

/// What one request from the end of a segment asks for: all rows of most commits.
const SUFFIX_BYTES: u64 = 512 << 10;

/// A segment that was read but not applied.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The object's name.
    pub object: String,
    /// What it says.
    pub record: CommitRecord,
    /// Its row frames, decrypted.
    row_frames: Vec<Bytes>,
    header: ObjectHeader,
    size_bytes: u64,
    /// Commits before it that it carries copies of, oldest first; the last is the one right before.
    pub earlier: Vec<Segment>,
}

impl Segment {
    /// Reads a segment: one request, two when it has very many rows.
    pub(crate) async fn read(core: &MailboxCore, sequence: u64) -> Result<Self, VaultError> {
        let key = names::log(&core.id, sequence)?;
        let store = &*core.ctx.store;
        let keys = core.keys.objects();
        let kind = ObjectKind::Segment;
        let mut reader = ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES).await?;
        let start = index_frames(&reader)
            .map(|frame| u64::from(frame.place.offset))
            .min()
            .unwrap_or(0);
        let wanted = reader.size_bytes().saturating_sub(start);
        if wanted > SUFFIX_BYTES {
            reader = ObjectReader::open(store, keys, kind, &key, wanted).await?;
        }
        let record = reader
            .last(FrameKind::Record)
            .copied()
            .ok_or_else(|| VaultError::corrupt(key.as_str(), "it has no commit record"))?;
        let bytes = reader.frame(store, &record).await?;
        check_reader(key.as_str(), &bytes)?;
        let record = CommitRecord::decode(&bytes)
            .map_err(|error| VaultError::corrupt(key.as_str(), error.0))?;
        if record.sequence != sequence {
            return Err(VaultError::corrupt(
                key.as_str(),
                "its record has another sequence number",
            ));
        }
        let (mut row_frames, mut earlier) = (vec![], vec![]);
        for frame in reader.frames() {
            match frame.kind {
                FrameKind::RowBlock => row_frames.push(reader.frame(store, frame).await?),
                FrameKind::EarlierCommits if core.trusts_copies => {
                    // Copies of what can be read elsewhere: damage to them is no damage to the commit.
                    if let Ok(plain) = reader.frame(store, frame).await {
                        earlier = tail::decode(core, &plain, &record).unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            object: key.to_string(),
            record,
            row_frames,
            header: *reader.header(),
            size_bytes: reader.size_bytes(),
            earlier,
        })
    }

    /// A copy of a commit that a later one carries.
    pub(crate) fn carried(
        key: &Key,
        record: CommitRecord,
        row_frames: Vec<Bytes>,
        header: ObjectHeader,
        size_bytes: u64,
    ) -> Self {
        Self {
            object: key.to_string(),
            record,
            row_frames,
            header,
            size_bytes,
            earlier: vec![],
        }
    }

    /// Size of its object.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// True when the other commit names this one as the one before it.
    pub(crate) fn is_before(&self, other: &CommitRecord) -> bool {
        self.record.sequence.checked_add(1) == Some(other.sequence)
            && self.record.commit_id == other.parent
    }

    /// True when this is a true copy of the other one, which was read.
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        // Whoever seals a commit draws a new salt.
        self.header == other.header && self.size_bytes == other.size_bytes
    }

    /// Decodes the rows with these names of folders.
    pub(crate) fn rows(
        &self,
        names: &dyn Fn(u32) -> Option<FolderId>,
    ) -> Result<Vec<RowEntry>, VaultError> {
        let mut rows = vec![];
        for frame in &self.row_frames {
            let entries = batch::decode(frame, names)
                .map_err(|error| VaultError::corrupt(&self.object, error.0))?;
            rows.extend(entries);
        }
        Ok(rows)
    }

    /// Decodes the rows, as the commit that follows `state`.
    pub(crate) fn decode(self, state: &State) -> Result<Commit, VaultError> {
        let names = names_after(state, &self.object, &self.record)?;
        let rows = self.rows(&|number| names.get(&number).cloned())?;
        Ok(Commit {
            record: self.record,
            rows,
            header: self.header,
            size_bytes: self.size_bytes,
        })
    }

    /// Decodes the rows and applies the commit.
    pub(crate) fn apply_to(self, index: &mut Index) -> Result<(), VaultError> {
        index.check_follows(&self.object, &self.record)?;
        let object = self.object.clone();
        let commit = self.decode(&index.state)?;
        index.apply(&object, commit)
    }
}

fn index_frames(reader: &ObjectReader) -> impl Iterator<Item = &FrameInfo> {
    reader.frames().iter().filter(|frame| is_index(frame.kind))
}

fn is_index(kind: FrameKind) -> bool {
    matches!(
        kind,
        FrameKind::RowBlock | FrameKind::Record | FrameKind::EarlierCommits
    )
}
