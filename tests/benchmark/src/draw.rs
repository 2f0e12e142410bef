//! Repeatable numbers and ids.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Numbers that depend only on the seed.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub(crate) fn new(mailbox: u32, number: u32) -> Self {
        Self(ChaCha8Rng::seed_from_u64(
            u64::from(mailbox) << 32 | u64::from(number),
        ))
    }

    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0.random_range(0..limit.max(1))
    }

    /// Random bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// An id such as services give: random letters of base64.
    pub(crate) fn id(&mut self, length: usize) -> String {
        self.bytes(length)
            .iter()
            .map(|byte| char::from(*LETTERS.get(usize::from(byte & 63)).unwrap_or(&b'A')))
            .collect()
    }
}
