//! The samples, and inputs made from them by chance, for every decoder. The same on every machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mailkeep_fuzz::mutate::{Chance, mutate};
use mailkeep_fuzz::{corpus, run, targets};
use mailkeep_vault::fuzzing::Outcome;

/// Inputs made for each target.
const INPUTS: usize = 400;

#[test]
fn what_was_ever_written_is_read() {
    for target in targets() {
        for (number, sample) in corpus::read(target).iter().enumerate() {
            let outcome = run(target, sample);
            assert_ne!(outcome, Outcome::Refused, "sample {number} of {target}");
        }
    }
}

#[test]
fn arbitrary_bytes_do_no_harm() {
    let mut read = 0;
    for target in targets() {
        let samples = corpus::read(target);
        let mut chance = Chance::new(7);
        for input in 0..INPUTS {
            let sample = &samples[input % samples.len()];
            let bytes = mutate(&mut chance, sample, &samples);
            let outcome = run(target, &bytes);
            read += usize::from(outcome != Outcome::Refused);
            // A sealed object is what was sealed, or nothing.
            let is_sample = samples.contains(&bytes);
            assert!(
                target != "object" || is_sample || outcome == Outcome::Refused,
                "a changed object was read"
            );
        }
    }
    // Not everything is refused at the first byte.
    assert!(read > 3 * INPUTS, "{read}");
}

#[test]
fn noise_does_no_harm() {
    let mut chance = Chance::new(9);
    for target in targets() {
        for length in 0..120 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| chance.number().to_le_bytes()[0])
                .collect();
            run(target, &bytes);
        }
    }
}
