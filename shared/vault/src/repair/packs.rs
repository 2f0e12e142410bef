//! Packs, and the data in commits: what can be read is copied, what cannot is noted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mailkeep_ports::{Condition, GetOptions, StorageClass, StoreErrorKind};

use super::salvage::{Salvage, frame_table};
use super::staging::Staging;
use super::{Repair, RepairAction, index_refs};
use crate::compress::Compression;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameInfo, FrameKind, FrameSpec};
use crate::format::header::ObjectKind;
use crate::ids::{PackNumber, Ulid};
use crate::index::MailboxView;
use crate::index::open::{self, Opened, Purpose};
use crate::index::record::{CommitRecord, DroppedPack};
use crate::index::wire::check_reader;
use crate::index::writer::MailboxWriter;
use crate::names;
use crate::object::put_options;
use crate::pack_rows::PackRows;
use crate::pack_table::{PackEntry, PackId};

/// Packs read from the index at once.
const PAGE: usize = 500;

/// Which frames of the mailbox's packs can be read.
#[derive(Default)]
pub(super) struct Health {
    /// Every pack of the index.
    pub packs: BTreeMap<PackNumber, PackEntry>,
    /// The readable frames of damaged ones.
    pub damaged: BTreeMap<PackNumber, BTreeSet<u32>>,
}

impl Health {
    /// True for a frame that nobody can read.
    pub(super) fn is_bad(&self, pack: PackNumber, frame: u32) -> bool {
        match self.damaged.get(&pack) {
            Some(good) => !good.contains(&frame),
            None => !self.packs.contains_key(&pack),
        }
    }
}

impl Repair {
    /// Looks at every pack and every commit, copies what can be copied, and commits what moved and what is
    /// lost.
    pub(super) async fn packs(&mut self) -> Result<(), VaultError> {
        let writer = MailboxWriter::open(self.core.clone(), self.limits).await?;
        let view = MailboxView::open(self.core.clone(), None).await?;
        let opened = open::open(&self.core, Purpose::Read, &self.skip, u64::MAX).await?;
        let mut health = Health::default();
        loop {
            let after = health.packs.last_key_value().map(|(number, _)| *number);
            let page = view.packs(after, PAGE).await?;
            if page.is_empty() {
                break;
            }
            health
                .packs
                .extend(page.into_iter().map(|pack| (pack.number, pack)));
        }
        for pack in health.packs.clone().into_values() {
            match view.check_pack(&pack).await {
                Ok(None) if pack.frames == 0 => {
                    self.copy_pack(&writer, &opened, &pack, &mut health).await?
                }
                Ok(None) => {}
                Ok(Some(_)) => self.copy_pack(&writer, &opened, &pack, &mut health).await?,
                Err(error) => self.leave(error)?,
            }
        }
        if writer.state().is_unlisted {
            writer.drop_cursors();
            self.report.lists_anew = true;
        }
        let staging = Staging {
            repair: self,
            writer: &writer,
            health: &health,
            opened: &opened,
            waiting: 0,
        };
        staging.run().await?;
        self.rewrite_commits(&view).await?;
        self.report.sequence = writer.base_sequence();
        Ok(())
    }

    /// Copies the readable frames of a pack into a new one with its number.
    async fn copy_pack(
        &mut self,
        writer: &MailboxWriter,
        opened: &Opened,
        pack: &PackEntry,
        health: &mut Health,
    ) -> Result<(), VaultError> {
        let core = &self.core;
        let (kind, key) = (kind_of(pack), pack.id.key(&core.id)?);
        let bytes = match core.ctx.store.get(&key, GetOptions::default()).await {
            Ok(object) => object.body,
            Err(error) if error.kind == StoreErrorKind::Missing => Bytes::new(),
            Err(error) => return Err(error.into()),
        };
        let table = frame_table(core, kind, &key, &bytes);
        let has_rows = |(_, frames): &(_, Vec<FrameInfo>)| {
            frames.iter().any(|it| it.kind == FrameKind::PackRows)
        };
        let had_rows = table.as_ref().is_some_and(has_rows);
        let (header, frames) = match table {
            Some(table) => table,
            None => {
                let frames =
                    index_refs::frames_of(&opened.index, &opened.blocks, pack.number).await?;
                (pack.header, frames)
            }
        };
        let mut salvage = Salvage::read(core, &key, &header, &frames, &bytes)?;
        if kind == ObjectKind::Segment {
            salvage.truncate(pack.frames);
        }
        health.damaged.insert(pack.number, salvage.numbers());
        let object = key.to_string();
        if salvage.is_empty() {
            self.report.actions.push(RepairAction::LostPack { object });
            let is_object = kind == ObjectKind::Pack;
            writer.drop_pack(DroppedPack {
                number: pack.number,
                size_bytes: if is_object { pack.size_bytes } else { 0 },
            });
            return Ok(());
        }
        let ulid = Ulid::new(&*core.ctx.clock, &*core.ctx.rng);
        let new = names::pack(&core.id, ulid)?;
        let mut builder = salvage.builder(ObjectKind::Pack)?;
        let lost_rows = frames
            .iter()
            .any(|it| it.kind == FrameKind::PackRows && !salvage.has(it.place.number));
        if !had_rows || lost_rows {
            // Every pack says whose its items are; this one did not, or cannot any more.
            let mut told = PackRows::default();
            for row in index_refs::rows_of(&opened.index, &opened.blocks, pack.number).await? {
                if salvage.has(row.frame.number) {
                    told.push(row)?;
                }
            }
            for frame in told.finish()? {
                builder.append(&frame)?;
            }
        }
        let sealed = builder.finish(core.keys.objects(), &new, &*core.ctx.rng)?;
        let options = put_options(&sealed, StorageClass::Cold);
        core.ctx
            .store
            .put(&new, sealed.bytes.clone(), options)
            .await?;
        let is_content =
            |frame: &&FrameInfo| matches!(frame.kind, FrameKind::Item | FrameKind::Part);
        let lost = frames
            .iter()
            .filter(is_content)
            .filter(|frame| !salvage.has(frame.place.number));
        self.report.actions.push(RepairAction::CopiedPack {
            object,
            to: new.to_string(),
            lost_frames: u64::try_from(lost.count()).unwrap_or(u64::MAX),
        });
        let copy = PackEntry {
            number: pack.number,
            id: PackId::Pack(ulid),
            size_bytes: u64::try_from(sealed.bytes.len()).unwrap_or(u64::MAX),
            sha256: sealed.sha256,
            header: sealed.header,
            frames: u32::try_from(sealed.frames.len()).unwrap_or(u32::MAX),
        };
        writer.replace_pack(copy);
        health.packs.insert(pack.number, copy);
        Ok(())
    }

    /// Commits whose data is damaged are written anew without it: by now it is elsewhere, or known to be
    /// lost.
    async fn rewrite_commits(&mut self, view: &MailboxView) -> Result<(), VaultError> {
        for sequence in self.first_commit..=view.sequence() {
            match view.check_commit(sequence).await {
                Ok(None) => {}
                Ok(Some(_)) => self.rewrite_commit(sequence).await?,
                Err(error) => self.leave(error)?,
            }
        }
        Ok(())
    }

    async fn rewrite_commit(&mut self, sequence: u64) -> Result<(), VaultError> {
        let core = &self.core;
        let key = names::log(&core.id, sequence)?;
        let object = core.ctx.store.get(&key, GetOptions::default()).await?;
        let etag = object.info.etag.clone();
        let table = frame_table(core, ObjectKind::Segment, &key, &object.body);
        let (header, frames) =
            table.ok_or_else(|| VaultError::corrupt(key.as_str(), "its end is unreadable"))?;
        let opener = crate::format::parser::FrameOpener::new(core.keys.objects(), &header, &key)?;
        let mut builder = ObjectBuilder::new(ObjectKind::Segment);
        let bytes_of = |place| {
            let stored = object.body.get(crate::format::builder::range(place));
            stored.ok_or_else(|| VaultError::corrupt(key.as_str(), "it is cut off"))
        };
        for frame in frames.iter().filter(|it| it.kind == FrameKind::RowBlock) {
            builder.append(&opener.copy(frame, bytes_of(&frame.place)?)?)?;
        }
        let record = frames.iter().rev().find(|it| it.kind == FrameKind::Record);
        let record =
            record.ok_or_else(|| VaultError::corrupt(key.as_str(), "it has no commit record"))?;
        let plain = opener.open(record.kind, &record.place, bytes_of(&record.place)?)?;
        check_reader(key.as_str(), &plain)?;
        let mut record = CommitRecord::decode(&plain)
            .map_err(|error| VaultError::corrupt(key.as_str(), error.0))?;
        if let Some(inline) = &mut record.inline {
            inline.frames = 0;
        }
        let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
        builder.push(&spec, &record.encode())?;
        let condition = Condition::IfMatch(etag);
        self.put_commit(sequence, builder, condition).await?;
        let object = key.to_string();
        self.report
            .actions
            .push(RepairAction::RewrittenCommit { object });
        Ok(())
    }

    /// Writes a commit under its old name.
    pub(super) async fn put_commit(
        &self,
        sequence: u64,
        builder: ObjectBuilder,
        condition: Condition,
    ) -> Result<crate::format::builder::SealedObject, VaultError> {
        let core = &self.core;
        let key = names::log(&core.id, sequence)?;
        let sealed = builder.finish(core.keys.objects(), &key, &*core.ctx.rng)?;
        let mut options = put_options(&sealed, StorageClass::Hot);
        options.condition = condition;
        let body = sealed.bytes.clone();
        match core
            .ctx
            .store
            .put(&key, body.clone(), options.clone())
            .await
        {
            // A store without conditions: repairs of one mailbox must not run at the same time there.
            Err(error) if error.kind == StoreErrorKind::Invalid => {
                options.condition = Condition::None;
                core.ctx.store.put(&key, body, options).await?;
            }
            result => {
                result?;
            }
        }
        Ok(sealed)
    }
}

fn kind_of(pack: &PackEntry) -> ObjectKind {
    match pack.id {
        PackId::Pack(_) => ObjectKind::Pack,
        PackId::Segment(_) => ObjectKind::Segment,
    }
}
