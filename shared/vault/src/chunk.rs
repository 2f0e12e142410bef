//! Content-defined chunking of big parts (FastCDC with a keyed gear table): an edit in the middle of
//! a file changes the chunks around it only.

/// Parts from this size on are chunked; smaller ones are stored whole.
pub(crate) const CHUNK_FROM_BYTES: usize = 1 << 20;
/// No chunk but the last is shorter.
const MIN_BYTES: usize = 16 << 10;
/// Up to here a cut is made less likely, from here on more likely.
const NORMAL_BYTES: usize = 64 << 10;
/// No chunk is longer.
pub(crate) const MAX_BYTES: usize = 256 << 10;
/// The top 18 bits.
const HARD: u64 = !0 << 46;
/// The top 14 bits.
const EASY: u64 = !0 << 50;

/// Finds where chunks end.
#[derive(Clone)]
pub(crate) struct Chunker {
    gear: Box<[u64; 256]>,
}

impl Chunker {
    /// A chunker with a mailbox's gear table.
    pub(crate) fn new(gear: [u64; 256]) -> Self {
        Self {
            gear: Box::new(gear),
        }
    }

    /// Length of the first chunk of `data`. The answer is final when `data` has [`MAX_BYTES`] or is
    /// the rest of the part.
    pub(crate) fn cut(&self, data: &[u8]) -> usize {
        let data = data.get(..MAX_BYTES).unwrap_or(data);
        let mut hash = 0_u64;
        let start = data.len().min(MIN_BYTES);
        let normal = data.len().min(NORMAL_BYTES);
        for (mask, from, to) in [(HARD, start, normal), (EASY, normal, data.len())] {
            for (offset, byte) in data.get(from..to).unwrap_or_default().iter().enumerate() {
                let gear = self.gear.get(usize::from(*byte)).copied().unwrap_or(0);
                hash = (hash << 1).wrapping_add(gear);
                if hash & mask == 0 {
                    return from + offset + 1;
                }
            }
        }
        data.len()
    }

    /// Hands out the chunks of `data` whose end is certain, and returns how many bytes they have.
    pub(crate) fn cut_certain(&self, data: &[u8], mut chunk: impl FnMut(&[u8])) -> usize {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| rest.len() >= MAX_BYTES) {
            let len = self.cut(rest);
            chunk(rest.get(..len).unwrap_or_default());
            done += len;
        }
        done
    }

    /// Hands out all chunks of `data`, which ends the part.
    pub(crate) fn cut_all(&self, mut data: &[u8], mut chunk: impl FnMut(&[u8])) {
        while !data.is_empty() {
            let (first, rest) = data.split_at(self.cut(data).min(data.len()));
            chunk(first);
            data = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::keys;

    fn noise(len: usize, seed: u8) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new_keyed(&[seed; 32])
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }

    fn chunks(data: &[u8]) -> Vec<Vec<u8>> {
        let mut chunks = vec![];
        Chunker::new(keys(1).gear()).cut_all(data, |chunk| chunks.push(chunk.to_vec()));
        chunks
    }

    #[test]
    fn chunks_join_to_the_part_and_keep_their_bounds() {
        let data = noise(6 << 20, 1);
        let chunks = chunks(&data);
        assert_eq!(chunks.concat(), data);
        let (last, others) = chunks.split_last().unwrap();
        assert!(last.len() <= MAX_BYTES);
        assert!(
            others
                .iter()
                .all(|c| (MIN_BYTES..=MAX_BYTES).contains(&c.len()))
        );
        let average = data.len() / chunks.len();
        assert!((48 << 10..96 << 10).contains(&average), "average {average}");
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let data = noise(4 << 20, 2);
        let edited = [&data[..1_000_000], b"inserted", &data[1_000_000..]].concat();
        let before: HashSet<Vec<u8>> = chunks(&data).into_iter().collect();
        let after = chunks(&edited);
        let new = after
            .iter()
            .filter(|chunk| !before.contains(*chunk))
            .count();
        assert!(new <= 3, "{new} of {} chunks are new", after.len());
    }

    #[test]
    fn streaming_cuts_like_all_at_once() {
        let data = noise(3 << 20, 3);
        let chunker = Chunker::new(keys(1).gear());
        let (mut streamed, mut buffer) = (vec![], vec![]);
        for piece in data.chunks(70_001) {
            buffer.extend_from_slice(piece);
            let done = chunker.cut_certain(&buffer, |chunk| streamed.push(chunk.to_vec()));
            buffer.drain(..done);
        }
        chunker.cut_all(&buffer, |chunk| streamed.push(chunk.to_vec()));
        assert_eq!(streamed, chunks(&data));
    }

    #[test]
    fn another_key_cuts_elsewhere() {
        let data = noise(1 << 20, 4);
        let (a, b) = (Chunker::new(keys(1).gear()), Chunker::new(keys(2).gear()));
        assert_ne!(a.cut(&data), b.cut(&data));
    }
}
