//! A commit that is written anew.

use chrono::{DateTime, Utc};
use mailkeep_model::RunId;

use super::log::{KIND, Link};
use super::salvage::Salvage;
use crate::compress::Compression;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameSpec};
use crate::index::fold::BlockCutter;
use crate::index::record::CommitRecord;
use crate::index::rows::{RowEntry, batch};
use crate::index::table::Entry;

/// Commits in a row that are gone.
pub(super) struct Lost {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The sound one behind the last, if there is one.
    pub next: Option<Link>,
    /// When the sound one before the first was made.
    pub before: Option<DateTime<Utc>>,
}

impl Lost {
    /// Ids for the lost commits: the last one gets the id that the commit behind it expects, all others are
    /// known to nobody any more.
    pub(super) fn ids(&self, core: &MailboxCore) -> Vec<[u8; 16]> {
        (self.first..=self.last)
            .map(|sequence| match self.next {
                Some(next) if sequence == self.last => next.parent,
                _ => {
                    let mut id = [0; 16];
                    core.ctx.rng.fill(&mut id);
                    id
                }
            })
            .collect()
    }

    /// When they were made, as far as can be told.
    pub(super) fn time(&self, core: &MailboxCore) -> DateTime<Utc> {
        let next = self.next.map(|link| link.at);
        self.before.or(next).unwrap_or_else(|| core.ctx.clock.now())
    }
}

/// A commit to write, with the frames of its data that are left.
pub(super) struct Rebuilt {
    /// What it says.
    pub record: CommitRecord,
    /// Its rows.
    pub rows: Vec<RowEntry>,
    /// Its data.
    pub data: Option<Salvage>,
}

impl Rebuilt {
    /// A commit that says nothing yet.
    pub(super) fn new(
        sequence: u64,
        commit_id: [u8; 16],
        parent: [u8; 16],
        at: DateTime<Utc>,
        run: &RunId,
    ) -> Self {
        Self {
            record: CommitRecord {
                sequence,
                commit_id,
                parent,
                committed_at: at,
                run: run.clone(),
                end: None,
                folders: vec![],
                cursors: vec![],
                tree_cursor: None,
                gaps: vec![],
                resolved_gaps: vec![],
                pending_removals: vec![],
                resolved_removals: vec![],
                packs: vec![],
                inline: None,
                parts: vec![],
                content_bytes: 0,
                row_entries: 0,
                left_out: vec![],
                no_longer_left_out: vec![],
                filter_mark: None,
                refs: vec![],
                release: None,
                replaced_packs: vec![],
                dropped_packs: vec![],
                is_rebuilt: false,
                drops_cursors: false,
            },
            rows: vec![],
            data: None,
        }
    }

    /// Sorts the rows and counts them.
    pub(super) fn close(&mut self) {
        self.rows.sort_by_key(Entry::key);
        self.record.row_entries = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        self.record.packs.sort_by_key(|pack| pack.number);
    }

    /// The object, not sealed yet.
    pub(super) fn builder(self) -> Result<ObjectBuilder, VaultError> {
        let mut builder = match &self.data {
            Some(data) => data.builder(KIND)?,
            None => ObjectBuilder::new(KIND),
        };
        let spec = FrameSpec::new(FrameKind::RowBlock, Compression::Zstd);
        let mut cutter = BlockCutter::new();
        for entry in self.rows {
            if let Some(full) = cutter.push(entry) {
                builder.push(&spec, &batch::encode(&full))?;
            }
        }
        let rest = cutter.finish();
        if !rest.is_empty() {
            builder.push(&spec, &batch::encode(&rest))?;
        }
        let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
        builder.push(&spec, &self.record.encode())?;
        Ok(builder)
    }
}
