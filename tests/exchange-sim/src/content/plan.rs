//! What one generated message is like: decided from numbers alone, before any byte of it exists.

use super::draw::Draw;
use super::files::{PlannedFile, choose_files};
use super::people::{Person, member, outsider};
use super::words::{Language, subject};
use crate::numbers::{index, low32, mix, signed, wide};

/// How big generated mail is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailProfile {
    /// Median 24 KB, one in twenty above 127 KB, some of several megabytes.
    #[default]
    Realistic,
    /// 3 to 5 KB without big attachments, for mailboxes of a million items.
    Small,
}

/// All that generated mail depends on besides its numbers.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) profile: MailProfile,
    /// Seconds since 1970 at which the tenant starts.
    pub(crate) start: i64,
    /// Mailboxes whose people write to each other.
    pub(crate) mailboxes: u32,
    /// Items that every mailbox starts with.
    pub(crate) items: u32,
    /// Some messages are unusual or broken.
    pub(crate) unusual: bool,
}

/// What is unusual about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Ordinary,
    PlainText,
    Nested,
    Signed,
    Encrypted,
    Unclosed,
    BadBase64,
    Empty,
    NoMessageId,
    NoDate,
    HugeHeaders,
    EightBit,
    Uuencode,
    LongLine,
    Invitation,
    Link,
    BareLineFeeds,
    OddLines,
    SharedMessageId,
}

const UNUSUAL: &[Shape] = &[
    Shape::PlainText,
    Shape::Nested,
    Shape::Signed,
    Shape::Encrypted,
    Shape::Unclosed,
    Shape::BadBase64,
    Shape::Empty,
    Shape::NoMessageId,
    Shape::NoDate,
    Shape::HugeHeaders,
    Shape::EightBit,
    Shape::Uuencode,
    Shape::LongLine,
    Shape::Invitation,
    Shape::Link,
    Shape::BareLineFeeds,
    Shape::OddLines,
    Shape::SharedMessageId,
];

/// One generated message.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Distinguishes this message from all others.
    pub(crate) key: u64,
    /// Rises with every edit of the body.
    pub(crate) version: u32,
    pub(crate) shape: Shape,
    pub(crate) language: Language,
    pub(crate) from: Person,
    pub(crate) to: Vec<Person>,
    pub(crate) cc: Vec<Person>,
    pub(crate) bcc: Vec<Person>,
    pub(crate) subject: String,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) message_id: Option<String>,
    pub(crate) conversation: u64,
    pub(crate) is_reply: bool,
    pub(crate) importance: u8,
    pub(crate) sensitivity: u8,
    /// Bytes that the text parts should take.
    pub(crate) text_bytes: u64,
    pub(crate) files: Vec<PlannedFile>,
}

/// Where a generated message lies at first, and in which state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub(crate) is_outgoing: bool,
    pub(crate) is_read: bool,
    pub(crate) is_flagged: bool,
    /// Decides the folder.
    pub(crate) folder_draw: u64,
}

impl Placement {
    /// For the message with this key.
    pub(crate) fn of(key: u64) -> Self {
        let mut draw = Draw::new(&[key, 0x706c_6163]);
        let is_outgoing = draw.percent(16);
        Self {
            is_outgoing,
            is_read: is_outgoing || draw.percent(80),
            is_flagged: draw.percent(3),
            folder_draw: draw.next(),
        }
    }
}

/// Quantiles of the message size in bytes, at 0, 5, 10 … 100 percent.
const REALISTIC_SIZES: [u64; 21] = [
    2_500, 5_200, 7_400, 9_300, 11_000, 12_800, 14_600, 16_600, 18_800, 21_200, 24_000, 27_200,
    31_000, 35_500, 41_000, 48_000, 57_500, 70_000, 90_000, 127_000, 3_000_000,
];
const SMALL_SIZES: [u64; 21] = [
    2_600, 2_800, 2_900, 3_000, 3_100, 3_200, 3_300, 3_350, 3_400, 3_450, 3_500, 3_600, 3_700,
    3_800, 3_900, 4_000, 4_200, 4_400, 4_700, 5_000, 6_000,
];

impl World {
    /// The message with these numbers.
    pub(crate) fn plan(&self, mailbox: u32, number: u32, version: u32) -> Plan {
        let key = mix(&[self.seed, u64::from(mailbox), u64::from(number)]);
        let mut draw = Draw::new(&[key, 0x706c_616e]);
        let home = home_language(mailbox);
        let language = Language::draw(&mut draw, home);
        let is_outgoing = Placement::of(key).is_outgoing;
        let owner = member(self.seed, mailbox);
        let shape = self.shape(&mut draw);
        let received = self.received(number, &mut draw);
        let thread = draw.below(u64::from(self.items / 4) + 3);
        let mut thread_draw = Draw::new(&[self.seed, u64::from(mailbox), thread, 0x7468_7264]);
        let thread_subject = subject(&mut thread_draw, language);
        let is_reply = draw.percent(35);
        let others = self.recipients(&mut draw);
        let (from, to) = if is_outgoing {
            (owner, others)
        } else {
            let mut to = vec![owner];
            if draw.percent(30) {
                to.extend(others);
            }
            (self.correspondent(&mut draw), to)
        };
        let cc = if draw.percent(25) {
            self.recipients(&mut draw)
        } else {
            Vec::new()
        };
        let bcc = if is_outgoing && draw.percent(5) {
            vec![self.correspondent(&mut draw)]
        } else {
            Vec::new()
        };
        let size = self.size(&mut draw);
        let files = choose_files(self, shape, size, key, &mut draw);
        let carried: u64 = files.iter().map(|file| file.blob.len() * 37 / 27).sum();
        Plan {
            key,
            version,
            shape,
            language,
            from,
            to,
            cc,
            bcc,
            subject: subject_line(&mut draw, shape, is_reply, thread_subject),
            sent: received - signed(draw.below(90)),
            received,
            message_id: message_id(shape, key, &mut draw),
            conversation: mix(&[self.seed, u64::from(mailbox), thread]),
            is_reply,
            importance: if draw.percent(4) { 2 } else { 1 },
            sensitivity: if draw.percent(3) { 2 } else { 0 },
            text_bytes: size.saturating_sub(carried).clamp(600, 160_000),
            files,
        }
    }

    fn shape(&self, draw: &mut Draw) -> Shape {
        let odds = match self.profile {
            MailProfile::Realistic => 9,
            MailProfile::Small => 60,
        };
        if self.unusual && draw.one_in(odds) {
            let choice = index(draw.below(wide(UNUSUAL.len())));
            return UNUSUAL.get(choice).copied().unwrap_or(Shape::PlainText);
        }
        Shape::Ordinary
    }

    /// Received times rise with the number and end before the tenant starts.
    fn received(&self, number: u32, draw: &mut Draw) -> i64 {
        let span = 3 * 365 * 86_400;
        let step = (span / i64::from(self.items.max(1))).max(1);
        let behind = i64::from(self.items) - i64::from(number);
        let jitter = signed(draw.below(crate::numbers::unsigned(step)));
        self.start - 3_600 - behind * step + jitter
    }

    fn size(&self, draw: &mut Draw) -> u64 {
        let table = match self.profile {
            MailProfile::Realistic => &REALISTIC_SIZES,
            MailProfile::Small => &SMALL_SIZES,
        };
        let permille = draw.below(20_000);
        let step = index(permille / 1000);
        let at = |n: usize| table.get(n).copied().unwrap_or_default();
        let mut low = at(step);
        let high = at(step + 1);
        if step == 19 && self.profile == MailProfile::Realistic {
            // The last twentieth rises steeply: most are near its lower end.
            let top = low << draw.below(6);
            low = top.min(high);
            return draw.between(low, low * 2);
        }
        low + (high.saturating_sub(low)) * (permille % 1000) / 1000
    }

    fn correspondent(&self, draw: &mut Draw) -> Person {
        if draw.percent(45) {
            member(
                self.seed,
                low32(draw.zipf(u64::from(self.mailboxes.max(1)))),
            )
        } else {
            outsider(self.seed, draw)
        }
    }

    fn recipients(&self, draw: &mut Draw) -> Vec<Person> {
        let count = if draw.one_in(40) {
            draw.between(10, 60)
        } else {
            draw.between(1, 4)
        };
        (0..count).map(|_| self.correspondent(draw)).collect()
    }
}

/// Every third mailbox is German, some are French or Japanese.
pub(crate) fn home_language(mailbox: u32) -> Language {
    match mailbox % 6 {
        1 | 4 => Language::German,
        3 => Language::French,
        5 => Language::Japanese,
        _ => Language::English,
    }
}

fn subject_line(draw: &mut Draw, shape: Shape, is_reply: bool, thread: String) -> String {
    match (shape, draw.below(10)) {
        (Shape::Empty, 0..=4) => String::new(),
        (Shape::HugeHeaders, _) => format!("{thread} {}", "long subject ".repeat(20)),
        (_, 0..=6) if is_reply => format!("RE: {thread}"),
        (_, 7) if is_reply => format!("AW: {thread}"),
        (_, _) if is_reply => format!("FW: {thread}"),
        _ => thread,
    }
}

fn message_id(shape: Shape, key: u64, draw: &mut Draw) -> Option<String> {
    match shape {
        Shape::NoMessageId => None,
        Shape::SharedMessageId => Some("<same-id-in-many-messages@fabrikam.example>".to_owned()),
        _ if draw.one_in(3) => Some(format!("<{}@mail.fabrikam.example>", draw.hex(24))),
        _ => Some(format!(
            "<DB9PR04MB{}{:016X}@DB9PR04MB{}.eurprd04.prod.example>",
            draw.between(1000, 9999),
            key,
            draw.between(1000, 9999)
        )),
    }
}
