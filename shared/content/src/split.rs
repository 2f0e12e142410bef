//! Cuts a message into text and base64 parts, streaming and byte-exact.
//!
//! The splitter does not parse MIME. It looks for runs of base64 lines of equal length, because
//! that is what every mail program writes for an attachment, and hands them out decoded. Each
//! run is verified by encoding it again, so [`crate::PartEncoder`] restores exactly the same
//! bytes; whatever does not fit stays text. Joining what a split gave returns the input for any
//! bytes and any chunking.

use memchr::memchr;

use crate::base64::{decode_exact, is_plain};

/// Shortest base64 line that a run may consist of, in characters.
const MIN_LINE: usize = 20;
/// Longest line that can belong to a run, in characters without the line ending. A longer line
/// is text at once, which bounds what has to be held back.
const MAX_LINE: usize = 998;
/// Runs that decode to less than this stay text.
const MIN_PART: usize = 1024;
/// Characters that are decoded in one call.
const BLOCK: usize = 8 * 1024;
/// What is added to held-back bytes at once, more than any decision needs.
const TOP_UP: usize = 4 * 1024;

/// The line ending inside a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineEnding {
    /// Carriage return and line feed.
    Crlf,
    /// Line feed only.
    Lf,
}

impl LineEnding {
    /// The bytes of the line ending.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Crlf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// How a part was laid out, so that its exact text can be written again from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartShape {
    /// Base64 characters of each full line; a multiple of 4 between 20 and 998.
    pub line_length: u32,
    /// What ends each line.
    pub line_ending: LineEnding,
    /// Length of the decoded part.
    pub decoded_bytes: u64,
    /// Whether the last line has its line ending too.
    pub ends_with_line_ending: bool,
}

impl PartShape {
    /// Length of the part's base64 text with its line endings.
    #[must_use]
    pub fn encoded_bytes(&self) -> u64 {
        let letters = self.decoded_bytes.div_ceil(3).saturating_mul(4);
        let lines = letters.div_ceil(u64::from(self.line_length.max(4)));
        let endings = if self.ends_with_line_ending {
            lines
        } else {
            lines.saturating_sub(1)
        };
        let width = match self.line_ending {
            LineEnding::Crlf => 2,
            LineEnding::Lf => 1,
        };
        letters.saturating_add(endings.saturating_mul(width))
    }
}

/// What the splitter found, in the order of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitEvent<'a> {
    /// Bytes as they were. One stretch of text may come in several events.
    Text(&'a [u8]),
    /// A part begins.
    PartStart,
    /// Decoded bytes of the part.
    PartData(&'a [u8]),
    /// The part is complete.
    PartEnd(PartShape),
}

/// The streaming splitter. It holds back a few KiB at most.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Input that could not be decided on yet; always begins at a line start or in a text line.
    held: Vec<u8>,
    scanner: Scanner,
}

impl Splitter {
    /// A splitter at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the message and hands what is decided to `sink`.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(SplitEvent<'_>)) {
        while !self.held.is_empty() {
            let before = self.held.len();
            let (now, later) = bytes.split_at(bytes.len().min(TOP_UP));
            self.held.extend_from_slice(now);
            let used = self.scanner.scan(&self.held, false, sink);
            if used < before {
                self.held.drain(..used);
                bytes = later;
                if bytes.is_empty() {
                    return;
                }
            } else {
                self.held.clear();
                bytes = bytes.get(used - before..).unwrap_or_default();
            }
        }
        let used = self.scanner.scan(bytes, false, sink);
        self.held
            .extend_from_slice(bytes.get(used..).unwrap_or_default());
    }

    /// Ends the message: hands out everything that was held back.
    pub fn finish(mut self, sink: &mut impl FnMut(SplitEvent<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.scanner.scan(&held, true, sink);
        self.scanner.end_part(true, sink);
    }
}

/// A run of base64 lines that is being handed out.
#[derive(Clone, Copy, Debug)]
struct Run {
    line: usize,
    ending: LineEnding,
    decoded: u64,
}

impl Run {
    fn stride(&self) -> usize {
        self.line + self.ending.as_bytes().len()
    }
}

/// A line of the input: its content, and its ending if it has a whole one.
struct Line<'a> {
    content: &'a [u8],
    ending: Option<LineEnding>,
}

impl Line<'_> {
    fn len(&self) -> usize {
        self.content.len() + self.ending.map_or(0, |ending| ending.as_bytes().len())
    }

    /// Whether a run can begin with this line or go on after it.
    fn is_full(&self) -> bool {
        self.ending.is_some()
            && (MIN_LINE..=MAX_LINE).contains(&self.content.len())
            && self.content.len().is_multiple_of(4)
            && is_plain(self.content)
    }
}

enum NextLine<'a> {
    Complete(Line<'a>),
    TooLong,
    /// More input is needed to say.
    Unknown,
}

/// Cuts the first line from `data`.
fn next_line(data: &[u8], at_end: bool) -> NextLine<'_> {
    let window = data.get(..MAX_LINE + 2).unwrap_or(data);
    match memchr(b'\n', window) {
        Some(at) => {
            let content = window.get(..at).unwrap_or_default();
            NextLine::Complete(match content.strip_suffix(b"\r") {
                Some(content) => Line {
                    content,
                    ending: Some(LineEnding::Crlf),
                },
                None => Line {
                    content,
                    ending: Some(LineEnding::Lf),
                },
            })
        }
        None if data.len() >= MAX_LINE + 2 => NextLine::TooLong,
        None if at_end => NextLine::Complete(Line {
            content: data,
            ending: None,
        }),
        None => NextLine::Unknown,
    }
}

/// What a look ahead at a possible run found.
enum Outlook {
    /// Enough lines for a part.
    Part(Run),
    /// This many bytes are text; a new look begins after them.
    Text(usize),
    /// This many bytes and the rest of their line are text.
    LongLine(usize),
    /// More input is needed to say.
    Unknown,
}

/// The state that lasts from one call to the next. It knows only consumed input.
#[derive(Debug, Default)]
struct Scanner {
    in_text_line: bool,
    run: Option<Run>,
    letters: Vec<u8>,
    decoded: Vec<u8>,
    again: Vec<u8>,
}

impl Scanner {
    /// Consumes as much of `data` as can be decided on and returns how much that was. At the end
    /// of the message that is everything.
    fn scan(&mut self, data: &[u8], at_end: bool, sink: &mut impl FnMut(SplitEvent<'_>)) -> usize {
        let mut at = 0;
        let mut text_from = 0;
        let emit_text = |from: usize, to: usize, sink: &mut dyn FnMut(SplitEvent<'_>)| {
            if let Some(text) = data.get(from..to).filter(|text| !text.is_empty()) {
                sink(SplitEvent::Text(text));
            }
        };
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            if self.in_text_line {
                let end = memchr(b'\n', rest).map(|end| end + 1);
                self.in_text_line = end.is_none();
                at += end.unwrap_or(rest.len());
                continue;
            }
            if let Some(run) = self.run {
                let Some(used) = self.take_lines(run, rest, at_end, sink) else {
                    return at;
                };
                at += used;
                text_from = at;
                continue;
            }
            match look_ahead(rest, at_end) {
                Outlook::Part(run) => {
                    emit_text(text_from, at, sink);
                    text_from = at;
                    sink(SplitEvent::PartStart);
                    self.run = Some(run);
                }
                Outlook::Text(length) => at += length,
                Outlook::LongLine(length) => {
                    at += length;
                    self.in_text_line = true;
                }
                Outlook::Unknown => break,
            }
        }
        emit_text(text_from, at, sink);
        at
    }

    /// Takes lines of the current run; `None` if more input is needed. Ends the run at the first
    /// line that does not continue it.
    fn take_lines(
        &mut self,
        run: Run,
        data: &[u8],
        at_end: bool,
        sink: &mut impl FnMut(SplitEvent<'_>),
    ) -> Option<usize> {
        let stride = run.stride();
        let mut used = 0;
        while let Some(lines) = self.take_block(run, data.get(used..).unwrap_or_default(), sink) {
            used += lines * stride;
        }
        if used > 0 {
            return Some(used);
        }
        // A line of this length may end in either way, so both must be in sight.
        let decidable = run.line + LineEnding::Crlf.as_bytes().len();
        if data.len() < decidable && !at_end && memchr(b'\n', data).is_none() {
            return None;
        }
        let last = match next_line(data, at_end || data.len() >= decidable) {
            NextLine::Complete(line) if line.content.len() <= run.line => line,
            _ => {
                self.end_part(true, sink);
                return Some(0);
            }
        };
        if last.content.is_empty()
            || !decode_exact(last.content, &mut self.decoded, &mut self.again)
        {
            self.end_part(true, sink);
            return Some(0);
        }
        self.hand_out(sink);
        let whole = last.ending == Some(run.ending);
        self.end_part(whole, sink);
        self.in_text_line = !whole;
        Some(if whole {
            last.len()
        } else {
            last.content.len()
        })
    }

    /// Decodes as many whole lines as fit a block; `None` if the first one is not such a line.
    fn take_block(
        &mut self,
        run: Run,
        data: &[u8],
        sink: &mut impl FnMut(SplitEvent<'_>),
    ) -> Option<usize> {
        let ending = run.ending.as_bytes();
        let mut most = (BLOCK / run.line).max(1);
        loop {
            self.letters.clear();
            let mut lines = 0;
            for line in data.chunks_exact(run.stride()).take(most) {
                let Some((content, _)) = line
                    .split_at_checked(run.line)
                    .filter(|(_, tail)| *tail == ending)
                else {
                    break;
                };
                self.letters.extend_from_slice(content);
                lines += 1;
            }
            if lines == 0 {
                return None;
            }
            // Padding would decode, but ends a run: such a line is left to the caller.
            if self.letters.last() != Some(&b'=')
                && decode_exact(&self.letters, &mut self.decoded, &mut self.again)
            {
                self.hand_out(sink);
                return Some(lines);
            }
            if most == 1 {
                return None;
            }
            most = if lines > 1 { lines / 2 } else { 1 };
        }
    }

    fn hand_out(&mut self, sink: &mut impl FnMut(SplitEvent<'_>)) {
        if let Some(run) = &mut self.run {
            run.decoded = run
                .decoded
                .saturating_add(u64::try_from(self.decoded.len()).unwrap_or(u64::MAX));
        }
        sink(SplitEvent::PartData(&self.decoded));
    }

    fn end_part(&mut self, ends_with_line_ending: bool, sink: &mut impl FnMut(SplitEvent<'_>)) {
        if let Some(run) = self.run.take() {
            sink(SplitEvent::PartEnd(PartShape {
                line_length: u32::try_from(run.line).unwrap_or(u32::MAX),
                line_ending: run.ending,
                decoded_bytes: run.decoded,
                ends_with_line_ending,
            }));
        }
    }
}

/// Says whether a part begins at the start of `data`, which is a line start.
fn look_ahead(data: &[u8], at_end: bool) -> Outlook {
    let first = match next_line(data, at_end) {
        NextLine::Unknown => return Outlook::Unknown,
        NextLine::TooLong => return Outlook::LongLine(MAX_LINE + 2),
        NextLine::Complete(line) => line,
    };
    let (true, Some(ending)) = (first.is_full(), first.ending) else {
        return Outlook::Text(first.len());
    };
    let run = Run {
        line: first.content.len(),
        ending,
        decoded: 0,
    };
    let mut at = first.len();
    let mut decoded = run.line / 4 * 3;
    while decoded < MIN_PART {
        let rest = data.get(at..).unwrap_or_default();
        let line = match next_line(rest, at_end) {
            NextLine::Unknown => return Outlook::Unknown,
            NextLine::TooLong => return Outlook::Text(at),
            NextLine::Complete(line) => line,
        };
        if line.content.len() == run.line && line.ending == Some(ending) && is_plain(line.content) {
            decoded += run.line / 4 * 3;
            at += line.len();
            continue;
        }
        let fits = !line.content.is_empty() && line.content.len() <= run.line;
        if fits {
            let (mut last, mut again) = (vec![], vec![]);
            if decode_exact(line.content, &mut last, &mut again) && decoded + last.len() >= MIN_PART
            {
                break;
            }
        }
        return Outlook::Text(at);
    }
    Outlook::Part(run)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
