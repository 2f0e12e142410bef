//! Packs under construction, shared by the tasks that store one mailbox's items.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::Item;
use mailkeep_ports::{Key, StorageClass};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::{ObjectBuilder, SealedObject};
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind, FrameRef};
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::ids::{ContentId, ItemKey, Ulid};
use crate::names;
use crate::object::put_options;
use crate::pack_rows::{PackRow, PackRows};
use crate::pack_table::PartLocation;

/// A pack is uploaded when it has this size.
pub(crate) const PACK_BYTES: usize = 16 << 20;
/// Less than this goes inside the log segment.
pub(crate) const INLINE_BYTES: usize = 8 << 20;

/// How big packs are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackLimits {
    /// A pack is uploaded when it has this size.
    pub pack_bytes: usize,
    /// Less than this goes inside the log segment.
    pub inline_bytes: usize,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            pack_bytes: PACK_BYTES,
            inline_bytes: INLINE_BYTES,
        }
    }
}

/// The parts that the mailbox's index knows already.
pub(crate) trait PartLookup: Send + Sync {
    /// Where a part is stored.
    fn find(&self, id: &ContentId) -> Option<PartLocation>;
}

/// A pack that has no number in the index yet: counted from 0 by its [`PackWriter`], never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StagedPack(pub u32);

/// The parts that an item frame of a staged pack refers to.
#[derive(Clone, Debug)]
pub(crate) struct StagedRefs {
    /// Number of the item frame.
    pub frame: u32,
    /// The parts, each once.
    pub parts: Vec<ContentId>,
}

/// A pack in the store that no commit names yet.
#[derive(Clone, Debug)]
pub(crate) struct FlushedPack {
    /// The writer's number for it.
    pub staged: StagedPack,
    /// Its name.
    pub ulid: Ulid,
    /// Size of the object.
    pub size_bytes: u64,
    /// SHA-256 of the object.
    pub sha256: [u8; 32],
    /// Header of the object.
    pub header: ObjectHeader,
    /// Its frame table.
    pub frames: Vec<FrameInfo>,
    /// The parts of the items in it.
    pub refs: Vec<StagedRefs>,
    /// When it was uploaded: retention takes a pack that no commit names for an orphan one day.
    pub uploaded_at: DateTime<Utc>,
}

/// A pack that is not in the store yet.
pub(crate) struct OpenPack {
    /// The writer's number for it.
    pub staged: StagedPack,
    /// Its frames.
    pub builder: ObjectBuilder,
    /// The parts of the items in it.
    pub refs: Vec<StagedRefs>,
    /// What it will say about the items in it.
    pub rows: PackRows,
}

/// Everything stored since the last commit.
pub(crate) struct Taken {
    /// Frames for the log segment: a builder of kind [`ObjectKind::Segment`], to which the commit adds
    /// its record.
    pub inline: Option<OpenPack>,
    /// Packs in the store.
    pub packs: Vec<FlushedPack>,
}

/// Collects frames into packs and uploads them. At most two packs are in memory: one that fills and
/// one that is being uploaded.
pub(crate) struct PackWriter {
    core: MailboxCore,
    limits: PackLimits,
    known: Arc<dyn PartLookup>,
    state: Mutex<State>,
    /// Held while a pack is uploaded.
    upload: tokio::sync::Mutex<()>,
    /// Nanoseconds that tasks waited for uploads, added up.
    waited: AtomicU64,
}

/// What a pack keeps of the item whose content it gets.
pub(crate) struct About {
    /// The item.
    pub key: ItemKey,
    /// Its metadata.
    pub item: Item,
    /// Length of its message.
    pub size_bytes: u64,
    /// Fingerprint of its content.
    pub fingerprint: u64,
}

#[derive(Default)]
struct State {
    open: Option<OpenPack>,
    /// A full pack. Stays here until it is in the store: the task that uploads it may be cancelled.
    sealed: Option<Arc<SealedPack>>,
    flushed: Vec<FlushedPack>,
    next: u32,
    /// Parts that are stored here but not yet in the index.
    parts: HashSet<ContentId>,
    /// A pack could not be sealed: its frames are lost, and nothing that refers to them may be
    /// committed.
    is_broken: bool,
}

impl State {
    fn check(&self) -> Result<(), VaultError> {
        if self.is_broken {
            return Err(VaultError::bug(
                "a pack could not be sealed; open the mailbox again",
            ));
        }
        Ok(())
    }
}

struct SealedPack {
    staged: StagedPack,
    ulid: Ulid,
    key: Key,
    object: SealedObject,
    refs: Vec<StagedRefs>,
}

impl PackWriter {
    /// A writer without packs.
    #[cfg(test)]
    pub(crate) fn new(core: MailboxCore, known: Arc<dyn PartLookup>) -> Self {
        Self::with_limits(core, known, PackLimits::default())
    }

    /// A writer of packs of another size.
    pub(crate) fn with_limits(
        core: MailboxCore,
        known: Arc<dyn PartLookup>,
        limits: PackLimits,
    ) -> Self {
        Self {
            core,
            limits,
            known,
            state: Mutex::default(),
            upload: tokio::sync::Mutex::default(),
            waited: AtomicU64::default(),
        }
    }

    /// True when a part need not be stored.
    pub(crate) fn contains(&self, id: &ContentId) -> bool {
        // The writer's own set first: `settle` removes from it only what the index already knows.
        self.state().parts.contains(id) || self.known.find(id).is_some()
    }

    /// Bytes in frames since the last [`take`](Self::take).
    pub(crate) fn staged_bytes(&self) -> u64 {
        let state = self.state();
        let flushed: u64 = state.flushed.iter().map(|pack| pack.size_bytes).sum();
        let sealed = state
            .sealed
            .as_ref()
            .map_or(0, |pack| pack.object.bytes.len());
        let open = state.open.as_ref().map_or(0, |open| open.builder.len());
        flushed + u64::try_from(sealed + open).unwrap_or(u64::MAX)
    }

    /// How long tasks waited for uploads, added up over all of them.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    /// Adds frames that shall lie together, and returns where the last one lies. Parts that another
    /// task stored meanwhile are left out. Waits while two packs are in memory.
    pub(crate) async fn append(
        &self,
        frames: Vec<EncodedFrame>,
    ) -> Result<Option<(StagedPack, FrameRef)>, VaultError> {
        self.append_item(frames, None).await
    }

    /// Adds frames of which the last is the content of an item.
    pub(crate) async fn append_item(
        &self,
        frames: Vec<EncodedFrame>,
        about: Option<About>,
    ) -> Result<Option<(StagedPack, FrameRef)>, VaultError> {
        if self.is_full(self.limits.pack_bytes) {
            let clock = &self.core.ctx.clock;
            let start = clock.monotonic();
            self.make_room(self.limits.pack_bytes).await?;
            let waited = clock.monotonic().saturating_sub(start).as_nanos();
            let waited = u64::try_from(waited).unwrap_or(u64::MAX);
            self.waited.fetch_add(waited, Ordering::Relaxed);
        }
        let mut state = self.state();
        state.check()?;
        let mut last = None;
        for frame in frames {
            if let Some(id) = frame.content_id
                && (state.parts.contains(&id) || self.known.find(&id).is_some())
            {
                continue;
            }
            let State { open, next, .. } = &mut *state;
            let open = open.get_or_insert_with(|| {
                let staged = StagedPack(*next);
                *next += 1;
                OpenPack {
                    staged,
                    builder: ObjectBuilder::big(ObjectKind::Pack),
                    refs: vec![],
                    rows: PackRows::default(),
                }
            });
            let place = open.builder.append(&frame)?;
            if frame.kind == FrameKind::Item {
                open.refs.push(StagedRefs {
                    frame: place.number,
                    parts: frame.refs,
                });
            }
            last = Some((open.staged, place));
            state.parts.extend(frame.content_id);
        }
        if let (Some(about), Some((_, frame)), Some(open)) = (about, last, &mut state.open) {
            open.rows.push(PackRow {
                key: about.key,
                item: about.item,
                frame,
                size_bytes: about.size_bytes,
                fingerprint: about.fingerprint,
            })?;
        }
        Ok(last)
    }

    /// Uploads what cannot go inside a log segment, and hands out everything since the last call.
    /// Nothing is handed out when it fails; it can be called again.
    pub(crate) async fn take(&self) -> Result<Taken, VaultError> {
        loop {
            self.make_room(self.limits.inline_bytes).await?;
            let _gate = self.upload.lock().await;
            self.upload_sealed().await?;
            let mut state = self.state();
            state.check()?;
            let limit = self.limits.inline_bytes;
            let too_big = |open: &OpenPack| open.builder.len() >= limit;
            if state.open.as_ref().is_some_and(too_big) {
                continue;
            }
            return Ok(Taken {
                // A segment has rows of its own.
                inline: state.open.take().map(|mut open| {
                    open.builder.set_kind(ObjectKind::Segment);
                    open
                }),
                packs: std::mem::take(&mut state.flushed),
            });
        }
    }

    /// Forgets parts that the index knows by now.
    pub(crate) fn settle(&self, parts: impl IntoIterator<Item = ContentId>) {
        let mut state = self.state();
        for id in parts {
            state.parts.remove(&id);
        }
    }

    /// A number for a pack that is made elsewhere.
    pub(crate) fn reserve(&self) -> StagedPack {
        let mut state = self.state();
        let staged = StagedPack(state.next);
        state.next += 1;
        staged
    }

    /// Uploads the open pack if it has at least `limit` bytes.
    async fn make_room(&self, limit: usize) -> Result<(), VaultError> {
        if !self.is_full(limit) {
            return Ok(());
        }
        let _gate = self.upload.lock().await;
        self.upload_sealed().await?;
        if self.seal_open(limit)? {
            self.upload_sealed().await?;
        }
        Ok(())
    }

    fn is_full(&self, limit: usize) -> bool {
        let state = self.state();
        state
            .open
            .as_ref()
            .is_some_and(|open| open.builder.len() >= limit)
    }

    /// Seals the open pack if it is (still) full. Only while holding the upload gate.
    fn seal_open(&self, limit: usize) -> Result<bool, VaultError> {
        let open = {
            let mut state = self.state();
            state.check()?;
            match state.open.take() {
                Some(open) if open.builder.len() >= limit => {
                    state.is_broken = true;
                    open
                }
                other => {
                    state.open = other;
                    return Ok(false);
                }
            }
        };
        // Nothing is awaited before the pack is put back.
        let OpenPack {
            staged,
            mut builder,
            refs,
            rows,
        } = open;
        for frame in rows.finish()? {
            builder.append(&frame)?;
        }
        let ulid = Ulid::new(&*self.core.ctx.clock, &*self.core.ctx.rng);
        let key = names::pack(&self.core.id, ulid)?;
        let object = builder.finish(self.core.keys.objects(), &key, &*self.core.ctx.rng)?;
        let mut state = self.state();
        state.sealed = Some(Arc::new(SealedPack {
            staged,
            ulid,
            key,
            object,
            refs,
        }));
        state.is_broken = false;
        Ok(true)
    }

    /// Uploads the sealed pack, if there is one. Only while holding the upload gate. A repetition after
    /// a failure or a cancellation writes the same bytes under the same name.
    async fn upload_sealed(&self) -> Result<(), VaultError> {
        let Some(pack) = self.state().sealed.clone() else {
            return Ok(());
        };
        let options = put_options(&pack.object, StorageClass::Cold);
        let uploaded_at = self.core.ctx.clock.now();
        let body = pack.object.bytes.clone();
        self.core.ctx.store.put(&pack.key, body, options).await?;
        let mut state = self.state();
        state.sealed = None;
        state.flushed.push(FlushedPack {
            staged: pack.staged,
            ulid: pack.ulid,
            size_bytes: u64::try_from(pack.object.bytes.len()).unwrap_or(u64::MAX),
            sha256: pack.object.sha256,
            header: pack.object.header,
            frames: pack.object.frames.clone(),
            refs: pack.refs.clone(),
            uploaded_at,
        });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
