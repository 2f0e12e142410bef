//! Copies what is needed out of packs that are mostly dead.

use std::collections::HashMap;

use mailkeep_ports::{GetOptions, StorageClass};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameRef};
use crate::format::header::ObjectKind;
use crate::ids::Ulid;
use crate::index::rows::{RowEntry, batch};
use crate::index::table::FolderNames;
use crate::index::tables::refs::ContentPlace;
use crate::names;
use crate::object::{ObjectReader, put_options};
use crate::pack::{FlushedPack, StagedPack, StagedRefs};
use crate::pack_rows::{self, PackRow, PackRows};
use crate::pack_table::{PackEntry, PackId};
use crate::retain::account::{Account, Inventory};

/// New packs with frames of old ones, byte for byte the same inside.
pub(crate) struct Copier<'a> {
    core: &'a MailboxCore,
    folders: FolderNames,
    pack_bytes: usize,
    open: ObjectBuilder,
    open_refs: Vec<StagedRefs>,
    open_rows: PackRows,
    /// Packs that are in the store.
    pub packs: Vec<FlushedPack>,
    /// Where item frames lie now.
    pub moved: HashMap<ContentPlace, (StagedPack, FrameRef)>,
    /// Bytes that were copied.
    pub bytes: u64,
}

impl<'a> Copier<'a> {
    /// A copier that closes a pack at this size. `folders` are the names of folders as of the newest commit.
    pub(crate) fn new(core: &'a MailboxCore, folders: FolderNames, pack_bytes: usize) -> Self {
        Self {
            core,
            folders,
            pack_bytes,
            open: ObjectBuilder::new(ObjectKind::Pack),
            open_refs: vec![],
            open_rows: PackRows::default(),
            packs: vec![],
            moved: HashMap::new(),
            bytes: 0,
        }
    }

    /// Copies what is needed of one pack: one request to read it.
    ///
    /// # Errors
    /// `Corrupt` or `Missing` when it cannot be read; nothing of it was copied then.
    pub(crate) async fn copy(
        &mut self,
        pack: &PackEntry,
        account: &Account,
        inventory: &Inventory,
    ) -> Result<(), VaultError> {
        let store = &*self.core.ctx.store;
        let key = pack.id.key(&self.core.id)?;
        let kind = match pack.id {
            PackId::Pack(_) => ObjectKind::Pack,
            PackId::Segment(_) => ObjectKind::Segment,
        };
        let body = store.get(&key, GetOptions::default()).await?.body;
        let reader = ObjectReader::from_bytes(self.core.keys.objects(), kind, &key, body)?;
        let mut frames = vec![];
        let mut rows: HashMap<u32, PackRow> = HashMap::new();
        for frame in reader.frames() {
            let told = match frame.kind {
                FrameKind::PackRows => pack_rows::decode(&reader.frame(store, frame).await?),
                // A segment has the rows of its commit instead; the new pack must tell for itself.
                FrameKind::RowBlock => {
                    let names = |number: u32| self.folders.get(&number).cloned();
                    batch::decode(&reader.frame(store, frame).await?, &names)
                        .map(|entries| told_by(entries, pack))
                }
                _ => Ok(vec![]),
            };
            let told = told.map_err(|error| VaultError::corrupt(key.as_str(), error.0))?;
            rows.extend(told.into_iter().map(|row| (row.frame.number, row)));
            let place = ContentPlace {
                pack: pack.number,
                frame: frame.place.number,
            };
            let is_needed = match frame.kind {
                FrameKind::Item => account.contents.contains(&place),
                FrameKind::Part => inventory.frames.contains(&place),
                _ => false,
            };
            if is_needed {
                frames.push((place, reader.copy(store, frame).await?));
            }
        }
        for (place, frame) in frames {
            let stored = u64::try_from(frame.stored_bytes()).unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(stored);
            if self.open.len() >= self.pack_bytes {
                self.close().await?;
            }
            let new = self.open.append(&frame)?;
            if frame.kind == FrameKind::Item {
                self.moved.insert(place, (self.staged(), new));
                if let Some(row) = rows.remove(&place.frame) {
                    self.open_rows.push(PackRow { frame: new, ..row })?;
                }
                self.open_refs.push(StagedRefs {
                    frame: new.number,
                    parts: inventory.contents.get(&place).cloned().unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// The number of the pack that is open.
    fn staged(&self) -> StagedPack {
        StagedPack(u32::try_from(self.packs.len()).unwrap_or(u32::MAX))
    }

    /// Uploads the open pack, if there is anything in it.
    pub(crate) async fn close(&mut self) -> Result<(), VaultError> {
        if self.open.frames().is_empty() {
            return Ok(());
        }
        let ctx = &self.core.ctx;
        let staged = self.staged();
        let mut builder = std::mem::replace(&mut self.open, ObjectBuilder::new(ObjectKind::Pack));
        for frame in std::mem::take(&mut self.open_rows).finish()? {
            builder.append(&frame)?;
        }
        let ulid = Ulid::new(&*ctx.clock, &*ctx.rng);
        let key = names::pack(&self.core.id, ulid)?;
        let object = builder.finish(self.core.keys.objects(), &key, &*ctx.rng)?;
        let uploaded_at = ctx.clock.now();
        let options = put_options(&object, StorageClass::Cold);
        let size_bytes = u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
        ctx.store.put(&key, object.bytes.clone(), options).await?;
        self.packs.push(FlushedPack {
            staged,
            ulid,
            size_bytes,
            sha256: object.sha256,
            header: object.header,
            frames: object.frames.clone(),
            refs: std::mem::take(&mut self.open_refs),
            uploaded_at,
        });
        Ok(())
    }
}

/// What the rows of a commit say about the items in its own data.
fn told_by(entries: Vec<RowEntry>, pack: &PackEntry) -> Vec<PackRow> {
    let rows = entries.into_iter().filter_map(RowEntry::into_row);
    rows.filter_map(|row| PackRow::of(row, pack.number))
        .collect()
}
