//! Writing to a mailbox: changes are staged, a commit makes them durable all at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use mailkeep_model::{Folder, FolderId, Gap, Item, ItemId};
use tokio::sync::RwLock;

use crate::chunk::Chunker;
use crate::content_store::{
    ContentHead, ContentStore, ExportSource, StoredContent, without_export,
};
use crate::core::MailboxCore;
use crate::error::{StoreContentError, VaultError};
use crate::ids::{ItemKey, PackNumber};
use crate::index::checkpoint::CheckpointLimits;
use crate::index::commit::Attempt;
use crate::index::commit_info::Known;
use crate::index::known::KnownMaps;
use crate::index::left_out::LeftOut;
use crate::index::lost::Lost;
use crate::index::names::is_checkpoint_error;
use crate::index::open::{self, Opened, Purpose};
use crate::index::rows::hash::item_hash;
use crate::index::rows::{RowEntry, SortKey};
use crate::index::scan;
use crate::index::staged::{ItemChange, RowContent, Staged, StagedItem};
use crate::index::state::State;
use crate::index::table::KeyOf;
use crate::index::tables::Rows;
use crate::index::version::ItemVersion;
use crate::pack::{PackLimits, PackWriter, StagedPack};

/// Writes to one mailbox. Shared by tasks through an `Arc`; every method takes `&self`.
pub struct MailboxWriter {
    pub(crate) core: MailboxCore,
    pub(crate) limits: WriterLimits,
    pub(crate) packs: PackWriter,
    chunker: Chunker,
    pub(crate) known: Arc<KnownMaps>,
    /// The index as of the newest commit that this writer knows. Locked for writing only to apply a
    /// commit that is durable.
    pub(crate) opened: RwLock<Opened>,
    /// A copy of the small state, for answers without waiting. Held for a copy of the `Arc` only.
    state: Mutex<Arc<State>>,
    /// Changes since the last commit. Held for one change only, never while something is awaited.
    pub(crate) staged: Mutex<Staging>,
    /// One commit at a time. Holds what a failed commit left to be tried again.
    pub(crate) commits: tokio::sync::Mutex<Commits>,
}

/// Sizes and intervals; tests use small ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriterLimits {
    /// Of packs.
    pub packs: PackLimits,
    /// Of checkpoints.
    pub checkpoint: CheckpointLimits,
}

/// Changes that no commit holds yet.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    /// Since the last commit began.
    pub open: Staged,
    /// In the commit that is under way, or was tried and is not known to be durable.
    pub in_flight: Option<Arc<Staged>>,
}

/// What commits leave for later ones.
#[derive(Default)]
pub(crate) struct Commits {
    /// A commit that was begun and is not known to be durable.
    pub attempt: Option<Attempt>,
    /// Numbers of the packs that this writer made.
    pub numbers: BTreeMap<StagedPack, PackNumber>,
    /// Commits of other writers that this one met.
    pub foreign: BTreeSet<u64>,
    /// What retention took away meanwhile.
    pub lost: Lost,
}

impl std::fmt::Debug for MailboxWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailboxWriter")
            .field("mailbox", &self.core.id)
            .finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MailboxWriter {
    /// Opens a mailbox for writing.
    pub(crate) async fn open(core: MailboxCore, limits: WriterLimits) -> Result<Self, VaultError> {
        let mut skip = vec![];
        loop {
            let opened = open::open(&core, Purpose::Write, &skip, u64::MAX).await?;
            let checkpoint = opened.index.checkpoint;
            match KnownMaps::load(&opened.blocks, &opened.index).await {
                Ok(known) => {
                    let known = Arc::new(known);
                    return Ok(Self {
                        packs: PackWriter::with_limits(core.clone(), known.clone(), limits.packs),
                        limits,
                        chunker: Chunker::new(core.keys.gear()),
                        known,
                        state: Mutex::new(Arc::new(opened.index.state.clone())),
                        opened: RwLock::new(opened),
                        core,
                        staged: Mutex::default(),
                        commits: tokio::sync::Mutex::default(),
                    });
                }
                Err(error) if checkpoint > 0 && is_checkpoint_error(&core.id, &error) => {
                    skip.push(checkpoint);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Replaces an index whose checkpoint turned out to be damaged by the same index without it.
    pub(crate) async fn recover(&self) -> Result<(), VaultError> {
        let mut opened = self.opened.write().await;
        let at = opened.index.state.sequence;
        let mut skip = vec![opened.index.checkpoint];
        loop {
            let fresh = open::open(&self.core, Purpose::Write, &skip, at).await?;
            // A block of an older checkpoint may be the damaged one.
            match KnownMaps::load(&fresh.blocks, &fresh.index).await {
                Ok(_) => {
                    *opened = fresh;
                    return Ok(());
                }
                Err(error)
                    if fresh.index.checkpoint > 0 && is_checkpoint_error(&self.core.id, &error) =>
                {
                    skip.push(fresh.index.checkpoint);
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        lock(&self.state).clone()
    }

    pub(crate) fn set_state(&self, state: State) {
        *lock(&self.state) = Arc::new(state);
    }

    /// The newest commit that this writer knows; 0 in an empty mailbox.
    #[must_use]
    pub fn base_sequence(&self) -> u64 {
        self.state().sequence
    }

    /// The folders that are there as of that commit.
    #[must_use]
    pub fn folders(&self) -> Vec<Folder> {
        let state = self.state();
        state
            .folders
            .iter()
            .filter(|version| version.to.is_none())
            .map(|version| version.folder.clone())
            .collect()
    }

    /// The folders' cursors as of that commit.
    #[must_use]
    pub fn cursors(&self) -> HashMap<FolderId, String> {
        let state = self.state();
        state
            .cursors
            .iter()
            .filter_map(|(number, cursor)| {
                Some((state.folder_names.get(number)?.clone(), cursor.clone()))
            })
            .collect()
    }

    /// The cursor of the folder tree as of that commit.
    #[must_use]
    pub fn tree_cursor(&self) -> Option<String> {
        self.state().tree_cursor.clone()
    }

    /// The open gaps as of that commit.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.state().gaps_at(u64::MAX)
    }

    /// Removals that are not verified yet, as of that commit: the item and the folder that it left.
    #[must_use]
    pub fn pending_removals(&self) -> Vec<(ItemId, FolderId)> {
        let state = self.state();
        state
            .pending_removals
            .iter()
            .map(|(item, folder)| (item.clone(), folder.clone()))
            .collect()
    }

    /// Items that a filter left out and that may qualify later, as of that commit.
    #[must_use]
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.state().left_out.values().cloned().collect()
    }

    /// The mark of the filter that runs went by, as of that commit; `None` when they took everything.
    #[must_use]
    pub fn filter_mark(&self) -> Option<String> {
        self.state().filter_mark.clone()
    }

    /// The reference of an item.
    #[must_use]
    pub fn key(&self, item: &ItemId) -> ItemKey {
        self.core.keys.item_key(item)
    }

    /// What is known of an item, staged changes included; `None` for one that is not there.
    #[must_use]
    pub fn known(&self, item: &ItemId) -> Option<Known> {
        let key = self.key(item);
        let staging = lock(&self.staged);
        for staged in [Some(&staging.open), staging.in_flight.as_deref()]
            .into_iter()
            .flatten()
        {
            match staged.items.get(&key).map(|item| &item.change) {
                None => {}
                Some(ItemChange::Remove(_)) => return None,
                Some(ItemChange::Put(item, _)) => {
                    return Some(Known {
                        folder: item.folder.clone(),
                        hash: item_hash(item),
                    });
                }
            }
        }
        drop(staging);
        let latest = self.known.latest(key).filter(|it| !it.is_removed)?;
        Some(Known {
            folder: self.state().folder_names.get(&latest.folder)?.clone(),
            hash: latest.hash,
        })
    }

    /// How many items are in a folder, staged changes included.
    #[must_use]
    pub fn count_known_in(&self, folder: &FolderId) -> u64 {
        let number = self.state().folder_number(folder);
        let committed = number.map_or(0, |number| self.known.count_in(number));
        let mut count = committed;
        for (key, is_in) in self.staged_in(folder) {
            let latest = self.known.latest(key).filter(|it| !it.is_removed);
            let was_in = latest.is_some_and(|latest| Some(latest.folder) == number);
            match (was_in, is_in) {
                (false, true) => count += 1,
                (true, false) => count = count.saturating_sub(1),
                _ => {}
            }
        }
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// The items that are in a folder, staged changes included; sorted.
    #[must_use]
    pub fn known_keys_in(&self, folder: &FolderId) -> Vec<ItemKey> {
        let number = self.state().folder_number(folder);
        let mut keys = number.map_or(vec![], |number| self.known.keys_in(number));
        let staged = self.staged_in(folder);
        keys.retain(|key| !staged.contains_key(key));
        keys.extend(
            staged
                .iter()
                .filter(|(_, is_in)| **is_in)
                .map(|(key, _)| *key),
        );
        keys.sort_unstable();
        keys
    }

    /// Every item with a staged change, and whether that puts it into this folder.
    fn staged_in(&self, folder: &FolderId) -> BTreeMap<ItemKey, bool> {
        let staging = lock(&self.staged);
        let staged = [staging.in_flight.as_deref(), Some(&staging.open)];
        let items = staged.into_iter().flatten().flat_map(|it| &it.items);
        items
            .map(|(key, item)| {
                let is_in =
                    matches!(&item.change, ItemChange::Put(item, _) if item.folder == *folder);
                (*key, is_in)
            })
            .collect()
    }

    /// The current version of an item as of the newest commit; staged changes do not count, because
    /// their content has no place yet.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn current(&self, key: ItemKey) -> Result<Option<ItemVersion>, VaultError> {
        let Some(latest) = self.known.latest(key).filter(|it| !it.is_removed) else {
            return Ok(None);
        };
        self.version_at(&latest.place(key)).await
    }

    /// The version at a place.
    pub(crate) async fn version_at(
        &self,
        place: &SortKey,
    ) -> Result<Option<ItemVersion>, VaultError> {
        let place = place.to_bytes();
        match self.row(&place).await {
            Err(error) if is_checkpoint_error(&self.core.id, &error) => {
                self.recover().await?;
                self.row(&place).await
            }
            found => found,
        }
    }

    async fn row(&self, place: &KeyOf<Rows>) -> Result<Option<ItemVersion>, VaultError> {
        let (blocks, newest, runs, folders, at) = {
            let Opened { index, blocks, .. } = &*self.opened.read().await;
            (
                blocks.clone(),
                index.rows.memory.get(place).cloned(),
                index.rows.runs.clone(),
                index.state.folder_names.clone(),
                index.state.sequence,
            )
        };
        let found = scan::get::<Rows>(&blocks, &folders, newest, &runs, place).await?;
        Ok(found
            .and_then(RowEntry::into_row)
            .map(|row| ItemVersion::at(row, at)))
    }

    /// How long [`store_content`](Self::store_content) waited for the store, added up over all that go
    /// on side by side.
    #[must_use]
    pub fn time_uploading(&self) -> Duration {
        self.packs.waited()
    }

    /// Reads `mime` to its end and stores what is new of it. When it equals the content of `previous`,
    /// nothing is stored. Nothing refers to the content until [`put_item`](Self::put_item) and a
    /// commit do.
    ///
    /// # Errors
    /// When the stream or the vault fails.
    pub async fn store_content<E>(
        &self,
        head: ContentHead,
        mime: impl Stream<Item = Result<Bytes, E>>,
        previous: Option<&ItemVersion>,
    ) -> Result<StoredContent, StoreContentError<E>> {
        self.store_content_and_export(head, mime, without_export(), previous)
            .await
    }

    /// Like [`store_content`](Self::store_content), with the source's own lossless form of the item, if
    /// `export` gives one. It is asked for once `mime` has been read to its end.
    ///
    /// # Errors
    /// When a stream, `export` or the vault fails.
    pub async fn store_content_and_export<E, S: Stream<Item = Result<Bytes, E>>>(
        &self,
        head: ContentHead,
        mime: impl Stream<Item = Result<Bytes, E>>,
        export: impl Future<Output = Result<Option<ExportSource<S>>, E>>,
        previous: Option<&ItemVersion>,
    ) -> Result<StoredContent, StoreContentError<E>> {
        let store = ContentStore {
            keys: &self.core.keys,
            packs: &self.packs,
            chunker: &self.chunker,
        };
        let previous = previous.and_then(|version| version.content.as_ref());
        store.store(head, mime, export, previous).await
    }

    pub(crate) fn stage(&self, change: impl FnOnce(&mut Staged)) {
        change(&mut lock(&self.staged).open);
    }

    fn stage_item(&self, id: &ItemId, change: ItemChange) {
        let key = self.key(id);
        let base = self.state().sequence;
        self.stage(|staged| staged.stage(key, StagedItem { change, base }));
    }

    /// Stages an item's metadata and content. A commit writes a row only if something differs from
    /// what is stored.
    pub fn put_item(&self, item: Item, content: impl Into<RowContent>) {
        let id = item.id.clone();
        self.stage_item(&id, ItemChange::Put(Box::new(item), content.into().0));
    }

    /// Stages that an item is gone. Its versions stay and can be restored.
    pub fn remove_item(&self, id: &ItemId) {
        self.stage_item(id, ItemChange::Remove(id.clone()));
    }

    /// Stages a folder.
    pub fn put_folder(&self, folder: Folder) {
        self.stage(|staged| {
            staged.folders.insert(folder.id.clone(), Some(folder));
        });
    }

    /// Stages that a folder is gone. Its items must be removed one by one, or moved.
    pub fn remove_folder(&self, id: &FolderId) {
        self.stage(|staged| {
            staged.folders.insert(id.clone(), None);
        });
    }

    /// Stages how far a folder was followed. Everything before the cursor must be staged or committed.
    pub fn set_cursor(&self, folder: &FolderId, cursor: Option<&str>) {
        self.stage(|staged| {
            staged
                .cursors
                .insert(folder.clone(), cursor.map(str::to_owned));
        });
    }

    /// Stages how far the folder tree was followed.
    pub fn set_tree_cursor(&self, cursor: Option<&str>) {
        self.stage(|staged| staged.tree_cursor = Some(cursor.map(str::to_owned)));
    }

    /// Stages an entry of the failed-item ledger, or a further failure of one.
    pub fn record_gap(&self, gap: Gap) {
        self.stage(|staged| {
            staged.gaps.insert(gap.item.clone(), Some(gap));
        });
    }

    /// Stages that a gap is closed.
    pub fn resolve_gap(&self, item: &ItemId) {
        self.stage(|staged| {
            staged.gaps.insert(item.clone(), None);
        });
    }

    /// Stages a removal to verify later.
    pub fn add_pending_removal(&self, item: &ItemId, folder: &FolderId) {
        self.stage(|staged| {
            staged
                .pending_removals
                .insert(item.clone(), Some(folder.clone()));
        });
    }

    /// Stages that a pending removal was verified or withdrawn.
    pub fn resolve_pending_removal(&self, item: &ItemId) {
        self.stage(|staged| {
            staged.pending_removals.insert(item.clone(), None);
        });
    }

    /// Stages an item that a filter left out and that may qualify later.
    pub fn leave_out(&self, left_out: LeftOut) {
        self.stage(|staged| {
            let item = left_out.item.clone();
            staged.left_out.insert(item, Some(left_out));
        });
    }

    /// Stages that an item need not be asked about again.
    pub fn forget_left_out(&self, item: &ItemId) {
        self.stage(|staged| {
            staged.left_out.insert(item.clone(), None);
        });
    }

    /// Says by which filter the staged work was done; `None` when it took everything. Told before each
    /// commit.
    pub fn set_filter_mark(&self, mark: Option<&str>) {
        self.stage(|staged| staged.filter_mark = Some(mark.map(str::to_owned)));
    }

    /// Bytes that wait for a commit: stored content, and memory that the staged rows will take while they are
    /// committed.
    #[must_use]
    pub fn staged_bytes(&self) -> u64 {
        /// As staged, in the commit, in the index, and what the allocator loses between them.
        const COPIES_OF_ROWS: u64 = 4;
        let staging = lock(&self.staged);
        let in_flight = staging.in_flight.as_ref().map_or(0, |it| it.item_bytes);
        let rows = staging.open.item_bytes + in_flight;
        drop(staging);
        rows.saturating_mul(COPIES_OF_ROWS)
            .saturating_add(self.packs.staged_bytes())
    }

    /// True when something waits for a commit.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        let staging = lock(&self.staged);
        !staging.open.is_empty() || staging.in_flight.is_some()
    }
}
