//! mbox files in the `mboxrd` form, both ways.
//!
//! Each message follows a line `From sender date` and is followed by an empty line. A line of
//! the message that begins with any number of `>` and then `From ` gets one `>` more, which
//! makes the form reversible. Line endings of messages stay as they are.

use std::io::{self, BufRead};

use chrono::{DateTime, Utc};

const FROM: &[u8] = b"From ";
/// Longest separator line.
const MAX_SEPARATOR: usize = 4 * 1024;

/// Why a message could not be read from an mbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MboxError {
    /// A message is larger than the caller allows. Reading goes on with the next message.
    #[error(
        "message {number} of the mbox is larger than {limit} bytes; raise the limit to read it"
    )]
    TooLarge {
        /// Number of the message in the file, from 1.
        number: u64,
        /// The caller's limit.
        limit: usize,
    },
    /// The file does not begin with a `From ` line.
    #[error("this is not an mbox: it does not begin with a line \"From \"")]
    NotMbox,
    /// The file could not be read.
    #[error("the mbox could not be read")]
    Io(#[from] io::Error),
}

/// Looks at the beginning of a line as far as it matters for escaping.
#[derive(Debug, Default)]
struct LineStart {
    quotes: u64,
    matched: usize,
}

/// What a line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beginning {
    quotes: u64,
    /// How much of `From ` follows the quotes.
    matched: &'static [u8],
}

impl Beginning {
    fn is_from(&self) -> bool {
        self.matched == FROM
    }

    /// Writes the beginning with this many quotes.
    fn write(&self, quotes: u64, mut out: impl FnMut(&[u8])) {
        (0..quotes).for_each(|_| out(b">"));
        out(self.matched);
    }
}

impl LineStart {
    /// Takes bytes until it is clear what the line begins with. Returns how many were taken.
    fn feed(&mut self, bytes: &[u8]) -> (usize, Option<Beginning>) {
        for (taken, byte) in bytes.iter().enumerate() {
            if self.matched == 0 && *byte == b'>' {
                self.quotes += 1;
            } else if FROM.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == FROM.len() {
                    return (taken + 1, Some(self.end()));
                }
            } else {
                return (taken, Some(self.end()));
            }
        }
        (bytes.len(), None)
    }

    /// What was seen so far; the next line starts afresh.
    fn end(&mut self) -> Beginning {
        let seen = std::mem::take(self);
        Beginning {
            quotes: seen.quotes,
            matched: FROM.get(..seen.matched).unwrap_or_default(),
        }
    }
}

/// Reads the messages of an mbox one after the other. Holds one message at a time, and no more
/// than the caller's limit.
///
/// A line `From ` separates messages at the start of the file and after an empty line. If the
/// first separator has a time in it, the others must have one too: files of programs that do
/// not escape contain sentences that begin with "From ".
#[derive(Debug)]
pub struct MboxReader<R> {
    reader: R,
    limit: usize,
    number: u64,
    state: State,
    separators_have_time: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Start,
    InMessage,
    Done,
}

impl<R: BufRead> MboxReader<R> {
    /// A reader of `reader` for messages of up to `max_message_bytes`.
    pub fn new(reader: R, max_message_bytes: usize) -> Self {
        Self {
            reader,
            limit: max_message_bytes,
            number: 0,
            state: State::Start,
            separators_have_time: false,
        }
    }

    fn read_message(&mut self) -> Result<Option<Vec<u8>>, MboxError> {
        if self.state == State::Start {
            if !self.read_first_separator()? {
                return Ok(None);
            }
            self.state = State::InMessage;
        }
        if self.state == State::Done {
            return Ok(None);
        }
        self.number += 1;
        let mut message = Message::new(self.limit);
        loop {
            let Some(beginning) = self.read_beginning()? else {
                self.state = State::Done;
                break;
            };
            if beginning.is_from() && beginning.quotes == 0 && message.after_empty_line() {
                let line = self.read_line(MAX_SEPARATOR)?;
                if line.ends_with(b"\n") && (!self.separators_have_time || has_time(&line)) {
                    break;
                }
                message.push(FROM);
                message.push(&line);
                if line.ends_with(b"\n") {
                    continue;
                }
            } else {
                let removed = u64::from(beginning.is_from()).min(beginning.quotes);
                beginning.write(beginning.quotes - removed, |bytes| message.push(bytes));
            }
            self.read_rest(&mut message)?;
        }
        match message.finish() {
            Some(message) => Ok(Some(message)),
            None => Err(MboxError::TooLarge {
                number: self.number,
                limit: self.limit,
            }),
        }
    }

    /// Skips empty lines and the first separator; false for an empty file.
    fn read_first_separator(&mut self) -> Result<bool, MboxError> {
        loop {
            let line = self.read_line(MAX_SEPARATOR)?;
            if line.is_empty() {
                self.state = State::Done;
                return Ok(false);
            }
            if line.trim_ascii().is_empty() && line.ends_with(b"\n") {
                continue;
            }
            if !(line.starts_with(FROM) && line.ends_with(b"\n")) {
                self.state = State::Done;
                return Err(MboxError::NotMbox);
            }
            self.separators_have_time = has_time(&line);
            return Ok(true);
        }
    }

    /// The beginning of the next line; `None` at the end of the file.
    fn read_beginning(&mut self) -> Result<Option<Beginning>, MboxError> {
        let mut start = LineStart::default();
        loop {
            let bytes = fill(&mut self.reader)?;
            if bytes.is_empty() {
                let seen = start.end();
                let nothing = seen.quotes == 0 && seen.matched.is_empty();
                return Ok((!nothing).then_some(seen));
            }
            let (taken, beginning) = start.feed(bytes);
            self.reader.consume(taken);
            if beginning.is_some() {
                return Ok(beginning);
            }
        }
    }

    /// The rest of a line of at most `limit` bytes; without its line ending if it is longer.
    fn read_line(&mut self, limit: usize) -> Result<Vec<u8>, MboxError> {
        let mut line = vec![];
        loop {
            let bytes = fill(&mut self.reader)?;
            let room = limit.saturating_sub(line.len());
            let bytes = bytes.get(..room).unwrap_or(bytes);
            let end = memchr::memchr(b'\n', bytes).map(|end| end + 1);
            let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            line.extend_from_slice(taken);
            let taken = taken.len();
            self.reader.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(line);
            }
        }
    }

    /// Moves the rest of the line to the message.
    fn read_rest(&mut self, message: &mut Message) -> Result<(), MboxError> {
        loop {
            let bytes = fill(&mut self.reader)?;
            let end = memchr::memchr(b'\n', bytes).map(|end| end + 1);
            let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            message.push(taken);
            let taken = taken.len();
            self.reader.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(());
            }
        }
    }
}

/// The next bytes of the file; empty at its end.
fn fill(reader: &mut impl BufRead) -> Result<&[u8], MboxError> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Given again from the buffer: a result cannot be kept across the loop.
    Ok(reader.fill_buf()?)
}

impl<R: BufRead> Iterator for MboxReader<R> {
    type Item = Result<Vec<u8>, MboxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.read_message();
        if matches!(message, Err(MboxError::Io(_))) {
            self.state = State::Done;
        }
        message.transpose()
    }
}

/// A message that is being read. Beyond its limit it only counts.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    /// The last three bytes, also of a message that is too large.
    tail: [u8; 3],
    is_empty: bool,
    limit: usize,
    too_large: bool,
}

impl Message {
    fn new(limit: usize) -> Self {
        Self {
            bytes: vec![],
            tail: *b"\0\0\n",
            is_empty: true,
            limit,
            too_large: false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or(bytes);
        for byte in last {
            self.tail = [self.tail[1], self.tail[2], *byte];
            self.is_empty = false;
        }
        // The empty line that ends the message is not part of it.
        if self.bytes.len().saturating_add(bytes.len()) > self.limit.saturating_add(2) {
            self.too_large = true;
            self.bytes = vec![];
        }
        if !self.too_large {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Length of the empty line at the end, 0 if there is none.
    fn empty_line(&self) -> usize {
        match self.tail {
            [_, b'\n', b'\n'] if !self.is_empty => 1,
            [b'\n', b'\r', b'\n'] => 2,
            _ => 0,
        }
    }

    fn after_empty_line(&self) -> bool {
        self.is_empty || self.empty_line() > 0
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        let length = self.bytes.len().saturating_sub(self.empty_line());
        self.bytes.truncate(length);
        (!self.too_large && length <= self.limit).then_some(self.bytes)
    }
}

/// Whether a separator line has a time of day in it.
fn has_time(line: &[u8]) -> bool {
    line.windows(5).any(|window| match window {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    })
}

/// Writes messages as an mbox, streaming.
///
/// A message that does not end with a line ending gets one: the form cannot express that.
#[derive(Debug, Default)]
pub struct MboxWriter {
    start: LineStart,
    in_line: bool,
    is_empty: bool,
}

impl MboxWriter {
    /// A writer between messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a message: appends the separator line to `out`. `sender` is the bare address.
    pub fn begin(&mut self, sender: &str, date: DateTime<Utc>, out: &mut Vec<u8>) {
        let sender: String = sender
            .chars()
            .filter(|character| !character.is_whitespace() && !character.is_control())
            .collect();
        let sender = if sender.is_empty() {
            "MAILER-DAEMON"
        } else {
            &sender
        };
        let date = date.format("%a %b %e %H:%M:%S %Y");
        out.extend_from_slice(format!("From {sender} {date}\n").as_bytes());
        *self = Self {
            is_empty: true,
            ..Self::default()
        };
    }

    /// Appends the next bytes of the message, escaped, to `out`.
    pub fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            self.is_empty = false;
            if self.in_line {
                let end = memchr::memchr(b'\n', bytes).map(|end| end + 1);
                self.in_line = end.is_none();
                let (now, later) = bytes.split_at(end.unwrap_or(bytes.len()));
                out.extend_from_slice(now);
                bytes = later;
                continue;
            }
            let (taken, beginning) = self.start.feed(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            if let Some(beginning) = beginning {
                Self::put(beginning, out);
                self.in_line = true;
            }
        }
    }

    /// Ends the message.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        let beginning = self.start.end();
        let unfinished = beginning.quotes > 0 || !beginning.matched.is_empty();
        Self::put(beginning, out);
        if unfinished || self.in_line {
            out.push(b'\n');
        }
        self.in_line = false;
        out.push(b'\n');
    }

    fn put(beginning: Beginning, out: &mut Vec<u8>) {
        let quotes = beginning.quotes + u64::from(beginning.is_from());
        beginning.write(quotes, |bytes| out.extend_from_slice(bytes));
    }
}

#[cfg(test)]
#[path = "mbox_tests.rs"]
mod tests;
