//! Cuts a stream of XML into tags and runs of text without holding long text: a message of 50 MB
//! is one text run inside one element.

use super::XmlError;

/// A tag is never longer.
const LONGEST_MARKUP: usize = 64 * 1024;
/// A character reference is never longer; what is longer is text.
const LONGEST_REFERENCE: usize = 16;

/// A part of the document, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text with its references still in it. A run may come in several pieces; none of them splits
    /// a reference or a character.
    Text(&'a [u8]),
    /// Text without references.
    Literal(&'a [u8]),
    /// A whole start, end or empty tag with its brackets.
    Tag(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// Behind `<`; what follows decides.
    Opening,
    Tag {
        quote: Option<u8>,
    },
    /// Skipped up to this ending.
    Skipped(&'static [u8]),
    Literal,
}

/// The cutter. `held` keeps what could not be given out yet.
#[derive(Debug)]
pub(crate) struct Cutter {
    state: State,
    held: Vec<u8>,
}

impl Cutter {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Text,
            held: vec![],
        }
    }

    /// Takes more bytes and gives out what is complete.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), XmlError>,
    ) -> Result<(), XmlError> {
        while !bytes.is_empty() {
            let used = match self.state {
                State::Text => self.text(bytes, sink)?,
                State::Opening => self.opening(bytes)?,
                State::Tag { quote } => self.tag(bytes, quote, sink)?,
                State::Skipped(end) => self.skip(bytes, end),
                State::Literal => self.literal(bytes, sink)?,
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// True between elements: nothing is half read.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.state == State::Text && self.held.is_empty()
    }

    fn text(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), XmlError>,
    ) -> Result<usize, XmlError> {
        if let Some(end) = memchr::memchr(b'<', bytes) {
            let run = bytes.get(..end).unwrap_or_default();
            if self.held.is_empty() {
                give(run, sink)?;
            } else {
                self.held.extend_from_slice(run);
                give(&self.held, sink)?;
                self.held.clear();
            }
            self.held.push(b'<');
            self.state = State::Opening;
            return Ok(end + 1);
        }
        if self.held.is_empty() {
            let (whole, rest) = bytes.split_at(whole_text(bytes));
            give(whole, sink)?;
            self.held.extend_from_slice(rest);
        } else {
            self.held.extend_from_slice(bytes);
            let whole = whole_text(&self.held);
            give(self.held.get(..whole).unwrap_or_default(), sink)?;
            self.held.drain(..whole);
        }
        Ok(bytes.len())
    }

    fn opening(&mut self, bytes: &[u8]) -> Result<usize, XmlError> {
        const CDATA: &[u8] = b"<![CDATA[";
        let Some(byte) = bytes.first() else {
            return Ok(0);
        };
        self.held.push(*byte);
        self.state = match self.held.as_slice() {
            b"<?" => State::Skipped(b"?>"),
            b"<!--" => State::Skipped(b"-->"),
            CDATA => State::Literal,
            held if b"<!--".starts_with(held) || CDATA.starts_with(held) => State::Opening,
            [b'<', b'!', ..] => return Err(XmlError::Doctype),
            b"<>" | b"< " | b"<<" => return Err(XmlError::Malformed),
            _ => State::Tag { quote: None },
        };
        if matches!(self.state, State::Skipped(_) | State::Literal) {
            self.held.clear();
        }
        Ok(1)
    }

    fn tag(
        &mut self,
        bytes: &[u8],
        quote: Option<u8>,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), XmlError>,
    ) -> Result<usize, XmlError> {
        let end = match quote {
            Some(quote) => memchr::memchr(quote, bytes),
            None => memchr::memchr3(b'>', b'"', b'\'', bytes),
        };
        let used = end.map_or(bytes.len(), |end| end + 1);
        self.held
            .extend_from_slice(bytes.get(..used).unwrap_or_default());
        if self.held.len() > LONGEST_MARKUP {
            return Err(XmlError::TooLarge);
        }
        let Some(byte) = end.and_then(|end| bytes.get(end)) else {
            return Ok(used);
        };
        self.state = match (quote, byte) {
            (Some(_), _) => State::Tag { quote: None },
            (None, b'>') => {
                sink(Piece::Tag(&self.held))?;
                self.held.clear();
                State::Text
            }
            (None, byte) => State::Tag { quote: Some(*byte) },
        };
        Ok(used)
    }

    fn skip(&mut self, bytes: &[u8], end: &'static [u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            self.held.push(*byte);
            if self.held.ends_with(end) {
                self.held.clear();
                self.state = State::Text;
                return at + 1;
            }
            if self.held.len() >= end.len() {
                self.held.remove(0);
            }
        }
        bytes.len()
    }

    fn literal(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), XmlError>,
    ) -> Result<usize, XmlError> {
        const END: &[u8] = b"]]>";
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        if let Some(end) = memchr::memmem::find(&self.held, END) {
            let run = self.held.get(..end).unwrap_or_default();
            if !run.is_empty() {
                sink(Piece::Literal(run))?;
            }
            self.held.clear();
            self.state = State::Text;
            return Ok(end + END.len() - before);
        }
        let keep = self.held.len().min(END.len() - 1);
        let whole = whole_characters(&self.held, self.held.len() - keep);
        if whole > 0 {
            sink(Piece::Literal(self.held.get(..whole).unwrap_or_default()))?;
        }
        self.held.drain(..whole);
        Ok(bytes.len())
    }
}

fn give(
    run: &[u8],
    sink: &mut impl FnMut(Piece<'_>) -> Result<(), XmlError>,
) -> Result<(), XmlError> {
    if run.is_empty() {
        return Ok(());
    }
    sink(Piece::Text(run))
}

/// How much of `bytes` ends neither inside a reference nor inside a character.
fn whole_text(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(LONGEST_REFERENCE);
    let tail = bytes.get(from..).unwrap_or_default();
    let open = memchr::memrchr(b'&', tail)
        .filter(|at| memchr::memchr(b';', tail.get(*at..).unwrap_or_default()).is_none());
    whole_characters(bytes, open.map_or(bytes.len(), |at| from + at))
}

/// The longest length up to `end` that does not end inside a UTF-8 character.
fn whole_characters(bytes: &[u8], end: usize) -> usize {
    for back in 1..=3.min(end) {
        let Some(byte) = bytes.get(end - back) else {
            return end;
        };
        let needs = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF => continue,
            _ => return end,
        };
        return if needs > back { end - back } else { end };
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces with runs of text joined.
    fn cut(parts: &[&[u8]]) -> Result<Vec<(char, Vec<u8>)>, XmlError> {
        let mut cutter = Cutter::new();
        let mut out: Vec<(char, Vec<u8>)> = vec![];
        for part in parts {
            cutter.push(part, &mut |piece| {
                let (kind, bytes) = match piece {
                    Piece::Text(bytes) => ('t', bytes),
                    Piece::Literal(bytes) => ('l', bytes),
                    Piece::Tag(bytes) => ('<', bytes),
                };
                match out.last_mut() {
                    Some((last, run)) if *last == kind && kind != '<' => run.extend(bytes),
                    _ => out.push((kind, bytes.to_vec())),
                }
                Ok(())
            })?;
        }
        assert!(cutter.is_at_rest());
        Ok(out)
    }

    const DOCUMENT: &[u8] = "<?xml version='1.0'?><!-- <a> -- > --><a x=\"1>2\" y='\"'>t&amp;ü\
        <![CDATA[<raw>]]&lt;]]><b/></a>"
        .as_bytes();

    #[test]
    fn tags_comments_and_literal_text() {
        let expected: Vec<(char, Vec<u8>)> = [
            ('<', "<a x=\"1>2\" y='\"'>"),
            ('t', "t&amp;ü"),
            ('l', "<raw>]]&lt;"),
            ('<', "<b/>"),
            ('<', "</a>"),
        ]
        .map(|(kind, text)| (kind, text.as_bytes().to_vec()))
        .to_vec();
        assert_eq!(cut(&[DOCUMENT]).unwrap(), expected);
        for at in 0..DOCUMENT.len() {
            let (a, b) = DOCUMENT.split_at(at);
            assert_eq!(cut(&[a, b]).unwrap(), expected, "cut at {at}");
        }
        let single: Vec<&[u8]> = DOCUMENT.chunks(1).collect();
        assert_eq!(cut(&single).unwrap(), expected);
    }

    #[test]
    fn pieces_split_neither_references_nor_characters() {
        let mut cutter = Cutter::new();
        let mut pieces = vec![];
        for byte in "ü&#x1F;€&lt;😀&".bytes() {
            cutter
                .push(&[byte], &mut |piece| {
                    if let Piece::Text(run) = piece {
                        pieces.push(String::from_utf8(run.to_vec()).unwrap());
                    }
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(pieces, ["ü", "&#x1F;", "€", "&lt;", "😀"]);
    }

    #[test]
    fn long_text_is_not_held() {
        let mut cutter = Cutter::new();
        let mut most = 0;
        for _ in 0..1000 {
            cutter.push(&[b'A'; 8192], &mut |_| Ok(())).unwrap();
            most = most.max(cutter.held.capacity());
        }
        assert!(most < 64, "{most}");
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(cut(&[b"<!DOCTYPE x>"]), Err(XmlError::Doctype));
        assert_eq!(cut(&[b"<!ENTITY x>"]), Err(XmlError::Doctype));
        let long = [b"<a x='".as_slice(), &[b'x'; 70_000]].concat();
        assert_eq!(cut(&[&long]), Err(XmlError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut cutter = Cutter::new();
            let _ = cutter.push(a, &mut |_| Ok(())).and_then(|()| cutter.push(b, &mut |_| Ok(())));
        }
    }
}
