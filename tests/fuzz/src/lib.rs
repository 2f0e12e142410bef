//! Arbitrary bytes for every decoder: no panic, no endless loop, and what was read is written in one way.
//!
//! See `README.md` beside this crate for long runs, with and without the help of coverage.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

pub mod content;
pub mod corpus;
pub mod exchange;
pub mod mutate;

use mailkeep_vault::fuzzing::{DECODERS, Decoder, Outcome};

/// Every target by name.
pub fn targets() -> Vec<&'static str> {
    let vault = DECODERS.iter().map(|(name, _)| *name);
    vault
        .chain(content::TARGETS.iter().map(|(name, _)| *name))
        .chain(exchange::names())
        .collect()
}

/// Feeds a target.
///
/// # Panics
/// When what must hold does not.
pub fn run(target: &str, bytes: &[u8]) -> Outcome {
    let named = |it: &&Decoder| it.0 == target;
    let own = DECODERS.iter().chain(content::TARGETS).find(named);
    let decode = |bytes: &[u8]| match own {
        Some((_, decode)) => decode(bytes),
        None => {
            let outcome = exchange::run(target, bytes);
            outcome.unwrap_or_else(|| panic!("no target is called {target}"))
        }
    };
    let outcome = decode(bytes);
    if let Outcome::Again(written) = &outcome {
        // What this program writes it reads, and says the same.
        let again = decode(written);
        assert_eq!(
            again, outcome,
            "{target} says something else when it is read again"
        );
    }
    outcome
}
