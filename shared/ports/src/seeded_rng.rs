//! Randomness that can be replayed.

use std::sync::{Mutex, PoisonError};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::Rng;

/// The same seed gives the same bytes in the same order of calls. For tests and simulations only.
#[derive(Debug)]
pub struct SeededRng(Mutex<ChaCha20Rng>);

impl SeededRng {
    /// Starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn keeps_the_contract() {
        conformance::rng(&SeededRng::new(1)).unwrap();
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b, other) = (SeededRng::new(7), SeededRng::new(7), SeededRng::new(8));
        let numbers: Vec<u64> = (0..8).map(|_| a.next_u64()).collect();
        assert_eq!(numbers, (0..8).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(
            numbers,
            (0..8).map(|_| other.next_u64()).collect::<Vec<_>>()
        );
    }
}
