//! What a target folder holds already.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use mailkeep_exchange::ExistingItem;
use mailkeep_model::{Item, ItemId};

/// What makes two items the same to a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity {
    MessageId(String),
    /// Where there is no `Message-ID`.
    Envelope(String, Option<DateTime<Utc>>),
}

fn identity(message_id: &str, subject: &str, received_at: Option<DateTime<Utc>>) -> Identity {
    if message_id.trim().is_empty() {
        Identity::Envelope(subject.to_owned(), received_at)
    } else {
        Identity::MessageId(message_id.trim().to_owned())
    }
}

/// What an item meets in its target folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meeting {
    /// An earlier restore brought this very version and finished.
    pub(super) is_already_there: bool,
    /// An earlier restore left these unfinished.
    pub(super) unfinished: Vec<ItemId>,
    /// Items that are the same to a person and that this restore did not bring.
    pub(super) conflicts: Vec<ItemId>,
}

/// A target folder's items, by marker and by identity.
#[derive(Debug, Default)]
pub(super) struct ExistingItems {
    by_marker: HashMap<String, Vec<(ItemId, bool)>>,
    by_identity: HashMap<Identity, Vec<(ItemId, Option<String>)>>,
}

impl ExistingItems {
    pub(super) fn new(items: Vec<ExistingItem>) -> Self {
        let mut existing = Self::default();
        for item in items {
            if let Some(marker) = &item.marker {
                let same = existing.by_marker.entry(marker.clone()).or_default();
                same.push((item.id.clone(), item.is_finished));
                if !item.is_finished {
                    continue;
                }
            }
            let identity = identity(&item.internet_message_id, &item.subject, item.received_at);
            let same = existing.by_identity.entry(identity).or_default();
            same.push((item.id, item.marker));
        }
        existing
    }

    /// True when some item was brought by a restore, this one or another.
    pub(super) fn has_markers(&self) -> bool {
        !self.by_marker.is_empty()
    }

    /// What `item` with this marker meets; `own` are the markers of this restore in this folder:
    /// what it brought earlier is no conflict, even when two items have one `Message-ID`.
    pub(super) fn meet(&self, item: &Item, marker: &str, own: &HashSet<String>) -> Meeting {
        let mut meeting = Meeting::default();
        for (id, is_finished) in self.by_marker.get(marker).into_iter().flatten() {
            if *is_finished {
                meeting.is_already_there = true;
            } else {
                meeting.unfinished.push(id.clone());
            }
        }
        let identity = identity(&item.internet_message_id, &item.subject, item.received_at);
        for (id, other) in self.by_identity.get(&identity).into_iter().flatten() {
            if !other
                .as_ref()
                .is_some_and(|other| other == marker || own.contains(other))
            {
                meeting.conflicts.push(id.clone());
            }
        }
        meeting
    }
}

#[cfg(test)]
mod tests {
    use mailkeep_model::FolderId;

    use super::*;

    fn existing(id: &str, marker: Option<&str>, is_finished: bool, message: &str) -> ExistingItem {
        ExistingItem {
            id: ItemId(id.into()),
            marker: marker.map(Into::into),
            is_finished,
            internet_message_id: message.into(),
            subject: "s".into(),
            received_at: None,
        }
    }

    #[test]
    fn own_work_is_no_conflict_and_other_work_is() {
        let folder = ExistingItems::new(vec![
            existing("a", Some("m1"), true, "<1>"),
            existing("b", Some("m2"), false, "<1>"),
            existing("c", None, true, "<1>"),
            existing("d", Some("other"), true, "<1>"),
            existing("e", None, true, ""),
        ]);
        let mut item = Item::new(ItemId("x".into()), FolderId("f".into()));
        item.internet_message_id = "<1>".into();
        item.subject = "s".into();
        let own = HashSet::from(["m1".to_owned(), "m2".to_owned()]);
        let met = folder.meet(&item, "m1", &own);
        assert!(met.is_already_there);
        assert_eq!(met.conflicts, [ItemId("c".into()), ItemId("d".into())]);
        let met = folder.meet(&item, "m2", &own);
        assert!(!met.is_already_there);
        assert_eq!(met.unfinished, [ItemId("b".into())]);
        item.internet_message_id = String::new();
        assert_eq!(
            folder.meet(&item, "m3", &own).conflicts,
            [ItemId("e".into())]
        );
    }
}
