//! A table in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};

use super::{
    Expect, Item, ItemKey, ItemPage, MAX_PAGE_BYTES, Query, Table, TableError, Write,
    check_transaction,
};

/// Keeps items in memory. For tests and for what need not survive. Never removes an expired item.
#[derive(Debug, Default)]
pub struct MemoryTable {
    partitions: Mutex<BTreeMap<String, BTreeMap<String, Item>>>,
}

impl MemoryTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every item, in order.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let partitions = self.lock();
        let items = partitions.values().flat_map(BTreeMap::values);
        items.cloned().collect()
    }

    /// Removes the items that have expired, as a database does at a time of its own choice.
    pub fn remove_expired(&self, now: DateTime<Utc>) {
        for items in self.lock().values_mut() {
            items.retain(|_, item| !item.is_expired(now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Item>>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Table for MemoryTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        let partitions = self.lock();
        let items = partitions.get(key.partition());
        Ok(items.and_then(|items| items.get(key.sort())).cloned())
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        check_transaction(&writes)?;
        let mut partitions = self.lock();
        for (place, write) in writes.iter().enumerate() {
            let items = partitions.get(write.key().partition());
            let there = items.and_then(|items| items.get(write.key().sort()));
            let holds = match write.expect() {
                Expect::Absent => there.is_none(),
                Expect::Version(version) => there.is_some_and(|item| item.version == version),
            };
            if !holds {
                return Err(TableError::conflict(write, place));
            }
        }
        for write in writes {
            let version = write.version_after();
            match write {
                Write::Put {
                    key,
                    body,
                    expires_at,
                    ..
                } => {
                    let items = partitions.entry(key.partition().to_owned()).or_default();
                    let item = Item {
                        version,
                        body,
                        expires_at: expires_at.map(|at| at.trunc_subsecs(0)),
                        key: key.clone(),
                    };
                    items.insert(key.sort().to_owned(), item);
                }
                Write::Delete { key, .. } => {
                    if let Some(items) = partitions.get_mut(key.partition()) {
                        items.remove(key.sort());
                    }
                }
                Write::Check { .. } => {}
            }
        }
        Ok(())
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        let partitions = self.lock();
        let Some(items) = partitions.get(&query.partition) else {
            return Ok(ItemPage::default());
        };
        let after = query.after.as_ref();
        let (from, to) = match (query.is_descending, after) {
            (false, Some(after)) if *after >= query.prefix => {
                (Bound::Excluded(after), Bound::Unbounded)
            }
            (true, Some(after)) if *after < query.prefix => return Ok(ItemPage::default()),
            (true, Some(after)) => (Bound::Included(&query.prefix), Bound::Excluded(after)),
            (_, _) => (Bound::Included(&query.prefix), Bound::Unbounded),
        };
        let range = items.range::<String, _>((from, to));
        let in_prefix = |(sort, _): &(&String, &Item)| sort.starts_with(&query.prefix);
        Ok(if query.is_descending {
            // Beyond the prefix there may be other items, which come first from this side.
            let range = range.rev().skip_while(|entry| !in_prefix(entry));
            page(range.take_while(in_prefix), query.page_limit())
        } else {
            page(range.take_while(in_prefix), query.page_limit())
        })
    }
}

fn page<'a>(items: impl Iterator<Item = (&'a String, &'a Item)>, limit: usize) -> ItemPage {
    let (mut page, mut bytes) = (ItemPage::default(), 0);
    for (_, item) in items {
        if page.items.len() >= limit || bytes >= MAX_PAGE_BYTES {
            page.next = page.items.last().map(|last| last.key.sort().to_owned());
            break;
        }
        bytes += item.body.len();
        page.items.push(item.clone());
    }
    page
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        conformance::table(&|| Arc::new(MemoryTable::new()))
            .await
            .unwrap();
    }
}
