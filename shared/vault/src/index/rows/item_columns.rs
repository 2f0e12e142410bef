//! The metadata of many items in columns.

use chrono::{DateTime, Utc};
use mailkeep_model::{Address, Flag, FolderId, Item, ItemId, ItemKind};

use crate::index::rows::codes;
use crate::index::rows::column::{
    Malformed, NumberReader, TextColumn, TextReader, TimeColumn, TimeReader,
};

const IS_READ: u32 = 1;
const IS_DRAFT: u32 = 1 << 1;
const HAS_ATTACHMENTS: u32 = 1 << 2;
const HAS_SENDER: u32 = 1 << 3;
const HAS_SENT: u32 = 1 << 4;
const HAS_RECEIVED: u32 = 1 << 5;
const HAS_CREATED: u32 = 1 << 6;
const HAS_MODIFIED: u32 = 1 << 7;
const HAS_FLAG_START: u32 = 1 << 8;
const HAS_FLAG_DUE: u32 = 1 << 9;
const HAS_FLAG_COMPLETED: u32 = 1 << 10;
/// The kind does not follow from the class.
const HAS_KIND: u32 = 1 << 11;
const FLAG_SHIFT: u32 = 12;
const IMPORTANCE_SHIFT: u32 = 14;
const SENSITIVITY_SHIFT: u32 = 16;

/// Names and addresses.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressColumn {
    #[prost(message, required, tag = "1")]
    names: TextColumn,
    #[prost(message, required, tag = "2")]
    addresses: TextColumn,
}

impl AddressColumn {
    fn push(&mut self, address: &Address) {
        self.names.push(&address.name);
        self.addresses.push(&address.address);
    }
}

/// Lists of recipients: how many each item has, then all of them.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RecipientColumn {
    #[prost(uint32, repeated, tag = "1")]
    counts: Vec<u32>,
    #[prost(message, required, tag = "2")]
    recipients: AddressColumn,
}

impl RecipientColumn {
    fn push(&mut self, recipients: &[Address]) {
        let count = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
        self.counts.push(count);
        recipients
            .iter()
            .for_each(|recipient| self.recipients.push(recipient));
    }
}

/// Every field of many [`Item`]s but the folder, which the row gives as a number.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ItemColumns {
    #[prost(uint32, repeated, tag = "1")]
    flags: Vec<u32>,
    #[prost(message, required, tag = "2")]
    ids: TextColumn,
    #[prost(message, required, tag = "3")]
    change_keys: TextColumn,
    #[prost(message, required, tag = "4")]
    classes: TextColumn,
    #[prost(uint32, repeated, tag = "5")]
    kinds: Vec<u32>,
    #[prost(message, required, tag = "6")]
    subjects: TextColumn,
    #[prost(message, required, tag = "7")]
    from: AddressColumn,
    #[prost(message, required, tag = "8")]
    senders: AddressColumn,
    #[prost(message, required, tag = "9")]
    to: RecipientColumn,
    #[prost(message, required, tag = "10")]
    cc: RecipientColumn,
    #[prost(message, required, tag = "11")]
    bcc: RecipientColumn,
    #[prost(message, required, tag = "12")]
    received: TimeColumn,
    #[prost(message, required, tag = "13")]
    sent: TimeColumn,
    #[prost(message, required, tag = "14")]
    created: TimeColumn,
    #[prost(message, required, tag = "15")]
    modified: TimeColumn,
    #[prost(uint64, repeated, tag = "16")]
    sizes: Vec<u64>,
    #[prost(message, required, tag = "17")]
    message_ids: TextColumn,
    #[prost(message, required, tag = "18")]
    conversations: TextColumn,
    #[prost(message, required, tag = "19")]
    flag_times: TimeColumn,
    #[prost(uint32, repeated, tag = "20")]
    category_counts: Vec<u32>,
    #[prost(message, required, tag = "21")]
    categories: TextColumn,
}

/// The time that the next time is kept relative to: within an item the one before it, and for the
/// first one of an item the first one of the item before.
#[derive(Clone, Copy, Default)]
struct Reference {
    item: i64,
    within: Option<i64>,
}

impl Reference {
    fn value(self) -> i64 {
        self.within.unwrap_or(self.item)
    }

    fn saw(&mut self, time: DateTime<Utc>) {
        if self.within.is_none() {
            self.item = time.timestamp();
        }
        self.within = Some(time.timestamp());
    }
}

/// Fills [`ItemColumns`].
#[derive(Default)]
pub(crate) struct ItemWriter {
    columns: ItemColumns,
    reference: Reference,
}

impl ItemWriter {
    /// Appends an item.
    pub(crate) fn push(&mut self, item: &Item) {
        let columns = &mut self.columns;
        columns.flags.push(flags(item));
        columns.ids.push_id(&item.id.0);
        columns.change_keys.push_id(&item.change_key);
        columns.classes.push(&item.class);
        if item.kind != ItemKind::from_class(&item.class) {
            columns.kinds.push(codes::kind_code(item.kind));
        }
        columns.subjects.push(&item.subject);
        columns.from.push(&item.from);
        if let Some(sender) = &item.sender {
            columns.senders.push(sender);
        }
        columns.to.push(&item.to);
        columns.cc.push(&item.cc);
        columns.bcc.push(&item.bcc);
        self.push_times(item);
        let columns = &mut self.columns;
        columns.sizes.push(item.size_bytes);
        columns.message_ids.push(&item.internet_message_id);
        columns.conversations.push_id(&item.conversation_id);
        columns
            .category_counts
            .push(u32::try_from(item.categories.len()).unwrap_or(u32::MAX));
        for category in &item.categories {
            columns.categories.push(category);
        }
    }

    fn push_times(&mut self, item: &Item) {
        let mut reference = Reference {
            item: self.reference.item,
            within: None,
        };
        let columns = &mut self.columns;
        let mut push = |column: &mut TimeColumn, time: Option<DateTime<Utc>>| {
            if let Some(time) = time {
                column.push(time, reference.value());
                reference.saw(time);
            }
        };
        push(&mut columns.received, item.received_at);
        push(&mut columns.sent, item.sent_at);
        push(&mut columns.created, item.created_at);
        push(&mut columns.modified, item.modified_at);
        push(&mut columns.flag_times, item.flag.start_at);
        push(&mut columns.flag_times, item.flag.due_at);
        push(&mut columns.flag_times, item.flag.completed_at);
        self.reference = reference;
    }

    /// The columns.
    pub(crate) fn finish(self) -> ItemColumns {
        self.columns
    }
}

fn flags(item: &Item) -> u32 {
    [
        (item.is_read, IS_READ),
        (item.is_draft, IS_DRAFT),
        (item.has_attachments, HAS_ATTACHMENTS),
        (item.sender.is_some(), HAS_SENDER),
        (item.sent_at.is_some(), HAS_SENT),
        (item.received_at.is_some(), HAS_RECEIVED),
        (item.created_at.is_some(), HAS_CREATED),
        (item.modified_at.is_some(), HAS_MODIFIED),
        (item.flag.start_at.is_some(), HAS_FLAG_START),
        (item.flag.due_at.is_some(), HAS_FLAG_DUE),
        (item.flag.completed_at.is_some(), HAS_FLAG_COMPLETED),
        (item.kind != ItemKind::from_class(&item.class), HAS_KIND),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .fold(0, |flags, (_, bit)| flags | bit)
        | codes::flag_code(item.flag.status) << FLAG_SHIFT
        | codes::importance_code(item.importance) << IMPORTANCE_SHIFT
        | codes::sensitivity_code(item.sensitivity) << SENSITIVITY_SHIFT
}

struct AddressReader<'a> {
    names: TextReader<'a>,
    addresses: TextReader<'a>,
}

impl<'a> AddressReader<'a> {
    fn new(column: &'a AddressColumn) -> Self {
        Self {
            names: column.names.reader(),
            addresses: column.addresses.reader(),
        }
    }

    fn next(&mut self) -> Result<Address, Malformed> {
        Ok(Address {
            name: self.names.next()?,
            address: self.addresses.next()?,
        })
    }
}

struct RecipientReader<'a> {
    counts: NumberReader<'a, u32>,
    recipients: AddressReader<'a>,
}

impl<'a> RecipientReader<'a> {
    fn new(column: &'a RecipientColumn) -> Self {
        Self {
            counts: NumberReader::new(&column.counts),
            recipients: AddressReader::new(&column.recipients),
        }
    }

    fn next(&mut self) -> Result<Vec<Address>, Malformed> {
        // A count that lies runs into the end of the column; nothing is reserved by it.
        let count = self.counts.next()?;
        (0..count).map(|_| self.recipients.next()).collect()
    }
}

/// Reads [`ItemColumns`] item by item.
pub(crate) struct ItemReaderColumns<'a> {
    flags: NumberReader<'a, u32>,
    ids: TextReader<'a>,
    change_keys: TextReader<'a>,
    classes: TextReader<'a>,
    kinds: NumberReader<'a, u32>,
    subjects: TextReader<'a>,
    from: AddressReader<'a>,
    senders: AddressReader<'a>,
    to: RecipientReader<'a>,
    cc: RecipientReader<'a>,
    bcc: RecipientReader<'a>,
    received: TimeReader<'a>,
    sent: TimeReader<'a>,
    created: TimeReader<'a>,
    modified: TimeReader<'a>,
    sizes: NumberReader<'a, u64>,
    message_ids: TextReader<'a>,
    conversations: TextReader<'a>,
    flag_times: TimeReader<'a>,
    category_counts: NumberReader<'a, u32>,
    categories: TextReader<'a>,
    reference: Reference,
}

impl<'a> ItemReaderColumns<'a> {
    /// Starts at the first item.
    pub(crate) fn new(columns: &'a ItemColumns) -> Self {
        Self {
            flags: NumberReader::new(&columns.flags),
            ids: columns.ids.reader(),
            change_keys: columns.change_keys.reader(),
            classes: columns.classes.reader(),
            kinds: NumberReader::new(&columns.kinds),
            subjects: columns.subjects.reader(),
            from: AddressReader::new(&columns.from),
            senders: AddressReader::new(&columns.senders),
            to: RecipientReader::new(&columns.to),
            cc: RecipientReader::new(&columns.cc),
            bcc: RecipientReader::new(&columns.bcc),
            received: columns.received.reader(),
            sent: columns.sent.reader(),
            created: columns.created.reader(),
            modified: columns.modified.reader(),
            sizes: NumberReader::new(&columns.sizes),
            message_ids: columns.message_ids.reader(),
            conversations: columns.conversations.reader(),
            flag_times: columns.flag_times.reader(),
            category_counts: NumberReader::new(&columns.category_counts),
            categories: columns.categories.reader(),
            reference: Reference::default(),
        }
    }

    /// The next item, in `folder`.
    pub(crate) fn next(&mut self, folder: FolderId) -> Result<Item, Malformed> {
        let flags = self.flags.next()?;
        let has = |bit: u32| flags & bit != 0;
        let mut item = Item::new(ItemId(self.ids.next()?), folder);
        item.change_key = self.change_keys.next()?;
        item.class = self.classes.next()?;
        item.kind = if has(HAS_KIND) {
            codes::kind(self.kinds.next()?)
        } else {
            ItemKind::from_class(&item.class)
        };
        item.subject = self.subjects.next()?;
        item.from = self.from.next()?;
        if has(HAS_SENDER) {
            item.sender = Some(self.senders.next()?);
        }
        item.to = self.to.next()?;
        item.cc = self.cc.next()?;
        item.bcc = self.bcc.next()?;
        self.read_times(flags, &mut item)?;
        item.size_bytes = self.sizes.next()?;
        item.internet_message_id = self.message_ids.next()?;
        item.conversation_id = self.conversations.next()?;
        let categories = self.category_counts.next()?;
        item.categories = (0..categories)
            .map(|_| self.categories.next())
            .collect::<Result<_, _>>()?;
        item.is_read = has(IS_READ);
        item.is_draft = has(IS_DRAFT);
        item.has_attachments = has(HAS_ATTACHMENTS);
        item.flag.status = codes::flag((flags >> FLAG_SHIFT) & 3);
        item.importance = codes::importance((flags >> IMPORTANCE_SHIFT) & 3);
        item.sensitivity = codes::sensitivity((flags >> SENSITIVITY_SHIFT) & 3);
        Ok(item)
    }

    fn read_times(&mut self, flags: u32, item: &mut Item) -> Result<(), Malformed> {
        let mut reference = Reference {
            item: self.reference.item,
            within: None,
        };
        let mut read = |column: &mut TimeReader<'_>, bit: u32| {
            if flags & bit == 0 {
                return Ok(None);
            }
            let time = column.next(reference.value())?;
            reference.saw(time);
            Ok(Some(time))
        };
        item.received_at = read(&mut self.received, HAS_RECEIVED)?;
        item.sent_at = read(&mut self.sent, HAS_SENT)?;
        item.created_at = read(&mut self.created, HAS_CREATED)?;
        item.modified_at = read(&mut self.modified, HAS_MODIFIED)?;
        item.flag = Flag {
            start_at: read(&mut self.flag_times, HAS_FLAG_START)?,
            due_at: read(&mut self.flag_times, HAS_FLAG_DUE)?,
            completed_at: read(&mut self.flag_times, HAS_FLAG_COMPLETED)?,
            ..item.flag.clone()
        };
        self.reference = reference;
        Ok(())
    }
}
