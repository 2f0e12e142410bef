//! People who write to each other.

use super::draw::Draw;
use super::words::{FIRST_NAMES, LAST_NAMES};

/// A name and an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// How many people outside the tenant write mail.
const OUTSIDERS: u64 = 900;

/// Domains of people outside the tenant.
const DOMAINS: &[&str] = &[
    "fabrikam.example",
    "contoso.example",
    "woodgrove.example",
    "proseware.example",
    "xn--mnchen-3ya.example",
    "mail.litware.example",
];

/// A person of the tenant, by mailbox number.
pub(crate) fn member(seed: u64, number: u32) -> Person {
    let mut draw = Draw::new(&[seed, 0x6d65_6d62, u64::from(number)]);
    let first = draw.word(FIRST_NAMES);
    let last = draw.word(LAST_NAMES);
    Person {
        name: format!("{first} {last}"),
        address: format!("{}{number}@sim.example", local_part(first, last)),
    }
}

/// Somebody outside, a few of them much more often.
pub(crate) fn outsider(seed: u64, draw: &mut Draw) -> Person {
    let who = draw.zipf(OUTSIDERS);
    let mut own = Draw::new(&[seed, 0x6f75_7473, who]);
    let first = own.word(FIRST_NAMES);
    let last = own.word(LAST_NAMES);
    Person {
        name: if own.one_in(12) {
            String::new()
        } else {
            format!("{first} {last}")
        },
        address: format!("{}{who}@{}", local_part(first, last), own.word(DOMAINS)),
    }
}

fn local_part(first: &str, last: &str) -> String {
    let mut text: String = format!("{first}.{last}")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect::<String>()
        .to_ascii_lowercase();
    if text.len() < 3 {
        text.push_str("person");
    }
    text.trim_matches('.').to_owned()
}
