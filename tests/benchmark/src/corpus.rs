//! The generated mail, written to disk before anything is measured.
//!
//! Per mailbox: `mail` holds all messages one after the other; `<folder>.<stage>` lists one JSON
//! object per change, stage 0 for the first backup and stage 1 for the increment of one per cent.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};

use chrono::{DateTime, Utc};
use exchange_sim::{Corpus, MailProfile};
use mailkeep_content::{PlaceholderMime, SplitEvent, Splitter, parse_message};
use mailkeep_model::{Address, FolderId, Item, ItemId};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::draw::Draw;
use crate::layout::Layout;
use crate::shape::{Files, reshape};

/// Mailboxes in the corpus.
pub(crate) const MAILBOXES: u32 = 25;
/// Folders of each mailbox with their share of its items in per cent.
pub(crate) const FOLDERS: [(&str, u32); 10] = [
    ("Inbox", 35),
    ("Sent Items", 20),
    ("Archive", 15),
    ("Deleted Items", 8),
    ("Projects", 6),
    ("Customers", 5),
    ("Invoices", 4),
    ("Team", 3),
    ("Newsletters", 3),
    ("Travel", 1),
];
/// The simulated tenant has more messages of middle and of great size than ordinary mailboxes. So many of a
/// hundred are kept that sizes, and the share of text, are as in a collection of real and synthetic mail that other
/// tools were measured with: below 15, 45, 127 KB, and above.
const KEPT_PERCENT: [(usize, u32); 4] =
    [(15_000, 100), (45_000, 45), (127_000, 80), (usize::MAX, 45)];
/// A message of the tenant has about this many bytes on average, big ones included.
const MEAN_BYTES: u64 = 120_000;
/// Letters of an id after the place of the message: as long as Exchange Online's.
const ID_LETTERS: usize = 120;

/// How much mail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CorpusSize {
    pub(crate) megabytes: u64,
}

impl CorpusSize {
    pub(crate) fn of_megabytes(megabytes: u64) -> Self {
        Self {
            megabytes: megabytes.max(10),
        }
    }

    /// Bytes of one mailbox: the biggest is five times the smallest.
    fn of_mailbox(self, number: u32) -> u64 {
        let weight = u64::from(number % 5 + 1);
        self.megabytes * 1_000_000 * weight / (3 * u64::from(MAILBOXES))
    }
}

/// One change, as a line of a list.
#[derive(Serialize, Deserialize)]
pub(crate) enum Change {
    Present { item: Box<Item>, properties: String },
    Removed(ItemId),
}

/// What was generated.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CorpusFacts {
    pub(crate) mailboxes: u32,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) median_bytes: u64,
    pub(crate) p95_bytes: u64,
    /// Headers and bodies; the rest is attachments in base64.
    pub(crate) text_bytes: u64,
    /// Messages that only the increment brings.
    pub(crate) added_items: u64,
    pub(crate) added_bytes: u64,
    pub(crate) flagged_items: u64,
    pub(crate) removed_items: u64,
}

/// Writes the corpus.
pub(crate) fn generate(size: CorpusSize, layout: &Layout) -> Result<CorpusFacts, Failure> {
    let mean_items = size.megabytes * 1_000_000 / u64::from(MAILBOXES) / MEAN_BYTES;
    let mails = Corpus::new(
        20_261_122,
        MAILBOXES,
        u32::try_from(mean_items.max(10))?,
        MailProfile::Realistic,
    );
    let mut facts = CorpusFacts {
        mailboxes: MAILBOXES,
        ..CorpusFacts::default()
    };
    let mut sizes = vec![];
    for number in 0..MAILBOXES {
        let mut writer = MailboxWriter::create(layout, number)?;
        let wanted = size.of_mailbox(number);
        let mut files = Files::default();
        let mut count = 0;
        while writer.offset < wanted {
            let raw = mails.raw_message(number, count);
            let mut draw = Draw::new(number, count);
            let kept = KEPT_PERCENT.iter().find(|(limit, _)| raw.len() < *limit);
            let is_left_out = draw.below(100) >= kept.map_or(100, |(_, percent)| *percent);
            if !is_left_out {
                let raw = reshape(&raw, &mut files, &mut draw);
                sizes.push(u64::try_from(raw.len())?);
                facts.text_bytes += text_bytes(&raw);
                writer.add(&raw, &mut draw, &mut facts)?;
            }
            count += 1;
        }
        writer.finish()?;
    }
    sizes.sort_unstable();
    let at = |permille: usize| sizes.get(sizes.len() * permille / 1000).copied();
    facts.median_bytes = at(500).unwrap_or_default();
    facts.p95_bytes = at(950).unwrap_or_default();
    Ok(facts)
}

/// What the increment brings for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Same,
    New,
    OtherFlag,
    Removed,
}

impl Fate {
    /// One message of a hundred.
    fn draw(draw: &mut Draw) -> Self {
        match draw.below(1000) {
            0..7 => Self::New,
            7..9 => Self::OtherFlag,
            9 => Self::Removed,
            _ => Self::Same,
        }
    }
}

struct MailboxWriter {
    offset: u64,
    mail: BufWriter<File>,
    /// By folder: stage 0 and stage 1.
    lists: Vec<[BufWriter<File>; 2]>,
}

impl MailboxWriter {
    fn create(layout: &Layout, number: u32) -> Result<Self, Failure> {
        let folder = layout.mailbox(number);
        fs::create_dir_all(&folder)?;
        let open = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
        let mut lists = vec![];
        for index in 0..FOLDERS.len() {
            lists.push([open(&format!("{index}.0"))?, open(&format!("{index}.1"))?]);
        }
        Ok(Self {
            offset: 0,
            mail: open("mail")?,
            lists,
        })
    }

    fn add(&mut self, raw: &[u8], draw: &mut Draw, facts: &mut CorpusFacts) -> Result<(), Failure> {
        let fate = Fate::draw(draw);
        let folder = folder_index(draw.below(100));
        let place = Place {
            offset: self.offset,
            length: u64::try_from(raw.len())?,
        };
        let id = ItemId(format!("{}{}", place.to_text(), draw.id(ID_LETTERS)));
        let item = describe(raw, id.clone(), folder, draw);
        let mut other_flag = item.clone();
        other_flag.is_read = !item.is_read;
        other_flag.change_key = draw.id(40);
        let properties = properties(draw);
        let present = |item: Item| Change::Present {
            item: Box::new(item),
            properties: properties.clone(),
        };
        let Some([first, second]) = self.lists.get_mut(folder) else {
            return Err("no such folder".into());
        };
        if fate == Fate::New {
            facts.added_items += 1;
            facts.added_bytes += place.length;
            line(second, &present(item))?;
        } else {
            facts.items += 1;
            facts.bytes += place.length;
            line(first, &present(item))?;
        }
        if fate == Fate::OtherFlag {
            facts.flagged_items += 1;
            line(second, &present(other_flag))?;
        } else if fate == Fate::Removed {
            facts.removed_items += 1;
            line(second, &Change::Removed(id))?;
        }
        self.mail.write_all(raw)?;
        self.offset += place.length;
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.mail.flush()?;
        for list in self.lists.iter_mut().flatten() {
            list.flush()?;
        }
        Ok(())
    }
}

fn line(list: &mut BufWriter<File>, change: &Change) -> Result<(), Failure> {
    serde_json::to_writer(&mut *list, change)?;
    list.write_all(b"\n")?;
    Ok(())
}

/// Where a message lies in its mailbox's `mail`: the first 24 letters of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Place {
    fn to_text(self) -> String {
        format!("{:012x}{:012x}", self.offset, self.length)
    }

    pub(crate) fn of(id: &ItemId) -> Option<Self> {
        let number = |from, to| u64::from_str_radix(id.as_str().get(from..to)?, 16).ok();
        Some(Self {
            offset: number(0, 12)?,
            length: number(12, 24)?,
        })
    }
}

fn folder_index(percent: u32) -> usize {
    let mut below = 0;
    FOLDERS
        .iter()
        .position(|(_, share)| {
            below += share;
            percent < below
        })
        .unwrap_or(0)
}

/// Metadata as a source would report it.
fn describe(raw: &[u8], id: ItemId, folder: usize, draw: &mut Draw) -> Item {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n");
    let head = raw.get(..end.map_or(raw.len(), |at| at + 4));
    let head = PlaceholderMime::from_bytes(head.unwrap_or_default().to_vec());
    let parsed = parse_message(&head);
    let value = |name: &str| {
        let found = parsed
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let date = DateTime::parse_from_rfc2822(&value("date")).ok();
    let date = date.map(|date| date.with_timezone(&Utc));
    let mut item = Item::new(id, FolderId(FOLDERS.get(folder).map_or("", |f| f.0).into()));
    item.change_key = draw.id(40);
    item.subject = value("subject");
    item.from = addresses(&value("from")).pop().unwrap_or_default();
    item.to = addresses(&value("to"));
    item.cc = addresses(&value("cc"));
    item.sent_at = date;
    item.received_at = date;
    item.created_at = date;
    item.modified_at = date;
    item.size_bytes = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    item.internet_message_id = value("message-id");
    item.conversation_id = draw.id(100);
    item.is_read = draw.below(5) > 0;
    item.has_attachments = value("content-type").starts_with("multipart/mixed");
    item
}

fn addresses(list: &str) -> Vec<Address> {
    list.split(">,")
        .filter(|one| !one.trim().is_empty())
        .map(|one| {
            let (name, address) = one.rsplit_once('<').unwrap_or(("", one));
            Address {
                name: name.trim().trim_matches('"').to_owned(),
                address: address.trim().trim_end_matches('>').to_owned(),
            }
        })
        .collect()
}

/// What MIME lacks, about as much as the Graph connector keeps.
fn properties(draw: &mut Draw) -> String {
    format!(
        r#"{{"conversationIndex":"AQHc{}","inferenceClassification":"focused","singleValueExtendedProperties":[{{"id":"Binary 0x300b","value":"{}=="}}]}}"#,
        draw.id(32),
        draw.id(22)
    )
}

/// Bytes that are not attachments in base64.
fn text_bytes(raw: &[u8]) -> u64 {
    let mut text = 0;
    let mut sink = |event: SplitEvent<'_>| {
        if let SplitEvent::Text(bytes) = event {
            text += u64::try_from(bytes.len()).unwrap_or(0);
        }
    };
    let mut splitter = Splitter::new();
    splitter.push(raw, &mut sink);
    splitter.finish(&mut sink);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_id() {
        let place = Place {
            offset: 1 << 40,
            length: 77,
        };
        let id = ItemId(format!("{}rest", place.to_text()));
        assert_eq!(Place::of(&id), Some(place));
        assert_eq!(Place::of(&ItemId("short".into())), None);
    }

    #[test]
    fn shares_of_folders_fill_a_hundred() {
        assert_eq!(FOLDERS.iter().map(|folder| folder.1).sum::<u32>(), 100);
        assert_eq!(folder_index(0), 0);
        assert_eq!(folder_index(99), FOLDERS.len() - 1);
    }

    #[test]
    fn metadata_comes_from_the_header() {
        let raw = b"From: \"A, B\" <a@b.example>\r\nTo: C <c@d.example>, e@f.example\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\nbody";
        let item = describe(raw, ItemId("i".into()), 0, &mut Draw::new(0, 0));
        assert_eq!(item.from.address, "a@b.example");
        assert_eq!((item.from.name.as_str(), item.to.len()), ("A, B", 2));
        assert_eq!(item.internet_message_id, "<1@x>");
    }
}
