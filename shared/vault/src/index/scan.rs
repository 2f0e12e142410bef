//! Reading a table: one entry, or all entries of a range, merged from memory and runs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::error::VaultError;
use crate::index::block::{Ahead, Block, BlockReader, Cached, Run};
use crate::index::table::{Entry, FolderNames, KeyOf, Lsm};

/// The entry of a key in runs; `newest` is what newer parts know of it. `None` for a tombstone.
///
/// Boxed, because the compiler cannot see through the generic future that it may move among threads.
pub(crate) fn get<'a, T: Cached>(
    reader: &'a BlockReader,
    folders: &'a FolderNames,
    newest: Option<T::Entry>,
    runs: &'a [Arc<Run<T>>],
    key: &'a KeyOf<T>,
) -> BoxFuture<'a, Result<Option<T::Entry>, VaultError>> {
    Box::pin(find::<T>(reader, folders, newest, runs, key))
}

async fn find<T: Cached>(
    reader: &BlockReader,
    folders: &FolderNames,
    newest: Option<T::Entry>,
    runs: &[Arc<Run<T>>],
    key: &KeyOf<T>,
) -> Result<Option<T::Entry>, VaultError> {
    let mut found = newest;
    for run in runs.iter().rev() {
        if found.as_ref().is_some_and(Entry::is_whole) {
            break;
        }
        let index = run.blocks.partition_point(|block| block.last < *key);
        let Some(block) = run.blocks.get(index).filter(|block| block.first <= *key) else {
            continue;
        };
        let entries = reader.block::<T>(folders, block).await?;
        let Ok(index) = entries.binary_search_by(|entry| entry.key().cmp(key)) else {
            continue;
        };
        if let Some(older) = entries.get(index).cloned() {
            found = Some(match found {
                None => older,
                Some(newer) => newer.overlay(older),
            });
        }
    }
    Ok(found.filter(|entry| !entry.is_dropped()))
}

/// A position in one run.
#[derive(Debug)]
struct Cursor<T: Cached> {
    run: Arc<Run<T>>,
    block: usize,
    entry: usize,
    loaded: Option<Arc<Vec<T::Entry>>>,
    ahead: Ahead,
}

impl<T: Cached> Cursor<T> {
    /// At the start of a block nothing needs to be read to know the key.
    fn head(&self) -> Option<KeyOf<T>> {
        match &self.loaded {
            Some(entries) => entries.get(self.entry).map(Entry::key),
            None => self.run.blocks.get(self.block).map(|block| block.first),
        }
    }

    async fn take(
        &mut self,
        reader: &BlockReader,
        folders: &FolderNames,
    ) -> Result<Option<T::Entry>, VaultError> {
        self.load(reader, folders).await?;
        let entry = self
            .loaded
            .as_ref()
            .and_then(|entries| entries.get(self.entry).cloned());
        self.entry += 1;
        if self
            .loaded
            .as_ref()
            .is_some_and(|all| all.len() <= self.entry)
        {
            self.next_block();
        }
        Ok(entry)
    }

    async fn load(
        &mut self,
        reader: &BlockReader,
        folders: &FolderNames,
    ) -> Result<(), VaultError> {
        if self.loaded.is_none() {
            self.loaded = reader
                .block_ahead(folders, &self.run, self.block, &mut self.ahead)
                .await?;
        }
        Ok(())
    }

    fn next_block(&mut self) {
        self.block += 1;
        self.entry = 0;
        self.loaded = None;
    }
}

/// All entries of a range, in order, each merged from all parts of the table. Holds one block of each
/// run.
pub(crate) struct Scan<'a, T: Cached> {
    reader: &'a BlockReader,
    folders: &'a FolderNames,
    memory: &'a BTreeMap<KeyOf<T>, T::Entry>,
    memory_from: Bound<KeyOf<T>>,
    cursors: Vec<Cursor<T>>,
    last: Option<KeyOf<T>>,
}

impl<'a, T: Cached> Scan<'a, T> {
    /// A scan of `table` from `start` to `last` inclusive.
    pub(crate) async fn new(
        reader: &'a BlockReader,
        folders: &'a FolderNames,
        table: &'a Lsm<T>,
        start: Bound<KeyOf<T>>,
        last: Option<KeyOf<T>>,
    ) -> Result<Self, VaultError> {
        Self::of_runs(reader, folders, &table.memory, &table.runs, start, last).await
    }

    /// A scan of some of a table's runs.
    pub(crate) async fn of_runs(
        reader: &'a BlockReader,
        folders: &'a FolderNames,
        memory: &'a BTreeMap<KeyOf<T>, T::Entry>,
        runs: &[Arc<Run<T>>],
        start: Bound<KeyOf<T>>,
        last: Option<KeyOf<T>>,
    ) -> Result<Self, VaultError> {
        let mut cursors = vec![];
        for run in runs {
            cursors.push(seek(reader, folders, run, &start).await?);
        }
        Ok(Self {
            reader,
            folders,
            memory,
            memory_from: start,
            cursors,
            last,
        })
    }

    fn memory_head(&self) -> Option<&T::Entry> {
        self.memory
            .range((self.memory_from, Bound::Unbounded))
            .next()
            .map(|(_, entry)| entry)
    }

    /// The next entry. Tombstones are left out.
    pub(crate) async fn next(&mut self) -> Result<Option<T::Entry>, VaultError> {
        loop {
            match self.next_raw().await? {
                Some(entry) if entry.is_dropped() => {}
                other => return Ok(other),
            }
        }
    }

    /// The next entry, tombstones included.
    pub(crate) async fn next_raw(&mut self) -> Result<Option<T::Entry>, VaultError> {
        let memory = self.memory_head().map(Entry::key);
        let heads = self.cursors.iter().filter_map(Cursor::head);
        let Some(key) = heads.chain(memory).min() else {
            return Ok(None);
        };
        if self.last.is_some_and(|last| key > last) {
            return Ok(None);
        }
        let mut found = None;
        if memory == Some(key) {
            found = self.memory_head().cloned();
            self.memory_from = Bound::Excluded(key);
        }
        for cursor in self.cursors.iter_mut().rev() {
            if cursor.head() != Some(key) {
                continue;
            }
            let older = cursor.take(self.reader, self.folders).await?;
            found = match (found, older) {
                (Some(newer), Some(older)) => Some(T::Entry::overlay(newer, older)),
                (found, older) => found.or(older),
            };
        }
        Ok(found)
    }

    /// A whole block that can be taken over as it is, because nothing else lies within it.
    pub(crate) fn next_untouched(
        &mut self,
        is_worth_keeping: impl Fn(&Block<KeyOf<T>>) -> bool,
    ) -> Option<Block<KeyOf<T>>> {
        let memory = self.memory_head().map(Entry::key);
        let (index, key) = self
            .cursors
            .iter()
            .enumerate()
            .filter_map(|(index, cursor)| Some((index, cursor.head()?)))
            .min_by_key(|(_, key)| *key)?;
        let cursor = self.cursors.get(index).filter(|it| it.loaded.is_none())?;
        let block = cursor.run.blocks.get(cursor.block)?.clone();
        if !is_worth_keeping(&block) {
            return None;
        }
        debug_assert!(
            block.first == key,
            "a cursor without a block is at its start"
        );
        let others = self
            .cursors
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .filter_map(|(_, cursor)| cursor.head());
        if others.chain(memory).any(|head| head <= block.last) {
            return None;
        }
        self.cursors.get_mut(index)?.next_block();
        Some(block)
    }
}

async fn seek<T: Cached>(
    reader: &BlockReader,
    folders: &FolderNames,
    run: &Arc<Run<T>>,
    start: &Bound<KeyOf<T>>,
) -> Result<Cursor<T>, VaultError> {
    let is_before = |key: &KeyOf<T>| match start {
        Bound::Unbounded => false,
        Bound::Included(start) => key < start,
        Bound::Excluded(start) => key <= start,
    };
    let mut cursor = Cursor {
        run: run.clone(),
        block: run.blocks.partition_point(|block| is_before(&block.last)),
        entry: 0,
        loaded: None,
        ahead: Ahead::default(),
    };
    let starts_inside = run
        .blocks
        .get(cursor.block)
        .is_some_and(|block| is_before(&block.first));
    if starts_inside {
        cursor.load(reader, folders).await?;
        if let Some(entries) = &cursor.loaded {
            cursor.entry = entries.partition_point(|entry| is_before(&entry.key()));
        }
    }
    Ok(cursor)
}
