//! A fingerprint of an item's metadata, so that a writer recognises an unchanged item without
//! holding its row.

use chrono::{DateTime, Utc};
use mailkeep_model::{Address, Item};

use crate::index::rows::codes;

/// Collects fields. A field that is empty leaves no trace, so that a field that a later version
/// adds does not make every stored item look changed.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn bytes(&mut self, tag: u8, value: &[u8]) {
        if !value.is_empty() {
            self.0.push(tag);
            let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
            self.0.extend_from_slice(&length.to_le_bytes());
            self.0.extend_from_slice(value);
        }
    }

    fn number(&mut self, tag: u8, value: u64) {
        if value != 0 {
            self.bytes(tag, &value.to_le_bytes());
        }
    }

    fn time(&mut self, tag: u8, value: Option<DateTime<Utc>>) {
        if let Some(time) = value {
            let mut bytes = time.timestamp().to_le_bytes().to_vec();
            bytes.extend_from_slice(&time.timestamp_subsec_nanos().to_le_bytes());
            self.bytes(tag, &bytes);
        }
    }

    fn address(&mut self, tag: u8, address: &Address) {
        let mut inner = Self::default();
        inner.bytes(1, address.name.as_bytes());
        inner.bytes(2, address.address.as_bytes());
        // An empty address in a list still counts.
        self.0.push(tag);
        self.bytes(tag, &inner.0);
    }
}

/// The fingerprint. Equal for equal items, different (but for chance) for different ones.
pub(crate) fn item_hash(item: &Item) -> u64 {
    let mut fields = Fields::default();
    fields.bytes(1, item.id.0.as_bytes());
    fields.bytes(2, item.change_key.as_bytes());
    fields.bytes(3, item.folder.0.as_bytes());
    fields.bytes(4, item.class.as_bytes());
    fields.number(5, codes::kind_code(item.kind).into());
    fields.bytes(6, item.subject.as_bytes());
    if item.from != Address::default() {
        fields.address(7, &item.from);
    }
    item.sender.iter().for_each(|it| fields.address(8, it));
    item.to.iter().for_each(|it| fields.address(9, it));
    item.cc.iter().for_each(|it| fields.address(10, it));
    item.bcc.iter().for_each(|it| fields.address(11, it));
    fields.time(12, item.sent_at);
    fields.time(13, item.received_at);
    fields.time(14, item.created_at);
    fields.time(15, item.modified_at);
    fields.number(16, item.size_bytes);
    fields.bytes(17, item.internet_message_id.as_bytes());
    fields.bytes(18, item.conversation_id.as_bytes());
    fields.number(19, item.is_read.into());
    fields.number(20, item.is_draft.into());
    fields.number(21, item.has_attachments.into());
    fields.number(22, codes::flag_code(item.flag.status).into());
    fields.time(23, item.flag.start_at);
    fields.time(24, item.flag.due_at);
    fields.time(25, item.flag.completed_at);
    for category in &item.categories {
        fields.0.push(26);
        fields.bytes(26, category.as_bytes());
    }
    fields.number(27, codes::importance_code(item.importance).into());
    fields.number(28, codes::sensitivity_code(item.sensitivity).into());
    let hash = blake3::hash(&fields.0);
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_model::{FolderId, ItemId};

    #[test]
    fn every_field_counts() {
        let base = Item::new(ItemId("a".into()), FolderId("f".into()));
        let person = |name: &str| Address {
            name: name.into(),
            address: String::new(),
        };
        type Change = Box<dyn Fn(&mut Item)>;
        let changes: Vec<Change> = vec![
            Box::new(|item| item.change_key = "x".into()),
            Box::new(|item| item.folder = FolderId("x".into())),
            Box::new(|item| item.subject = "x".into()),
            Box::new(|item| item.internet_message_id = "x".into()),
            Box::new(move |item| item.to = vec![person("x")]),
            Box::new(move |item| item.cc = vec![person("x")]),
            Box::new(move |item| item.cc = vec![person(""), person("x")]),
            Box::new(move |item| item.cc = vec![person("")]),
            Box::new(|item| item.is_read = true),
            Box::new(|item| item.is_draft = true),
            Box::new(|item| item.sent_at = Some(DateTime::default())),
            Box::new(|item| item.received_at = Some(DateTime::default())),
            Box::new(|item| item.categories = vec![String::new()]),
            Box::new(|item| item.categories = vec![String::new(), String::new()]),
            Box::new(|item| item.size_bytes = 1),
        ];
        let mut seen = vec![item_hash(&base)];
        for change in changes {
            let mut item = base.clone();
            change(&mut item);
            seen.push(item_hash(&item));
        }
        let mut distinct = seen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), seen.len());
    }
}
