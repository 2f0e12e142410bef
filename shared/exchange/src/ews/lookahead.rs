//! Small items fetched together, before each is asked for: a call per item would be most of
//! the time and of the calls.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mailkeep_model::{Item, ItemId, ItemKind};

/// Messages up to this size are fetched together.
const SMALL: u64 = 512 * 1024;
/// Messages in one call.
const MOST: usize = 50;
/// Bytes of messages in one call, as the server counts them.
const MOST_BYTES: u64 = 6 * 1024 * 1024;
/// Bytes that may wait to be asked for when another batch comes in.
const MOST_WAITING: usize = 16 * 1024 * 1024;
/// Items remembered.
const MOST_EXPECTED: usize = 10_000;

/// What was fetched and what will be asked for.
#[derive(Default)]
pub(crate) struct Lookahead {
    /// Held while a batch is fetched, so that others wait for it and do not fetch the same.
    pub(crate) fetching: tokio::sync::Mutex<()>,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    expected: VecDeque<(ItemId, u64)>,
    ready: HashMap<ItemId, Bytes>,
    /// Shrinks when batches fail, grows back when they do not.
    at_once: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            expected: VecDeque::new(),
            ready: HashMap::new(),
            at_once: MOST,
        }
    }
}

impl Lookahead {
    /// These items will be asked for, in this order. What was expected before is forgotten.
    /// Only those for which `is_fit` are fetched together.
    pub(crate) fn expect(&self, items: &[&Item], is_fit: fn(&Item) -> bool) {
        let mut shelf = self.shelf();
        shelf.ready.clear();
        shelf.expected = items
            .iter()
            .filter(|item| is_fit(item))
            .take(MOST_EXPECTED)
            .map(|item| (item.id.clone(), item.size_bytes))
            .collect();
    }

    /// What was fetched already; each item once.
    pub(crate) fn take(&self, item: &ItemId) -> Option<Bytes> {
        self.shelf().ready.remove(item)
    }

    /// The items to fetch together with this one, itself first; empty when there is no other.
    pub(crate) fn batch(&self, item: &ItemId) -> Vec<ItemId> {
        let mut shelf = self.shelf();
        let Some(start) = shelf.expected.iter().position(|(id, _)| id == item) else {
            return vec![];
        };
        let (mut count, mut bytes) = (0, 0);
        for (_, size) in shelf.expected.iter().skip(start) {
            if count > 0 && (count >= shelf.at_once || bytes + size > MOST_BYTES) {
                break;
            }
            count += 1;
            bytes += size;
        }
        if count < 2 {
            shelf.expected.remove(start);
            return vec![];
        }
        let taken: Vec<ItemId> = shelf
            .expected
            .drain(start..start + count)
            .map(|(id, _)| id)
            .collect();
        taken
    }

    /// A batch came in, perhaps not all of it.
    pub(crate) fn put(&self, fetched: Vec<(ItemId, Bytes)>) {
        let mut shelf = self.shelf();
        // What nobody came for is read again should somebody come after all.
        if shelf.ready.values().map(Bytes::len).sum::<usize>() > MOST_WAITING {
            shelf.ready.clear();
        }
        shelf.ready.extend(fetched);
        shelf.at_once = (shelf.at_once * 2).min(MOST);
    }

    /// A batch failed: the next ones are smaller. Its items are asked for one by one.
    pub(crate) fn failed(&self, batch: &[ItemId]) {
        let mut shelf = self.shelf();
        shelf.at_once = (batch.len() / 2).max(1);
        // Those behind the first may go together still.
        for id in batch.iter().skip(1).rev() {
            shelf.expected.push_front((id.clone(), 0));
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for what is small enough to be fetched with others.
pub(crate) fn is_small(item: &Item) -> bool {
    item.size_bytes <= SMALL
}

/// True for messages that are.
pub(crate) fn is_small_mail(item: &Item) -> bool {
    let is_mail = matches!(
        item.kind,
        ItemKind::Message | ItemKind::MeetingMessage | ItemKind::Post
    );
    is_mail && is_small(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_model::FolderId;

    fn items(count: usize, size: u64) -> Vec<Item> {
        (0..count)
            .map(|n| Item {
                size_bytes: size,
                ..Item::new(ItemId(n.to_string()), FolderId("f".into()))
            })
            .collect()
    }

    fn expecting(items: &[Item]) -> Lookahead {
        let lookahead = Lookahead::default();
        lookahead.expect(&items.iter().collect::<Vec<_>>(), is_small_mail);
        lookahead
    }

    #[test]
    fn batches_are_bounded_by_count_and_bytes() {
        let small = expecting(&items(120, 1000));
        assert_eq!(small.batch(&ItemId("0".into())).len(), 50);
        assert_eq!(small.batch(&ItemId("50".into())).len(), 50);
        assert_eq!(small.batch(&ItemId("100".into())).len(), 20);
        assert!(small.batch(&ItemId("100".into())).is_empty());
        let middling = expecting(&items(120, SMALL));
        assert_eq!(middling.batch(&ItemId("0".into())).len(), 12);
        let large = expecting(&items(3, SMALL + 1));
        assert!(large.batch(&ItemId("0".into())).is_empty());
    }

    #[test]
    fn what_nobody_asks_for_does_not_pile_up() {
        let lookahead = Lookahead::default();
        for n in 0..10 {
            let bytes = Bytes::from(vec![0; 8 * 1024 * 1024]);
            lookahead.put(vec![(ItemId(n.to_string()), bytes)]);
            let waiting: usize = lookahead.shelf().ready.values().map(Bytes::len).sum();
            assert!(waiting <= 32 * 1024 * 1024, "{waiting} bytes wait");
        }
        assert!(lookahead.take(&ItemId("9".into())).is_some());
    }

    #[test]
    fn failing_batches_shrink_and_grow_back() {
        let lookahead = expecting(&items(100, 1));
        let first = lookahead.batch(&ItemId("0".into()));
        lookahead.failed(&first);
        assert_eq!(lookahead.batch(&ItemId("1".into())).len(), 25);
        lookahead.put(vec![(ItemId("1".into()), Bytes::new())]);
        assert_eq!(lookahead.batch(&ItemId("26".into())).len(), 50);
        assert!(lookahead.take(&ItemId("1".into())).is_some());
        assert!(lookahead.take(&ItemId("1".into())).is_none());
    }
}
