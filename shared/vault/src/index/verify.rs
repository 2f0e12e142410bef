//! The checks that verification is made of. Each holds a few blocks and at most one pack in memory, and
//! says which object is wrong; the items that suffer are found by [`MailboxView::items_in_packs`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use futures::StreamExt;
use mailkeep_ports::{GetOptions, Key, ListOptions};

use crate::crypto::sha256;
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::ids::{ItemKey, PackNumber};
use crate::index::items::MAX_PAGE;
use crate::index::open::Opened;
use crate::index::record::CommitRecord;
use crate::index::rows::RowEntry;
use crate::index::scan::Scan;
use crate::index::segment::Segment;
use crate::index::tables::{Packs, Rows};
use crate::index::version::{ItemPage, ItemVersion, PageToken};
use crate::index::view::{MailboxView, with_index};
use crate::index::wire::check_reader;
use crate::names;
use crate::object::{ObjectReader, SUFFIX_BYTES};
use crate::pack_table::{PackEntry, PackId};

/// Packs that are read from the index at once.
const PACKS_AT_ONCE: usize = 512;

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// It is not there.
    Missing,
    /// It has another size than the index says.
    WrongSize {
        /// By the index.
        expected: u64,
        /// In the store.
        found: u64,
    },
    /// It cannot be opened, or differs from what was written.
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// Nothing refers to it: left behind by a backup that was interrupted, or by one that is running
    /// now. Costs room, harms nothing.
    Unreferenced {
        /// Its size.
        size_bytes: u64,
    },
}

/// Something that verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object's name.
    pub object: String,
    /// What is wrong.
    pub defect: Defect,
    /// The pack that the object is, if it holds contents.
    pub pack: Option<PackNumber>,
    /// The item that was checked, if one was.
    pub item: Option<ItemKey>,
}

impl Finding {
    pub(crate) fn new(object: &str, defect: Defect) -> Self {
        Self {
            object: object.into(),
            defect,
            pack: None,
            item: None,
        }
    }

    /// True when something cannot be restored because of it.
    #[must_use]
    pub fn is_harmful(&self) -> bool {
        !matches!(self.defect, Defect::Unreferenced { .. })
    }

    /// A finding of what says something about an object; any other error ends the verification.
    pub(crate) fn of(error: VaultError) -> Result<Self, VaultError> {
        match error {
            VaultError::Corrupt { object, what } => {
                Ok(Self::new(&object, Defect::Damaged { what }))
            }
            VaultError::Missing { object, .. } => Ok(Self::new(&object, Defect::Missing)),
            other => Err(other),
        }
    }
}

/// Which commit it was, of those that may have had its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId([u8; 16]);

/// What a comparison of store and index looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Commits.
    pub segments: u64,
    /// Packs.
    pub packs: u64,
    /// Objects of checkpoints.
    pub checkpoints: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl MailboxView {
    /// Compares what the store lists with what the index expects: missing objects, wrong sizes, objects
    /// that nothing refers to.
    ///
    /// # Errors
    /// When the store cannot be listed or the index cannot be read.
    pub async fn check_objects(
        &self,
        mut found: impl FnMut(Finding) + Send,
    ) -> Result<ObjectCounts, VaultError> {
        let mut expected = self.expected().await?;
        let mut counts = ObjectCounts::default();
        let core = &self.inner.core;
        let mut after = None;
        // What lies below the floor may be deleted; data that is still needed is expected all the same.
        let floor = self.inner.opened().floor.clone();
        let mut next_commit = floor.sequence.saturating_add(1);
        let mut carriers: BTreeSet<u64> = [floor.sequence, floor.next].into();
        carriers.remove(&0);
        loop {
            let options = ListOptions {
                prefix: names::mailbox_prefix(&core.id),
                start_after: after,
                ..ListOptions::default()
            };
            let page = core.ctx.store.list(options).await?;
            for object in &page.objects {
                let name = object.key.as_str();
                let size_bytes = object.size_bytes;
                counts.bytes = counts.bytes.saturating_add(size_bytes);
                if name.starts_with(&names::log_prefix(&core.id)) {
                    let sequence = names::sequence_of(name).unwrap_or(u64::MAX);
                    counts.segments += 1;
                    for missing in next_commit..sequence.min(self.sequence() + 1) {
                        let key = names::log(&core.id, missing)?;
                        let mut finding = Finding::new(key.as_str(), Defect::Missing);
                        finding.pack = expected.remove(key.as_str()).map(|it| it.number);
                        found(finding);
                    }
                    next_commit = next_commit.max(sequence.saturating_add(1));
                } else if name.starts_with(&names::checkpoint_prefix(&core.id)) {
                    counts.checkpoints += 1;
                    if let Some(sequence) = names::sequence_of(name) {
                        carriers.remove(&sequence);
                    }
                } else if name.starts_with(&names::pack_prefix(&core.id)) {
                    counts.packs += 1;
                    if !expected.contains_key(name) {
                        found(Finding::new(name, Defect::Unreferenced { size_bytes }));
                    }
                }
                if let Some(pack) = expected.remove(name)
                    && pack.size_bytes != size_bytes
                {
                    let defect = Defect::WrongSize {
                        expected: pack.size_bytes,
                        found: size_bytes,
                    };
                    found(Finding {
                        pack: Some(pack.number),
                        ..Finding::new(name, defect)
                    });
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        for carrier in carriers {
            let key = names::checkpoint(&core.id, carrier)?;
            found(Finding::new(key.as_str(), Defect::Missing));
        }
        for sequence in next_commit..=self.sequence() {
            let key = names::log(&core.id, sequence)?;
            if !expected.contains_key(key.as_str()) {
                found(Finding::new(key.as_str(), Defect::Missing));
            }
        }
        for (name, pack) in expected {
            found(Finding {
                pack: Some(pack.number),
                ..Finding::new(&name, Defect::Missing)
            });
        }
        Ok(counts)
    }

    /// Every pack by its object's name: about 200 bytes of memory for 16 MiB of storage.
    async fn expected(&self) -> Result<BTreeMap<String, PackEntry>, VaultError> {
        let mut expected = BTreeMap::new();
        let mut after = None;
        loop {
            let packs = self.packs(after, PACKS_AT_ONCE).await?;
            let Some(last) = packs.last() else {
                return Ok(expected);
            };
            after = Some(last.number);
            for pack in packs {
                let key = pack.id.key(&self.inner.core.id)?;
                expected.insert(key.as_str().to_owned(), pack);
            }
        }
    }

    /// Packs in the order of their numbers: at most `limit` behind `after`. Segments that hold contents are
    /// packs too.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn packs(
        &self,
        after: Option<PackNumber>,
        limit: usize,
    ) -> Result<Vec<PackEntry>, VaultError> {
        let start = after.map_or(Bound::Unbounded, |after| {
            Bound::Excluded(after.0.to_be_bytes())
        });
        with_index!(*self.inner, |opened| {
            async {
                let Opened { index, blocks, .. } = opened;
                let folders = &index.state.folder_names;
                let mut scan: Scan<'_, Packs> =
                    Scan::new(blocks, folders, &index.packs, start, None).await?;
                let mut packs = vec![];
                while packs.len() < limit
                    && let Some(line) = scan.next().await?
                {
                    packs.extend(line.entry());
                }
                Ok::<_, VaultError>(packs)
            }
            .await
        })
    }

    /// Reads the end of a pack: one request. Finds a pack that is cut off, swapped or sealed otherwise.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_footer(&self, pack: &PackEntry) -> Result<Option<Finding>, VaultError> {
        let core = &self.inner.core;
        let (key, kind) = self.object_of(pack)?;
        let (store, keys) = (&*core.ctx.store, core.keys.objects());
        let found = match ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES).await {
            Ok(reader) => differs(pack, &reader).map(|what| damaged(&key, what)),
            Err(error) => Some(Finding::of(error)?),
        };
        Ok(found.map(|finding| Finding {
            pack: Some(pack.number),
            ..finding
        }))
    }

    /// Reads a pack whole: its checksum, every frame, and that every part is what its id says.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_pack(&self, pack: &PackEntry) -> Result<Option<Finding>, VaultError> {
        let (key, kind) = self.object_of(pack)?;
        let found = match self.check_frames(&key, kind, Some(pack)).await {
            Ok(None) => None,
            Ok(Some(what)) => Some(damaged(&key, &what)),
            Err(error) => Some(Finding::of(error)?),
        };
        Ok(found.map(|finding| Finding {
            pack: Some(pack.number),
            ..finding
        }))
    }

    /// Reads a commit whole: every frame, and its record.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_commit(&self, sequence: u64) -> Result<Option<Finding>, VaultError> {
        let key = names::log(&self.inner.core.id, sequence)?;
        match self.check_frames(&key, ObjectKind::Segment, None).await {
            Ok(None) => Ok(None),
            Ok(Some(what)) => Ok(Some(damaged(&key, &what))),
            Err(error) => Finding::of(error).map(Some),
        }
    }

    /// Like [`check_commit`](Self::check_commit), and that it follows the commit that was checked before: later
    /// commits and checkpoints hold what it said, so that nobody else looks. `chain` starts as `None`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_next_commit(
        &self,
        sequence: u64,
        chain: &mut Option<CommitId>,
    ) -> Result<Option<Finding>, VaultError> {
        let before = chain.take();
        if let Some(finding) = self.check_commit(sequence).await? {
            return Ok(Some(finding));
        }
        let core = &self.inner.core;
        let segment = match Segment::read(core, sequence).await {
            Ok(segment) => segment,
            Err(error) => return Finding::of(error).map(Some),
        };
        let record = &segment.record;
        *chain = Some(CommitId(record.commit_id));
        let state = &self.inner.opened().index.state;
        let follows = before.is_none_or(|before| before.0 == record.parent);
        let is_newest = state.sequence == sequence;
        if follows && (!is_newest || state.commit_id == record.commit_id) {
            return Ok(None);
        }
        let key = names::log(&core.id, sequence)?;
        let what = "it is another commit than the one that the others know by this number";
        Ok(Some(damaged(&key, what)))
    }

    async fn check_frames(
        &self,
        key: &Key,
        kind: ObjectKind,
        pack: Option<&PackEntry>,
    ) -> Result<Option<String>, VaultError> {
        let core = &self.inner.core;
        let store = &*core.ctx.store;
        let object = store.get(key, GetOptions::default()).await?;
        // Before anything is called damaged.
        if let Err(error @ VaultError::NewerThanMe { .. }) =
            ObjectHeader::parse(key.as_str(), &object.body)
        {
            return Err(error);
        }
        if let Some(pack) = pack.filter(|pack| matches!(pack.id, PackId::Pack(_)))
            && sha256(&object.body) != pack.sha256
        {
            return Ok(Some(
                "its checksum differs from the one in the index".into(),
            ));
        }
        let reader = ObjectReader::from_bytes(core.keys.objects(), kind, key, object.body)?;
        if let Some(what) = pack.and_then(|pack| differs(pack, &reader)) {
            return Ok(Some(what.into()));
        }
        for frame in reader.frames() {
            let plain = reader.frame(store, frame).await?;
            if frame
                .content_id
                .is_some_and(|id| core.keys.content_id(&plain) != id)
            {
                return Ok(Some(format!(
                    "frame {} is another part",
                    frame.place.number
                )));
            }
            if frame.kind == FrameKind::Record {
                check_reader(key.as_str(), &plain)?;
                if let Err(error) = CommitRecord::decode(&plain) {
                    return Ok(Some(error.0.into()));
                }
            }
        }
        Ok(None)
    }

    /// Reads one version's message from end to end and compares it with what was stored. The message is
    /// streamed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_item(&self, version: &ItemVersion) -> Result<Option<Finding>, VaultError> {
        if version.content.is_none() {
            return Ok(None);
        }
        let checked = async {
            let mut mime = self.content(version).await?.mime();
            while let Some(bytes) = mime.next().await {
                bytes?;
            }
            Ok(())
        };
        match checked.await {
            Ok(()) => Ok(None),
            Err(error) => Ok(Some(Finding {
                item: Some(version.key),
                pack: version.content.map(|content| content.place.pack),
                ..Finding::of(error)?
            })),
        }
    }

    /// Versions, removed and superseded ones included, whose content lies in one of these packs. Parts that
    /// another item shares are found by [`check_item`](Self::check_item) only.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn items_in_packs(
        &self,
        packs: &BTreeSet<PackNumber>,
        after: Option<&PageToken>,
        limit: usize,
    ) -> Result<ItemPage, VaultError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let start = after.map_or(Bound::Unbounded, |PageToken(key)| Bound::Excluded(*key));
        let at = self.inner.at;
        with_index!(*self.inner, |opened| {
            async {
                let Opened { index, blocks, .. } = opened;
                let folders = &index.state.folder_names;
                let mut scan: Scan<'_, Rows> =
                    Scan::new(blocks, folders, &index.rows, start, None).await?;
                let mut page = ItemPage::default();
                while let Some(entry) = scan.next().await? {
                    let RowEntry::Full(row) = entry else { continue };
                    let is_in = |it: &crate::pack_table::ContentRef| packs.contains(&it.place.pack);
                    if row.from > at || !row.content.as_ref().is_some_and(is_in) {
                        continue;
                    }
                    if page.items.len() == limit {
                        page.next = page.items.last().map(ItemVersion::page_token);
                        break;
                    }
                    page.items.push(ItemVersion::at(*row, at));
                }
                Ok::<_, VaultError>(page)
            }
            .await
        })
    }

    /// What a pack of its own says about the items in it: what a mailbox is put together from when every
    /// commit is lost. Empty for the data of a commit, which is lost with it.
    ///
    /// # Errors
    /// `Corrupt`, `Missing`, or a store error.
    pub async fn items_told_by(
        &self,
        pack: &PackEntry,
    ) -> Result<Vec<(ItemKey, crate::pack_table::ContentRef)>, VaultError> {
        let (key, kind) = self.object_of(pack)?;
        if kind != ObjectKind::Pack {
            return Ok(vec![]);
        }
        let core = &self.inner.core;
        let (store, keys) = (&*core.ctx.store, core.keys.objects());
        let reader = ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES).await?;
        let mut told = vec![];
        for frame in reader
            .frames()
            .iter()
            .filter(|it| it.kind == FrameKind::PackRows)
        {
            let plain = reader.frame(store, frame).await?;
            let rows = crate::pack_rows::decode(&plain)
                .map_err(|error| VaultError::corrupt(key.as_str(), error.0))?;
            told.extend(rows.iter().map(|row| (row.key, row.content(pack.number))));
        }
        Ok(told)
    }

    fn object_of(&self, pack: &PackEntry) -> Result<(Key, ObjectKind), VaultError> {
        let kind = match pack.id {
            PackId::Pack(_) => ObjectKind::Pack,
            PackId::Segment(_) => ObjectKind::Segment,
        };
        Ok((pack.id.key(&self.inner.core.id)?, kind))
    }
}

fn damaged(key: &Key, what: &str) -> Finding {
    Finding::new(key.as_str(), Defect::Damaged { what: what.into() })
}

/// What differs between an object and the pack table.
fn differs(pack: &PackEntry, reader: &ObjectReader) -> Option<&'static str> {
    // A segment also has frames of rows, a pack one of the dictionary.
    let data = reader
        .frames()
        .iter()
        .filter(|frame| matches!(frame.kind, FrameKind::Item | FrameKind::Part));
    let expected = usize::try_from(pack.frames).unwrap_or(usize::MAX);
    if *reader.header() != pack.header {
        Some("it is another object than the one that was written")
    } else if reader.size_bytes() != pack.size_bytes {
        Some("its size differs from the one in the index")
    } else if data.count() > expected || reader.frames().len() < expected {
        Some("it has other frames than the index says")
    } else {
        None
    }
}
