//! Memory of big objects, kept for the next ones.
//!
//! A pack has 16 MiB. Allocators give such pieces back to the system and ask for them again, which costs time
//! for every page, or keep the holes that they leave.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Pieces that are kept: about what one mailbox uses at a time.
const KEPT: usize = 3;
/// Less is not worth keeping.
const LEAST_BYTES: usize = 1 << 20;
/// More was an exception.
const MOST_BYTES: usize = 36 << 20;

/// Held for a push or a pop only.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(vec![]);

/// An empty buffer, big if there is one to spare.
pub(crate) fn take() -> Vec<u8> {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.pop().unwrap_or_default()
}

/// Keeps a buffer that is not needed any more.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(LEAST_BYTES..=MOST_BYTES).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < KEPT {
        spare.push(buffer);
    }
}

/// The same for bytes that nobody else holds.
pub(crate) fn give_bytes(bytes: Bytes) {
    if bytes.len() >= LEAST_BYTES && bytes.is_unique() {
        give(Vec::from(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_and_empty() {
        give(vec![7; 3 << 20]);
        let held = Bytes::from(vec![7; 2 << 20]);
        let other = held.clone();
        give_bytes(held);
        assert_eq!(other.len(), 2 << 20, "somebody else holds it");
        give_bytes(other);
        let mut sizes = vec![];
        for _ in 0..KEPT {
            let buffer = take();
            assert!(buffer.is_empty());
            sizes.push(buffer.capacity());
        }
        // Other tests use the buffers, too.
        assert!(sizes.iter().all(|size| *size == 0 || *size >= LEAST_BYTES));
    }
}
