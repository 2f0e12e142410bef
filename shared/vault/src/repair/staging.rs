//! From unreadable frames to the versions that suffer, and what a commit says about them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use mailkeep_model::{FailureClass, Gap, ItemFailure};

use super::packs::Health;
use super::report::LostItem;
use super::{Repair, RepairAction, refind};
use crate::body::{ItemBody, Segment};
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::ids::{ContentId, PackNumber};
use crate::index::commit_info::CommitInfo;
use crate::index::open::Opened;
use crate::index::rows::{Row, RowEntry};
use crate::index::scan::Scan;
use crate::index::tables::{Parts, Rows};
use crate::index::version::ItemVersion;
use crate::index::writer::MailboxWriter;
use crate::object::read_frame;
use crate::pack_table::{ContentRef, PartLocation};

/// The code of a gap that a repair records.
pub(crate) const CONTENT_LOST: &str = "content_lost";

/// Changes that one commit holds at most.
const CHANGES_PER_COMMIT: usize = 20_000;

pub(super) struct Staging<'a> {
    pub repair: &'a mut Repair,
    pub writer: &'a MailboxWriter,
    pub health: &'a Health,
    /// The index before the repair: the writer's changes with each commit.
    pub opened: &'a Opened,
    /// Changes that no commit holds yet.
    pub waiting: usize,
}

impl Staging<'_> {
    pub(super) async fn run(mut self) -> Result<(), VaultError> {
        let opened = self.opened;
        let lost = self.lost_parts(opened).await?;
        let lost = self.find_again(lost).await?;
        for (id, pack) in &lost {
            self.writer.set_part(*id, *pack, PartLocation::LOST);
            self.staged().await?;
        }
        self.rows(opened, &lost).await?;
        self.commit().await
    }

    async fn staged(&mut self) -> Result<(), VaultError> {
        self.waiting += 1;
        if self.waiting >= CHANGES_PER_COMMIT {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), VaultError> {
        self.waiting = 0;
        let run = self.repair.run.clone();
        self.writer.commit(CommitInfo { run, end: None }).await?;
        Ok(())
    }

    /// Parts that cannot be read where the index says, with the pack that it says.
    async fn lost_parts(
        &self,
        opened: &Opened,
    ) -> Result<BTreeMap<ContentId, PackNumber>, VaultError> {
        let Opened { index, blocks, .. } = opened;
        let folders = &index.state.folder_names;
        let mut parts: Scan<'_, Parts> =
            Scan::new(blocks, folders, &index.parts, Bound::Unbounded, None).await?;
        let mut lost = BTreeMap::new();
        while let Some(part) = parts.next().await? {
            let Some(place) = part.place.filter(|place| !place.is_lost()) else {
                continue;
            };
            let PartLocation { pack, frame } = place;
            if self.health.is_bad(pack, frame.number) {
                lost.insert(part.id, pack);
            }
        }
        Ok(lost)
    }

    /// Says where lost parts have a duplicate; returns the others.
    async fn find_again(
        &mut self,
        mut lost: BTreeMap<ContentId, PackNumber>,
    ) -> Result<BTreeMap<ContentId, PackNumber>, VaultError> {
        if lost.is_empty() {
            return Ok(lost);
        }
        let found = refind::duplicates(&self.repair.core, self.health, &lost).await?;
        let parts = u64::try_from(found.len()).unwrap_or(u64::MAX);
        for (id, place) in found {
            if let Some(pack) = lost.remove(&id) {
                self.writer.set_part(id, pack, place);
                self.staged().await?;
            }
        }
        if parts > 0 {
            let action = RepairAction::FoundParts { parts };
            self.repair.report.actions.push(action);
        }
        Ok(lost)
    }

    async fn rows(
        &mut self,
        opened: &Opened,
        lost: &BTreeMap<ContentId, PackNumber>,
    ) -> Result<(), VaultError> {
        let Opened { index, blocks, .. } = opened;
        let at = index.state.sequence;
        let folders = &index.state.folder_names;
        let mut rows: Scan<'_, Rows> =
            Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
        // Versions of an item share a content and lie near each other only by chance.
        let mut sound: BTreeSet<(PackNumber, u32)> = BTreeSet::new();
        while let Some(entry) = rows.next().await? {
            let RowEntry::Full(row) = entry else { continue };
            let Some(content) = row.content.filter(|content| !content.is_lost()) else {
                continue;
            };
            let frame = (content.place.pack, content.place.frame.number);
            let is_bad = self.health.is_bad(frame.0, frame.1);
            if !is_bad && (lost.is_empty() || sound.contains(&frame)) {
                continue;
            }
            let is_partial = !is_bad && self.lacks_parts(&content, lost).await?;
            if !is_bad && !is_partial {
                sound.insert(frame);
                continue;
            }
            self.lose(opened, *row, content, is_partial, at).await?;
        }
        Ok(())
    }

    /// True when the content refers to a lost part.
    async fn lacks_parts(
        &self,
        content: &ContentRef,
        lost: &BTreeMap<ContentId, PackNumber>,
    ) -> Result<bool, VaultError> {
        let core = &self.repair.core;
        let Some(pack) = self.health.packs.get(&content.place.pack) else {
            return Ok(true);
        };
        let key = pack.id.key(&core.id)?;
        let (store, keys) = (&*core.ctx.store, core.keys.objects());
        let place = &content.place.frame;
        let kind = FrameKind::Item;
        let bytes = read_frame(store, keys, &pack.header, &key, kind, place).await?;
        let body = ItemBody::decode(key.as_str(), bytes)?;
        let mut ids = body.segments.iter().flat_map(|segment| match segment {
            Segment::Text(_) => &[][..],
            Segment::Chunks { ids, .. } | Segment::Part { ids, .. } => ids,
        });
        Ok(ids.any(|id| lost.contains_key(id)))
    }

    async fn lose(
        &mut self,
        opened: &Opened,
        row: Row,
        content: ContentRef,
        is_partial: bool,
        at: u64,
    ) -> Result<(), VaultError> {
        let place = row.sort_key();
        let is_current = row.life.is_current(row.from, at);
        if !is_partial {
            self.writer.lose_content(place, content);
            self.staged().await?;
        }
        let version = ItemVersion::at(row, at);
        if is_current {
            let earlier = opened.index.state.gaps.get(&version.item.id);
            let earlier = earlier.map(|version| &version.gap);
            let now = self.repair.core.ctx.clock.now();
            self.writer.record_gap(Gap {
                item: version.item.id.clone(),
                folder: version.item.folder.clone(),
                failure: ItemFailure {
                    class: FailureClass::Vault,
                    code: CONTENT_LOST.into(),
                    request_id: None,
                },
                attempts: earlier.map_or(0, |gap| gap.attempts),
                first_failed_at: earlier.map_or(now, |gap| gap.first_failed_at),
                last_failed_at: now,
            });
            self.staged().await?;
        }
        self.repair.report.lose(LostItem {
            version,
            is_partial,
            is_current,
        });
        Ok(())
    }
}
