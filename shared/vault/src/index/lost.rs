//! What retention took away while a writer was open, and how the writer gets on without it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mailkeep_ports::StorageClass;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind};
use crate::format::header::ObjectKind;
use crate::ids::{ContentId, ItemKey, PackNumber, Ulid};
use crate::index::known::KnownMaps;
use crate::index::record::CommitRecord;
use crate::index::rows::RowEntry;
use crate::names;
use crate::object::{ObjectReader, SUFFIX_BYTES, put_options};
use crate::pack::PartLookup;
use crate::pack_table::{ContentRef, PackId};

/// What commits of retention took away that this writer met.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Parts, and the condemned pack that still holds each until the grace period is over.
    parts: HashMap<ContentId, PackNumber>,
    /// Condemned packs.
    packs: BTreeMap<PackNumber, PackId>,
    /// Condemned packs of their own, those that no commit ever named included.
    ulids: HashSet<Ulid>,
    /// Contents that lie elsewhere now, by item and fingerprint.
    moved: HashMap<(ItemKey, u64), ContentRef>,
}

impl Lost {
    /// Takes note of a commit, before `known` forgets what it takes away.
    pub(crate) fn note(&mut self, record: &CommitRecord, rows: &[RowEntry], known: &KnownMaps) {
        let Some(release) = &record.release else {
            return;
        };
        for id in &release.parts {
            if let Some(place) = known.find(id) {
                self.parts.insert(*id, place.pack);
            }
        }
        for part in &record.parts {
            self.parts.remove(&part.id);
        }
        for pack in &release.condemned {
            if let Some(number) = pack.number {
                self.packs.insert(number, pack.id);
            }
            if let PackId::Pack(ulid) = pack.id {
                self.ulids.insert(ulid);
            }
        }
        for row in rows {
            if let RowEntry::Patch(place, patch) = row
                && let Some(content) = patch.content
            {
                self.moved.insert((place.key, content.fingerprint), content);
            }
        }
    }

    /// True for a pack that no commit may name.
    pub(crate) fn is_condemned(&self, ulid: Ulid) -> bool {
        self.ulids.contains(&ulid)
    }

    /// Where an item's content lies now; `None` when it is gone.
    pub(crate) fn follow(&self, key: ItemKey, content: ContentRef) -> Option<ContentRef> {
        if !self.packs.contains_key(&content.place.pack) {
            return Some(content);
        }
        let moved = self.moved.get(&(key, content.fingerprint)).copied()?;
        (!self.packs.contains_key(&moved.place.pack)).then_some(moved)
    }

    /// Copies parts out of condemned packs into a segment's or pack's builder. Their objects are there
    /// as long as the grace period lasts.
    ///
    /// # Errors
    /// `Stale` when a part is not to be had any more.
    pub(crate) async fn rescue(
        &self,
        core: &MailboxCore,
        ids: &BTreeSet<ContentId>,
    ) -> Result<Rescued, VaultError> {
        let mut by_pack: BTreeMap<PackNumber, BTreeSet<ContentId>> = BTreeMap::new();
        for id in ids {
            let number = self.parts.get(id).ok_or_else(|| {
                VaultError::bug(format!(
                    "a content refers to part {id:?}, which no pack holds"
                ))
            })?;
            by_pack.entry(*number).or_default().insert(*id);
        }
        let mut builder = ObjectBuilder::new(ObjectKind::Pack);
        for (number, ids) in by_pack {
            let id = self
                .packs
                .get(&number)
                .ok_or_else(|| VaultError::bug("a part in an unknown pack"))?;
            for frame in read_parts(core, *id, &ids).await? {
                builder.append(&frame)?;
            }
        }
        let ulid = Ulid::new(&*core.ctx.clock, &*core.ctx.rng);
        let key = names::pack(&core.id, ulid)?;
        let object = builder.finish(core.keys.objects(), &key, &*core.ctx.rng)?;
        let options = put_options(&object, StorageClass::Cold);
        core.ctx
            .store
            .put(&key, object.bytes.clone(), options)
            .await?;
        Ok(Rescued { ulid, object })
    }
}

/// A pack with copies of parts.
pub(crate) struct Rescued {
    /// Its name.
    pub ulid: Ulid,
    /// The object, which is in the store.
    pub object: crate::format::builder::SealedObject,
}

async fn read_parts(
    core: &MailboxCore,
    id: PackId,
    ids: &BTreeSet<ContentId>,
) -> Result<Vec<EncodedFrame>, VaultError> {
    let key = id.key(&core.id)?;
    let kind = match id {
        PackId::Pack(_) => ObjectKind::Pack,
        PackId::Segment(_) => ObjectKind::Segment,
    };
    let gone = |error: VaultError| match error {
        VaultError::Missing { .. } => VaultError::stale(
            &core.id,
            "attachments that it counted on were deleted after their grace period",
        ),
        other => other,
    };
    let (store, keys) = (&*core.ctx.store, core.keys.objects());
    let reader = ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES)
        .await
        .map_err(gone)?;
    let is_wanted = |frame: &&FrameInfo| {
        frame.kind == FrameKind::Part && frame.content_id.is_some_and(|id| ids.contains(&id))
    };
    let mut frames = vec![];
    for frame in reader.frames().iter().filter(is_wanted) {
        frames.push(reader.copy(store, frame).await.map_err(gone)?);
    }
    if frames.len() < ids.len() {
        return Err(VaultError::corrupt(
            key.as_str(),
            "it does not hold a part that the index says",
        ));
    }
    Ok(frames)
}
