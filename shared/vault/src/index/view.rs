//! A mailbox as it was right after one commit.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mailkeep_model::{FolderId, Gap};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::ids::{ContentId, ItemKey, PackNumber};
use crate::index::commit_info::{IndexCounts, Snapshot};
use crate::index::folders::{StoredFolder, tree};
use crate::index::names::is_checkpoint_error;
use crate::index::open::{self, Opened, Purpose};
use crate::index::rows::{Row, RowEntry, SortKey};
use crate::index::scan::{self, Scan};
use crate::index::tables::lookup::LookupEntry;
use crate::index::tables::packs::PackLine;
use crate::index::tables::{Lookup, Packs, Parts, Rows, Snapshots};
use crate::index::version::ItemVersion;
use crate::pack_table::{PackEntry, PartLocation};
use crate::reader::{ItemReader, PartResolver};

/// Versions of one item that are shown at most.
const MAX_VERSIONS: usize = 10_000;

/// A mailbox as it was right after one commit. Later commits do not change it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MailboxView {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub core: MailboxCore,
    /// The commit that is shown.
    pub at: u64,
    folders: Vec<StoredFolder>,
    gaps: Vec<Gap>,
    counts: IndexCounts,
    /// The index, which may hold later commits too. Replaced when its checkpoint turns out to be
    /// damaged. Held for a copy of the `Arc` only.
    opened: Mutex<Arc<Opened>>,
}

/// Runs `$body` on the index; once more on an index without the newest checkpoint when a block of that is
/// damaged, until there is none left.
macro_rules! with_index {
    ($inner:expr, |$opened:ident| $body:expr) => {{
        let inner = &$inner;
        loop {
            let current = inner.opened();
            let $opened = &*current;
            match $body {
                Err(error) if inner.can_recover(&current, &error) => {
                    inner.recover(&current).await?
                }
                result => break result,
            }
        }
    }};
}
pub(crate) use with_index;

impl Inner {
    pub(crate) fn opened(&self) -> Arc<Opened> {
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn can_recover(&self, opened: &Opened, error: &VaultError) -> bool {
        opened.index.checkpoint > 0 && is_checkpoint_error(&self.core.id, error)
    }

    /// Opens the index again without the checkpoint of `damaged`.
    pub(crate) async fn recover(&self, damaged: &Opened) -> Result<(), VaultError> {
        let checkpoint = damaged.index.checkpoint;
        tracing::warn!(mailbox = %self.core.id, checkpoint, "reading on without a damaged checkpoint");
        let skip: Vec<u64> = damaged
            .skipped
            .iter()
            .copied()
            .chain([checkpoint])
            .collect();
        // An older one, or a newer one: what is older may be deleted meanwhile.
        let fresh = Arc::new(open::open(&self.core, Purpose::Read, &skip, u64::MAX).await?);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

#[async_trait]
impl PartResolver for Inner {
    async fn find_part(&self, id: &ContentId) -> Result<Option<PartLocation>, VaultError> {
        with_index!(*self, |opened| {
            let Opened { index, blocks, .. } = opened;
            let newest = index.parts.memory.get(&id.0).copied();
            let (folders, runs) = (&index.state.folder_names, &index.parts.runs);
            scan::get::<Parts>(blocks, folders, newest, runs, &id.0)
                .await
                .map(|found| found.and_then(|entry| entry.place))
        })
        .and_then(|place| match place {
            Some(place) if place.is_lost() => Err(VaultError::lost(format!(
                "part {id:?} of mailbox {}",
                self.core.id
            ))),
            place => Ok(place),
        })
    }

    async fn pack(&self, number: PackNumber) -> Result<PackEntry, VaultError> {
        let line = with_index!(*self, |opened| {
            let Opened { index, blocks, .. } = opened;
            let key = number.0.to_be_bytes();
            let newest = index.packs.memory.get(&key).copied();
            let (folders, runs) = (&index.state.folder_names, &index.packs.runs);
            scan::get::<Packs>(blocks, folders, newest, runs, &key).await
        })?;
        match line {
            Some(PackLine::There(entry)) => Ok(entry),
            Some(PackLine::Dropped(_)) => Err(VaultError::lost(format!(
                "pack {} of mailbox {}",
                number.0, self.core.id
            ))),
            None => Err(VaultError::corrupt(
                crate::names::mailbox_prefix(&self.core.id),
                format!("the index names pack {} but does not list it", number.0),
            )),
        }
    }
}

/// The row at a place, patches of newer commits laid over it.
pub(crate) async fn row(opened: &Opened, place: SortKey) -> Result<Option<Row>, VaultError> {
    let Opened { index, blocks, .. } = opened;
    let key = place.to_bytes();
    let newest = index.rows.memory.get(&key).cloned();
    let (folders, runs) = (&index.state.folder_names, &index.rows.runs);
    let found = scan::get::<Rows>(blocks, folders, newest, runs, &key).await?;
    Ok(found.and_then(RowEntry::into_row))
}

impl MailboxView {
    /// The view of the newest commit, or of commit `at`.
    pub(crate) async fn open(core: MailboxCore, at: Option<u64>) -> Result<Self, VaultError> {
        let opened = open::open(&core, Purpose::Read, &[], u64::MAX).await?;
        let state = &opened.index.state;
        let at = at.unwrap_or(state.sequence);
        if at > state.sequence {
            return Err(VaultError::missing(
                crate::names::log(&core.id, at)?.as_str(),
                format!("the newest commit of this mailbox is {}", state.sequence),
            ));
        }
        let mut inner = Inner {
            core,
            at,
            folders: tree(&state.folders, at),
            gaps: state.gaps_at(at),
            counts: state.counts,
            opened: Mutex::new(Arc::new(opened)),
        };
        if at < inner.opened().index.state.sequence {
            let snapshot = snapshot(&inner, at).await?;
            inner.counts = snapshot.map(|it| it.counts).unwrap_or_default();
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Refuses a commit that does not show everything any more that it once showed.
    pub(crate) fn check_whole(&self, at: u64) -> Result<(), VaultError> {
        let opened = self.inner.opened();
        let Some((first, behind)) = opened.index.state.thinned.find(at) else {
            return Ok(());
        };
        let before = match first.checked_sub(1) {
            Some(before) if before > 0 => format!("commit {before} before it and "),
            _ => String::new(),
        };
        Err(VaultError::missing(
            format!("commit {at} of mailbox {}", self.inner.core.id),
            format!(
                "retention let go of some of what it showed; {before}commit {behind} behind it are whole"
            ),
        ))
    }

    /// The commit that is shown; 0 for an empty mailbox.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.inner.at
    }

    /// The oldest commit that must be there.
    #[must_use]
    pub fn first_commit(&self) -> u64 {
        self.inner.opened().floor.sequence.saturating_add(1)
    }

    /// The folders by path, removed ones included and marked.
    #[must_use]
    pub fn folders(&self) -> &[StoredFolder] {
        &self.inner.folders
    }

    /// The folder of this id, unless it is unknown here.
    #[must_use]
    pub fn folder(&self, id: &FolderId) -> Option<&StoredFolder> {
        self.folders().iter().find(|it| it.folder.id == *id)
    }

    /// Items that are missing.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.inner.gaps.clone()
    }

    /// Commits that were lost to damage and rebuilt from what was left: what only they held is missing.
    #[must_use]
    pub fn rebuilt_commits(&self) -> Vec<u64> {
        self.inner.opened().index.state.rebuilt.clone()
    }

    /// Counts as of this commit.
    #[must_use]
    pub fn counts(&self) -> IndexCounts {
        self.inner.counts
    }

    /// Commits up to this view's, newest first: at most `limit` of those before commit `before` (all when
    /// `None`). Ten years of hourly runs are read in pages, never at once.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn snapshots(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Snapshot>, VaultError> {
        let at = self.inner.at;
        let last = before.map_or(at, |before| before.saturating_sub(1)).min(at);
        let count = u64::try_from(limit).unwrap_or(u64::MAX).min(last);
        let first = last - count + 1;
        if count == 0 {
            return Ok(vec![]);
        }
        with_index!(*self.inner, |opened| {
            async {
                let Opened { index, blocks, .. } = opened;
                let mut scan: Scan<'_, Snapshots> = Scan::new(
                    blocks,
                    &index.state.folder_names,
                    &index.snapshots,
                    Bound::Included(first.to_be_bytes()),
                    Some(last.to_be_bytes()),
                )
                .await?;
                let mut found = vec![];
                while let Some(snapshot) = scan.next().await? {
                    found.push(marked(opened, snapshot));
                }
                found.reverse();
                Ok::<_, VaultError>(found)
            }
            .await
        })
    }

    /// One commit as a snapshot.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn snapshot(&self, sequence: u64) -> Result<Option<Snapshot>, VaultError> {
        if sequence > self.inner.at {
            return Ok(None);
        }
        snapshot(&self.inner, sequence).await
    }

    /// The item as of this commit; of a removed item the last version, marked as deleted.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn item(&self, key: ItemKey) -> Result<Option<ItemVersion>, VaultError> {
        let at = self.inner.at;
        with_index!(*self.inner, |opened| {
            async {
                match latest(opened, key, at).await? {
                    None => Ok(None),
                    Some(place) => row(opened, place).await,
                }
            }
            .await
        })
        .map(|row| row.map(|row| ItemVersion::at(row, at)))
    }

    /// All versions of an item up to this commit, oldest first; of very many only the newest 10,000.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn versions(&self, key: ItemKey) -> Result<Vec<ItemVersion>, VaultError> {
        let at = self.inner.at;
        with_index!(*self.inner, |opened| {
            async {
                let mut versions = vec![];
                for place in places(opened, key, at, MAX_VERSIONS).await? {
                    let Some(row) = row(opened, place).await? else {
                        if !opened.index.state.rebuilt.is_empty() {
                            // Its commit was lost to damage, which is told elsewhere.
                            break;
                        }
                        return Err(VaultError::corrupt(
                            crate::names::mailbox_prefix(&self.inner.core.id),
                            format!("the index lacks a version of item {key}"),
                        ));
                    };
                    versions.push(ItemVersion::at(row, at));
                }
                Ok(versions)
            }
            .await
        })
    }

    /// The content of a version.
    ///
    /// # Errors
    /// `Missing` for a version whose content could never be read from the source.
    pub async fn content(&self, version: &ItemVersion) -> Result<ItemReader, VaultError> {
        let Some(content) = &version.content else {
            if version.lost.is_some() {
                return Err(VaultError::lost(format!(
                    "the content of item {}",
                    version.key
                )));
            }
            return Err(VaultError::missing(
                format!("item {}", version.key),
                "its content could not be read from the source; see the gaps of this mailbox",
            ));
        };
        ItemReader::open(self.inner.core.clone(), self.inner.clone(), content).await
    }
}

async fn snapshot(inner: &Inner, sequence: u64) -> Result<Option<Snapshot>, VaultError> {
    let key = sequence.to_be_bytes();
    with_index!(*inner, |opened| {
        let Opened { index, blocks, .. } = opened;
        let newest = index.snapshots.memory.get(&key).cloned();
        let (folders, runs) = (&index.state.folder_names, &index.snapshots.runs);
        scan::get::<Snapshots>(blocks, folders, newest, runs, &key)
            .await
            .map(|found| found.map(|snapshot| marked(opened, snapshot)))
    })
}

/// Says whether retention let go of something that a commit showed.
fn marked(opened: &Opened, snapshot: Snapshot) -> Snapshot {
    let range = opened.index.state.thinned.find(snapshot.sequence);
    Snapshot {
        is_thinned: range.is_some(),
        ..snapshot
    }
}

/// The place of an item's newest version as of commit `at`.
pub(crate) async fn latest(
    opened: &Opened,
    key: ItemKey,
    at: u64,
) -> Result<Option<SortKey>, VaultError> {
    let mut places = places(opened, key, at, 1).await?;
    Ok(places.pop_back())
}

/// The places of an item's versions as of commit `at`, oldest first: the newest `limit`.
async fn places(
    opened: &Opened,
    key: ItemKey,
    at: u64,
    limit: usize,
) -> Result<VecDeque<SortKey>, VaultError> {
    let Opened { index, blocks, .. } = opened;
    let mut scan: Scan<'_, Lookup> = Scan::new(
        blocks,
        &index.state.folder_names,
        &index.lookup,
        Bound::Included(LookupEntry::key_of(key, 0)),
        Some(LookupEntry::key_of(key, at)),
    )
    .await?;
    let mut places = VecDeque::new();
    while let Some(entry) = scan.next().await? {
        if places.len() == limit {
            places.pop_front();
        }
        places.push_back(entry.place);
    }
    Ok(places)
}
