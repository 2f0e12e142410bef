//! A small deterministic number generator. Fast, so that corpora of gigabytes come on demand.

use crate::numbers::{index, low32, mix, spread, wide};

/// A stream of numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// A stream for these numbers.
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self(mix(parts))
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        spread(self.0)
    }

    /// A number below `limit` (0 for a limit of 0).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(limit)) >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// True `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number below `limit`, small ones much more often (log-uniform, near Zipf with exponent 1).
    pub(crate) fn zipf(&mut self, limit: u64) -> u64 {
        let octaves = u64::from(64 - limit.leading_zeros());
        let octave = self.below(octaves.max(1));
        let low = (1_u64 << octave) - 1;
        let high = (low * 2 + 1).min(limit);
        low.saturating_add(self.below(high.saturating_sub(low)))
            .min(limit.saturating_sub(1))
    }

    /// One of the texts.
    pub(crate) fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words
            .get(index(self.below(wide(words.len()))))
            .copied()
            .unwrap_or_default()
    }

    /// One of the texts, the first ones more often.
    pub(crate) fn common<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words
            .get(index(self.zipf(wide(words.len()))))
            .copied()
            .unwrap_or_default()
    }

    /// Random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let value = self.next().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(value) {
                *to = from;
            }
        }
    }

    /// Random hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }

    /// Random text of the base64 alphabet, as in the opaque headers that Exchange adds.
    pub(crate) fn opaque(&mut self, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.fill(&mut raw);
        base64_simd::STANDARD.encode_to_string(raw)
    }

    /// A random 32-bit number.
    pub(crate) fn next32(&mut self) -> u32 {
        low32(self.next())
    }
}

/// A GUID that depends only on the numbers.
pub(crate) fn guid(parts: &[u64]) -> String {
    let mut draw = Draw::new(parts);
    let digits = draw.hex(32);
    let at = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-4{}-a{}-{}",
        at(0, 8),
        at(8, 12),
        at(13, 16),
        at(17, 20),
        at(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_prefers_small_numbers_and_stays_in_range() {
        let mut draw = Draw::new(&[1]);
        let numbers: Vec<u64> = (0..10_000).map(|_| draw.zipf(100)).collect();
        assert!(numbers.iter().all(|n| *n < 100));
        let small = numbers.iter().filter(|n| **n < 7).count();
        assert!(small > 3_000 && small < 6_000, "{small}");
        assert!(numbers.iter().any(|n| *n > 90));
        assert_eq!(Draw::new(&[1]).zipf(1), 0);
    }

    #[test]
    fn a_guid_has_the_usual_shape() {
        let text = guid(&[7, 8]);
        assert_eq!(text.len(), 36);
        assert_eq!(text, guid(&[7, 8]));
        assert_ne!(text, guid(&[7, 9]));
    }
}
