//! Makes the vault's built-in dictionary for mail text.
//!
//! The dictionary is trained on mail that this program composes itself: the headers that Exchange
//! Online writes, the HTML that Outlook and others write, greetings, signatures, reply headers and
//! invitations in several languages. No text of anybody else goes into it, and the same program makes
//! the same dictionary again.
//!
//! `cargo run --release -p mailkeep-vault --example train_dictionary -- <file>`
//!
//! A dictionary that was ever released never changes. A better one gets the next number.

mod bodies;
mod calendar;
mod headers;
mod random;
mod words;

use std::io::Write;

use random::Random;

/// The most that the dictionary may take; a copy of it goes into every pack.
const DICTIONARY_BYTES: usize = 48 << 10;
const SAMPLES: u64 = 3000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: train_dictionary <file>")?;
    let samples: Vec<String> = (0..SAMPLES).map(sample).collect();
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES)?;
    std::fs::write(&path, &dictionary)?;

    // How much it gains on mail of the same kind that it was not trained on.
    let fresh: Vec<String> = (SAMPLES..SAMPLES + 300).map(sample).collect();
    let mut plain = zstd::bulk::Compressor::new(3)?;
    let mut with = zstd::bulk::Compressor::with_dictionary(3, &dictionary)?;
    let (mut total, mut without_bytes, mut with_bytes) = (0, 0, 0);
    for text in &fresh {
        total += text.len();
        without_bytes += plain.compress(text.as_bytes())?.len();
        with_bytes += with.compress(text.as_bytes())?.len();
    }
    writeln!(
        std::io::stdout(),
        "{} bytes; {total} bytes of fresh mail take {without_bytes} without and {with_bytes} with it",
        dictionary.len()
    )?;
    Ok(())
}

/// One message as an item frame holds it: text without its base64 parts.
fn sample(number: u64) -> String {
    let random = &mut Random::new(number);
    let message = headers::Message::new(random);
    let mut text = String::with_capacity(24 << 10);
    match random.below(20) {
        0..=8 => {
            message.write_headers(random, "multipart/alternative", &mut text);
            bodies::alternative(random, &message, &mut text);
        }
        9..=13 => {
            message.write_headers(random, "multipart/related", &mut text);
            bodies::related(random, &message, &mut text);
        }
        14..=15 => {
            message.write_headers(random, "multipart/mixed", &mut text);
            bodies::mixed(random, &message, &mut text);
        }
        16 => {
            message.write_headers(random, "multipart/alternative", &mut text);
            calendar::invitation(random, &message, &mut text);
        }
        17 => {
            message.write_headers(random, "multipart/report", &mut text);
            bodies::report(random, &message, &mut text);
        }
        // A body that came as base64 is stored as a part of its own.
        18 => text = bodies::html(random, &message),
        _ => text = bodies::newsletter(random, &message),
    }
    text
}
