//! Commits of retention, on the same chain as those of backups.

use std::collections::{BTreeMap, BTreeSet};

use mailkeep_model::RunId;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::FrameRef;
use crate::format::header::ObjectKind;
use crate::ids::{ContentId, PackNumber, Ulid};
use crate::index::draft::MAX_PACK_AGE;
use crate::index::floor;
use crate::index::fold::Commit;
use crate::index::listing;
use crate::index::open::{self, Opened, Purpose};
use crate::index::publish::{self, Cost, RACES, Tried};
use crate::index::record::CommitRecord;
use crate::index::release::Release;
use crate::index::rows::{Patch, RowEntry, SortKey};
use crate::index::segment::Segment;
use crate::index::table::Entry;
use crate::index::tables::parts::PartEntry;
use crate::index::tables::refs::{ContentPlace, RefEntry};
use crate::names;
use crate::pack::{FlushedPack, StagedPack};
use crate::pack_table::{ContentRef, PackEntry, PackId, PartLocation};

/// What happens to a version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowChange {
    /// It goes.
    Drop,
    /// Its content lies in a new pack.
    Move {
        /// The pack.
        pack: StagedPack,
        /// The item frame in it.
        frame: FrameRef,
        /// Bytes of the message.
        size_bytes: u64,
        /// Its fingerprint.
        fingerprint: u64,
    },
}

/// What one commit of retention changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Versions.
    pub rows: Vec<(SortKey, RowChange)>,
    /// What goes besides.
    pub release: Release,
    /// New packs, which are in the store.
    pub packs: Vec<FlushedPack>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is durable.
    Done,
    /// Another commit came first that touches the same things: look at the index again.
    Conflict,
}

/// An index with the right to change it.
pub(crate) struct Committer {
    /// The mailbox.
    pub core: MailboxCore,
    /// Its index, as of the newest commit that is known.
    pub opened: Opened,
    run: RunId,
}

impl Committer {
    /// Opens the index without the checkpoints in `skip`.
    pub(crate) async fn open(core: &MailboxCore, skip: &[u64]) -> Result<Self, VaultError> {
        let opened = open::open(core, Purpose::Write, skip, u64::MAX).await?;
        let run = Ulid::new(&*core.ctx.clock, &*core.ctx.rng).to_string();
        Ok(Self {
            core: core.clone(),
            opened,
            run: RunId(run),
        })
    }

    /// The newest commit that is known.
    pub(crate) fn head(&self) -> u64 {
        self.opened.index.state.sequence
    }

    /// Makes a change durable, unless another commit came first that it does not fit.
    pub(crate) async fn commit(&mut self, change: &Change) -> Result<Outcome, VaultError> {
        let mut id = [0; 16];
        self.core.ctx.rng.fill(&mut id);
        let mut cost = Cost::default();
        for _ in 0..RACES {
            let now = self.core.ctx.clock.now();
            let is_old =
                |pack: &FlushedPack| now.signed_duration_since(pack.uploaded_at) > MAX_PACK_AGE;
            if change.packs.iter().any(is_old) {
                let what = "what it had uploaded may have been deleted meanwhile";
                return Err(VaultError::stale(&self.core.id, what));
            }
            let (record, rows) = self.draft(change, id);
            let sequence = record.sequence;
            let mut builder = ObjectBuilder::new(ObjectKind::Segment);
            let earlier = self.opened.index.tail.frame();
            publish::push(&mut builder, &record, &rows, earlier.as_deref())?;
            let key = names::log(&self.core.id, sequence)?;
            let object = builder.finish(self.core.keys.objects(), &key, &*self.core.ctx.rng)?;
            match publish::put(&self.core, &record, &object, &mut cost).await? {
                Tried::Done => {
                    floor::check_commit(&self.core, sequence).await?;
                    let commit = Commit {
                        record,
                        rows,
                        header: object.header,
                        size_bytes: u64::try_from(object.bytes.len()).unwrap_or(u64::MAX),
                    };
                    self.opened.index.apply(key.as_str(), commit)?;
                    self.opened.index.compact_memory()?;
                    return Ok(Outcome::Done);
                }
                Tried::Taken => match self.catch_up(change, id).await? {
                    Met::Own => return Ok(Outcome::Done),
                    Met::Conflict => return Ok(Outcome::Conflict),
                    Met::Harmless => {}
                },
            }
        }
        Err(VaultError::AlreadyExists {
            object: names::log_prefix(&self.core.id),
            what: "other writers were faster every time; try again when they are done".into(),
        })
    }

    /// Folds commits of others.
    async fn catch_up(&mut self, change: &Change, own: [u8; 16]) -> Result<Met, VaultError> {
        let from = self.head();
        floor::check_commit(&self.core, from.saturating_add(1)).await?;
        let mut met = Met::Harmless;
        for (expected, sequence) in
            (from.saturating_add(1)..).zip(listing::list_log(&self.core, from).await?)
        {
            if sequence != expected {
                return Err(open::hole(&self.core, expected)?);
            }
            let segment = Segment::read(&self.core, sequence).await?;
            let name = segment.object.clone();
            self.opened.index.check_follows(&name, &segment.record)?;
            let commit = segment.decode(&self.opened.index.state)?;
            met = match met {
                _ if commit.record.commit_id == own => Met::Own,
                Met::Harmless if change.conflicts(&commit) => Met::Conflict,
                met => met,
            };
            self.opened.index.apply(&name, commit)?;
            self.opened.index.compact_memory()?;
        }
        Ok(met)
    }

    fn draft(&self, change: &Change, commit_id: [u8; 16]) -> (CommitRecord, Vec<RowEntry>) {
        let state = &self.opened.index.state;
        let mut numbers = BTreeMap::new();
        let mut packs = vec![];
        let mut parts = BTreeMap::new();
        let mut refs = vec![];
        for (number, pack) in (state.next_pack..).map(PackNumber).zip(&change.packs) {
            numbers.insert(pack.staged, number);
            packs.push(PackEntry {
                number,
                id: PackId::Pack(pack.ulid),
                size_bytes: pack.size_bytes,
                sha256: pack.sha256,
                header: pack.header,
                frames: u32::try_from(pack.frames.len()).unwrap_or(u32::MAX),
            });
            for frame in &pack.frames {
                if let Some(id) = frame.content_id {
                    let place = PartLocation {
                        pack: number,
                        frame: frame.place,
                    };
                    let place = Some(place);
                    parts.insert(id, PartEntry { id, place });
                }
            }
            refs.extend(pack.refs.iter().map(|content| RefEntry {
                content: ContentPlace {
                    pack: number,
                    frame: content.frame,
                },
                parts: Some(content.parts.clone()),
            }));
        }
        let mut rows: Vec<RowEntry> = change
            .rows
            .iter()
            .filter_map(|(key, row)| Some(RowEntry::Patch(*key, patch(row, &numbers)?)))
            .collect();
        rows.sort_by_key(Entry::key);
        let record = CommitRecord {
            sequence: state.sequence.saturating_add(1),
            commit_id,
            parent: state.commit_id,
            committed_at: self.core.ctx.clock.now(),
            run: self.run.clone(),
            end: None,
            folders: vec![],
            cursors: vec![],
            tree_cursor: None,
            gaps: vec![],
            resolved_gaps: vec![],
            pending_removals: vec![],
            resolved_removals: vec![],
            left_out: vec![],
            no_longer_left_out: vec![],
            filter_mark: None,
            packs,
            inline: None,
            parts: parts.into_values().collect(),
            content_bytes: 0,
            row_entries: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            refs,
            release: Some(change.release.clone()),
            replaced_packs: vec![],
            dropped_packs: vec![],
            is_rebuilt: false,
            drops_cursors: false,
        };
        (record, rows)
    }
}

enum Met {
    Own,
    Harmless,
    Conflict,
}

fn patch(row: &RowChange, numbers: &BTreeMap<StagedPack, PackNumber>) -> Option<Patch> {
    match row {
        RowChange::Drop => Some(Patch::dropped()),
        RowChange::Move {
            pack,
            frame,
            size_bytes,
            fingerprint,
        } => Some(Patch {
            content: Some(ContentRef {
                place: PartLocation {
                    pack: *numbers.get(pack)?,
                    frame: *frame,
                },
                size_bytes: *size_bytes,
                fingerprint: *fingerprint,
            }),
            ..Patch::default()
        }),
    }
}

impl Change {
    /// True when another commit changes what this one was worked out from.
    fn conflicts(&self, other: &Commit) -> bool {
        let brings_content =
            |row: &RowEntry| matches!(row, RowEntry::Patch(_, patch) if patch.content.is_some());
        // Another retention, or a repair.
        if other.record.release.is_some()
            || !other.record.replaced_packs.is_empty()
            || !other.record.dropped_packs.is_empty()
            || other.rows.iter().any(brings_content)
        {
            return true;
        }
        let numbers: BTreeSet<PackNumber> = self
            .release
            .condemned
            .iter()
            .filter_map(|pack| pack.number)
            .collect();
        let ids: BTreeSet<PackId> = self.release.condemned.iter().map(|pack| pack.id).collect();
        let parts: BTreeSet<ContentId> = self.release.parts.iter().copied().collect();
        let uses_content = other.rows.iter().any(|row| match row {
            RowEntry::Full(row) => row
                .content
                .is_some_and(|content| numbers.contains(&content.place.pack)),
            RowEntry::Patch(..) => false,
        });
        let record = &other.record;
        let refs = record.refs.iter().flat_map(|content| &content.parts);
        uses_content
            || refs.flatten().any(|id| parts.contains(id))
            || record.parts.iter().any(|part| parts.contains(&part.id))
            || record.packs.iter().any(|pack| ids.contains(&pack.id))
    }
}
