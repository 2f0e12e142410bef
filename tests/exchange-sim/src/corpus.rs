//! Raw generated messages without a tenant, for benchmarks.

use crate::clock::START_UNIX_MILLIS;
use crate::content::plan::{MailProfile, World};
use crate::content::segment::collect;

/// A deterministic supply of messages.
#[derive(Clone, Debug)]
pub struct Corpus {
    world: World,
}

impl Corpus {
    /// The mail that a tenant with these settings starts with.
    #[must_use]
    pub fn new(seed: u64, mailboxes: u32, items_per_mailbox: u32, profile: MailProfile) -> Self {
        Self {
            world: World {
                seed,
                profile,
                start: START_UNIX_MILLIS / 1000,
                mailboxes,
                items: items_per_mailbox,
                unusual: true,
            },
        }
    }

    /// Message `number` of mailbox `mailbox`.
    #[must_use]
    pub fn raw_message(&self, mailbox: u32, number: u32) -> Vec<u8> {
        let plan = self.world.plan(mailbox, number, 0);
        collect(self.world.mime(&plan, 0))
    }

    /// The same message as another read would give it: with other boundaries.
    #[must_use]
    pub fn raw_message_again(&self, mailbox: u32, number: u32, read: u64) -> Vec<u8> {
        let plan = self.world.plan(mailbox, number, 0);
        collect(self.world.mime(&plan, read))
    }

    /// All messages of a mailbox, one after the other.
    pub fn messages(&self, mailbox: u32) -> impl Iterator<Item = Vec<u8>> + '_ {
        (0..self.world.items).map(move |number| self.raw_message(mailbox, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_promised() {
        let corpus = Corpus::new(11, 4, 1_500, MailProfile::Realistic);
        let mut sizes: Vec<usize> = corpus.messages(0).map(|raw| raw.len()).collect();
        sizes.sort_unstable();
        let at = |percent: usize| sizes[sizes.len() * percent / 100];
        assert!((16_000..34_000).contains(&at(50)), "median {}", at(50));
        assert!((90_000..200_000).contains(&at(95)), "p95 {}", at(95));
        assert!(sizes[sizes.len() - 1] > 1_000_000, "max {:?}", sizes.last());
        let small = Corpus::new(11, 4, 300, MailProfile::Small);
        let mut sizes: Vec<usize> = small.messages(0).map(|raw| raw.len()).collect();
        sizes.sort_unstable();
        assert!((2_500..6_500).contains(&sizes[150]), "{}", sizes[150]);
    }

    #[test]
    fn a_message_is_the_same_each_time_but_for_its_boundaries() {
        let corpus = Corpus::new(5, 2, 100, MailProfile::Realistic);
        for number in 0..100 {
            let first = corpus.raw_message(1, number);
            assert_eq!(first, corpus.raw_message(1, number));
            let again = corpus.raw_message_again(1, number, 9);
            assert_eq!(first.len(), again.len());
        }
        let differing = (0..100)
            .filter(|n| corpus.raw_message(1, *n) != corpus.raw_message_again(1, *n, 9))
            .count();
        assert!(differing > 60, "{differing}");
    }

    #[test]
    fn dates_of_nested_mail_are_ordinary_however_many_items_there_are() {
        for items in [1, 40, 100_000, 1_000_000] {
            let corpus = Corpus::new(5, 2, items, MailProfile::Small);
            let years = (0..40).map(|number| {
                let outer = corpus.world.plan(0, number % items, 0);
                let sent = corpus.world.nested_plan(&outer).sent;
                1_970 + sent / (366 * 86_400)
            });
            for year in years {
                assert!((2_020..2_030).contains(&year), "{year} of {items}");
            }
        }
    }

    #[test]
    fn attachments_are_shared_between_mailboxes() {
        let corpus = Corpus::new(5, 6, 400, MailProfile::Realistic);
        let mut seen = std::collections::HashMap::<String, u32>::new();
        for mailbox in 0..4 {
            for number in 0..400 {
                let plan = corpus.world.plan(mailbox, number, 0);
                for file in plan.files.iter().filter(|file| file.blob.len() < 200_000) {
                    let hash = blake3::hash(&file.blob.whole()).to_hex().to_string();
                    *seen.entry(hash).or_default() += 1;
                }
            }
        }
        let total: u32 = seen.values().sum();
        let repeated = total as usize - seen.len();
        assert!(repeated * 3 > total as usize, "{repeated} of {total}");
    }
}
