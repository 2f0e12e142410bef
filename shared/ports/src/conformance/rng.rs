//! The suite of [`Rng`].

use std::collections::HashSet;

use super::{Broken, check};
use crate::Rng;

/// What can be seen of randomness from outside: nothing is left unfilled, nothing repeats, every
/// bit is set about half of the time.
///
/// # Errors
/// The first clause that does not hold.
pub fn rng(rng: &dyn Rng) -> Result<(), Broken> {
    rng.fill(&mut []);
    // 40 zero bytes have a chance of 2^-320 each.
    for length in [40, 41, 63, 64, 65, 1_000, 100_000] {
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        let filled = bytes.rchunks(40).filter(|chunk| chunk.len() == 40);
        let all = filled
            .chain(bytes.chunks(40).take(1))
            .all(|c| c.iter().any(|b| *b != 0));
        check(all, "every byte is filled", || {
            format!("not in {length} bytes")
        })?;
    }
    let numbers: HashSet<u64> = (0..10_000).map(|_| rng.next_u64()).collect();
    check(numbers.len() == 10_000, "numbers do not repeat", || {
        format!("{} of 10,000 differ", numbers.len())
    })?;
    for bit in 0..64 {
        let count = numbers.iter().filter(|n| *n >> bit & 1 == 1).count();
        // Ten standard deviations of 50.
        check((4_500..=5_500).contains(&count), "bits are even", || {
            format!("bit {bit} is set in {count} of 10,000")
        })?;
    }
    Ok(())
}
