//! Which items to list.

use chrono::{DateTime, Utc};
use mailkeep_model::{Address, FolderId, Item};
use serde::{Deserialize, Serialize};

/// Which items to list. Everything that is set must hold. Texts are compared without regard to case
/// and match anywhere inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemFilter {
    /// Only in these folders (not the folders below them); `None` means all.
    pub folders: Option<Vec<FolderId>>,
    /// In the name or address of `from` or the sender.
    pub sender: Option<String>,
    /// In the name or address of a recipient.
    pub recipient: Option<String>,
    /// In the subject.
    pub subject: Option<String>,
    /// In the subject, a name, an address, a category or the message id.
    pub text: Option<String>,
    /// Received (or sent, or created) at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Received (or sent, or created) before this time.
    pub before: Option<DateTime<Utc>>,
    /// At least this size.
    pub min_size_bytes: Option<u64>,
    /// At most this size.
    pub max_size_bytes: Option<u64>,
    /// With or without attachments.
    pub has_attachments: Option<bool>,
    /// Read or unread.
    pub is_read: Option<bool>,
    /// With one of these categories, compared whole but without regard to case. Empty: any.
    pub categories: Vec<String>,
    /// Also items that were removed at the source.
    pub include_deleted: bool,
}

/// A filter made ready for many items.
pub(crate) struct Matcher {
    filter: ItemFilter,
}

impl Matcher {
    /// Lowers the case of every text once.
    pub(crate) fn new(filter: &ItemFilter) -> Self {
        let mut filter = filter.clone();
        for text in [
            &mut filter.sender,
            &mut filter.recipient,
            &mut filter.subject,
            &mut filter.text,
        ]
        .into_iter()
        .flatten()
        .chain(&mut filter.categories)
        {
            *text = text.to_lowercase();
        }
        Self { filter }
    }

    /// True when the item fits. Folders and removal are the caller's.
    pub(crate) fn matches(&self, item: &Item) -> bool {
        let filter = &self.filter;
        let at = item.sort_time();
        filter.since.is_none_or(|since| at >= since)
            && filter.before.is_none_or(|before| at < before)
            && filter
                .min_size_bytes
                .is_none_or(|min| item.size_bytes >= min)
            && filter
                .max_size_bytes
                .is_none_or(|max| item.size_bytes <= max)
            && filter
                .has_attachments
                .is_none_or(|has| item.has_attachments == has)
            && filter.is_read.is_none_or(|is_read| item.is_read == is_read)
            && self.matches_texts(item)
    }

    fn matches_texts(&self, item: &Item) -> bool {
        let filter = &self.filter;
        let wanted = |needle: &Option<String>, found: &dyn Fn(&str) -> bool| {
            needle.as_deref().is_none_or(found)
        };
        let sender = |needle: &str| {
            std::iter::once(&item.from)
                .chain(&item.sender)
                .any(|address| names(address, needle))
        };
        let recipient = |needle: &str| {
            item.to
                .iter()
                .chain(&item.cc)
                .chain(&item.bcc)
                .any(|address| names(address, needle))
        };
        let subject = |needle: &str| contains(&item.subject, needle);
        let anywhere = |needle: &str| {
            subject(needle)
                || sender(needle)
                || recipient(needle)
                || item.categories.iter().any(|name| contains(name, needle))
                || contains(&item.internet_message_id, needle)
        };
        wanted(&filter.subject, &subject)
            && wanted(&filter.sender, &sender)
            && wanted(&filter.recipient, &recipient)
            && wanted(&filter.text, &anywhere)
            && (filter.categories.is_empty() || self.matches_category(item))
    }

    fn matches_category(&self, item: &Item) -> bool {
        item.categories
            .iter()
            .map(|name| name.to_lowercase())
            .any(|name| self.filter.categories.contains(&name))
    }
}

fn names(address: &Address, needle: &str) -> bool {
    contains(&address.name, needle) || contains(&address.address, needle)
}

/// `needle` is lower case already.
fn contains(text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use mailkeep_model::ItemId;

    fn item() -> Item {
        let person = |name: &str, address: &str| Address {
            name: name.into(),
            address: address.into(),
        };
        let mut item = Item::new(ItemId("i".into()), FolderId("f".into()));
        item.subject = "Größe des Büros".into();
        item.from = person("Ada Lovelace", "ada@example.com");
        item.cc = vec![person("Grace", "grace@example.org")];
        item.received_at = Some(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap());
        item.size_bytes = 100;
        item.categories = vec!["Rot".into()];
        item.internet_message_id = "<abc@x>".into();
        item
    }

    #[test]
    fn each_criterion_accepts_and_refuses() {
        type Set = fn(&mut ItemFilter, bool);
        let cases: [(&str, Set); 12] = [
            ("subject", |f, ok| {
                f.subject = Some(if ok { "GRÖSSE DES" } else { "klein" }.replace("SS", "ß"))
            }),
            ("sender", |f, ok| {
                f.sender = Some(if ok { "LOVE" } else { "grace" }.into())
            }),
            ("recipient", |f, ok| {
                f.recipient = Some(if ok { "example.ORG" } else { "ada" }.into())
            }),
            ("text", |f, ok| {
                f.text = Some(if ok { "ABC@" } else { "zzz" }.into())
            }),
            ("text in category", |f, ok| {
                f.text = Some(if ok { "rOt" } else { "blau" }.into())
            }),
            ("since", |f, ok| {
                f.since = Utc
                    .with_ymd_and_hms(2026, 3, 1, if ok { 12 } else { 13 }, 0, 0)
                    .single()
            }),
            ("before", |f, ok| {
                f.before = Utc
                    .with_ymd_and_hms(2026, 3, 1, if ok { 13 } else { 12 }, 0, 0)
                    .single()
            }),
            ("min", |f, ok| {
                f.min_size_bytes = Some(if ok { 100 } else { 101 })
            }),
            ("max", |f, ok| {
                f.max_size_bytes = Some(if ok { 100 } else { 99 })
            }),
            ("attachments", |f, ok| f.has_attachments = Some(!ok)),
            ("read", |f, ok| f.is_read = Some(!ok)),
            ("category", |f, ok| {
                f.categories = vec![if ok { "rOT" } else { "ro" }.into()]
            }),
        ];
        for (name, set) in cases {
            for ok in [true, false] {
                let mut filter = ItemFilter::default();
                set(&mut filter, ok);
                assert_eq!(Matcher::new(&filter).matches(&item()), ok, "{name} {ok}");
            }
        }
        assert!(Matcher::new(&ItemFilter::default()).matches(&item()));
    }
}
