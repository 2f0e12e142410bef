//! A sorted map for a million small entries: little more memory than the entries themselves.

use std::collections::BTreeMap;

/// Entries per chunk; a chunk is split at twice as many.
const CHUNK: usize = 8192;
/// Entries that wait before they are merged into the chunks.
const WAITING: usize = 16_384;

/// Sorted chunks, and a small tree of entries that wait to be merged into them.
#[derive(Debug)]
pub(crate) struct CompactMap<K, V> {
    chunks: Vec<Vec<(K, V)>>,
    waiting: BTreeMap<K, V>,
}

impl<K, V> Default for CompactMap<K, V> {
    fn default() -> Self {
        Self {
            chunks: vec![],
            waiting: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy, V: Copy> CompactMap<K, V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        if let Some(value) = self.waiting.get(key) {
            return Some(*value);
        }
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let index = chunk.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        chunk.get(index).map(|(_, value)| *value)
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.waiting.insert(key, value);
        if self.waiting.len() >= WAITING {
            self.merge();
        }
    }

    /// Appends an entry whose key is not less than any other: for loading from sorted blocks.
    pub(crate) fn append(&mut self, key: K, value: V) {
        if self.waiting.is_empty()
            && let Some(last) = self.chunks.last_mut().and_then(|chunk| chunk.last_mut())
            && last.0 == key
        {
            last.1 = value;
            return;
        }
        let ordered = self.waiting.is_empty()
            && self
                .chunks
                .last()
                .and_then(|chunk| chunk.last())
                .is_none_or(|(last, _)| *last < key);
        if !ordered {
            return self.insert(key, value);
        }
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push((key, value)),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push((key, value));
                self.chunks.push(chunk);
            }
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) {
        self.waiting.remove(key);
        let Some(index) = self.chunk_of(key) else {
            return;
        };
        if let Some(chunk) = self.chunks.get_mut(index)
            && let Ok(at) = chunk.binary_search_by(|(known, _)| known.cmp(key))
        {
            chunk.remove(at);
            if chunk.is_empty() {
                self.chunks.remove(index);
            }
        }
    }

    /// All entries, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        let merged = self.chunks.iter().flatten().copied();
        merged
            .filter(|(key, _)| !self.waiting.contains_key(key))
            .chain(self.waiting.iter().map(|(key, value)| (*key, *value)))
    }

    fn chunk_of(&self, key: &K) -> Option<usize> {
        self.chunks
            .partition_point(|chunk| chunk.first().is_some_and(|(first, _)| first <= key))
            .checked_sub(1)
    }

    /// Merges chunk by chunk, so that at no time everything is there twice.
    fn merge(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        let old = std::mem::take(&mut self.chunks);
        let mut firsts: Vec<K> = old
            .iter()
            .filter_map(|it| it.first().map(|it| it.0))
            .collect();
        firsts.reverse();
        firsts.pop();
        if old.is_empty() {
            self.push_split(waiting.by_ref().collect());
        }
        for chunk in old {
            let limit = firsts.pop();
            let mut merged = Vec::with_capacity(chunk.len());
            let mut chunk = chunk.into_iter().peekable();
            loop {
                let waits = waiting
                    .peek()
                    .filter(|(key, _)| limit.is_none_or(|limit| *key < limit));
                match (chunk.peek(), waits) {
                    (None, None) => break,
                    (Some((old, _)), Some((new, _))) if old == new => {
                        chunk.next();
                    }
                    (Some((old, _)), Some((new, _))) if old < new => merged.extend(chunk.next()),
                    (Some(_), None) => merged.extend(chunk.next()),
                    (_, Some(_)) => merged.extend(waiting.next()),
                }
            }
            self.push_split(merged);
        }
    }

    fn push_split(&mut self, entries: Vec<(K, V)>) {
        if entries.len() < 2 * CHUNK {
            let mut entries = entries;
            entries.shrink_to_fit();
            self.chunks.push(entries);
            return;
        }
        self.chunks.extend(entries.chunks(CHUNK).map(<[_]>::to_vec));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn behaves_like_a_tree() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut map = CompactMap::default();
        let mut model = BTreeMap::new();
        for key in 0..30_000_u32 {
            map.append(key * 3, 0_u32);
            model.insert(key * 3, 0);
        }
        for value in 1..100_000_u32 {
            let key = rng.random_range(0..120_000);
            if value % 5 == 0 {
                map.remove(&key);
                model.remove(&key);
            } else {
                map.insert(key, value);
                model.insert(key, value);
            }
        }
        for key in 0..120_001 {
            assert_eq!(map.get(&key), model.get(&key).copied(), "key {key}");
        }
        let mut all: Vec<_> = map.iter().collect();
        all.sort_unstable();
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        assert!(map.chunks.len() > 4);
        for key in 0..120_001 {
            map.remove(&key);
        }
        assert!(map.chunks.is_empty() && map.iter().count() == 0);
    }
}
