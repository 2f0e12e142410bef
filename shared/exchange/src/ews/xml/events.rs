//! Start tags, text and end tags of a document, as they come in.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;
use quick_xml::Reader;
use quick_xml::events as quick;

use super::XmlError;
use super::cut::{Cutter, Piece};
use super::text::resolve;
use crate::{ByteStream, SourceError};

/// Elements are never nested deeper.
const DEEPEST: usize = 100;
/// Attributes that one element may have.
const MOST_ATTRIBUTES: usize = 100;
/// So much is looked at before the events are given out.
const STEP: usize = 16 * 1024;

/// One event. Names are without prefix: servers differ in prefixes, and no two names that matter
/// differ only in theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An element begins.
    Start {
        /// Local name.
        name: String,
        /// Attributes by local name.
        attributes: Vec<(String, String)>,
    },
    /// Text, resolved; a run may come in several events.
    Text(String),
    /// The innermost element ends.
    End,
}

/// Why the next event could not be had.
#[derive(Clone, Debug)]
pub(crate) enum ReadError {
    /// The bytes broke off.
    Stream(SourceError),
    /// They are no good XML.
    Xml(XmlError),
    /// They ended inside the document.
    Truncated,
}

impl From<XmlError> for ReadError {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

/// Reads events from a stream of bytes, a little ahead at most.
pub(crate) struct EventReader {
    bytes: ByteStream,
    chunk: Bytes,
    cutter: Cutter,
    queue: VecDeque<Event>,
    /// Names of the elements that are open.
    open: Vec<String>,
    has_root: bool,
}

impl EventReader {
    pub(crate) fn new(bytes: ByteStream) -> Self {
        Self {
            bytes,
            chunk: Bytes::new(),
            cutter: Cutter::new(),
            queue: VecDeque::new(),
            open: vec![],
            has_root: false,
        }
    }

    /// The next event; `None` behind the end of the document.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.chunk.is_empty() {
                match self.bytes.next().await {
                    Some(Ok(chunk)) => self.chunk = chunk,
                    Some(Err(error)) => return Err(ReadError::Stream(error)),
                    None if self.has_root && self.open.is_empty() && self.cutter.is_at_rest() => {
                        return Ok(None);
                    }
                    None => return Err(ReadError::Truncated),
                }
            }
            let step = self.chunk.split_to(STEP.min(self.chunk.len()));
            self.take(&step)?;
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), XmlError> {
        let (queue, open, has_root) = (&mut self.queue, &mut self.open, &mut self.has_root);
        self.cutter.push(bytes, &mut |piece| {
            match piece {
                Piece::Tag(tag) => read_tag(tag, queue, open, has_root)?,
                // Nothing but a byte order mark and white space is outside of the root.
                Piece::Text(run) if !open.is_empty() => queue.push_back(Event::Text(resolve(run))),
                Piece::Literal(run) if !open.is_empty() => {
                    queue.push_back(Event::Text(String::from_utf8_lossy(run).into_owned()));
                }
                Piece::Text(run) | Piece::Literal(run) => {
                    let text = String::from_utf8_lossy(run);
                    let text = text.trim_start_matches('\u{FEFF}').trim();
                    if !text.is_empty() {
                        return Err(XmlError::Malformed);
                    }
                }
            }
            Ok(())
        })
    }
}

fn read_tag(
    tag: &[u8],
    queue: &mut VecDeque<Event>,
    open: &mut Vec<String>,
    has_root: &mut bool,
) -> Result<(), XmlError> {
    let tag = String::from_utf8_lossy(tag);
    let mut reader = Reader::from_str(&tag);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    match reader.read_event().map_err(|_| XmlError::Malformed)? {
        quick::Event::Start(start) => {
            if open.len() >= DEEPEST {
                return Err(XmlError::TooLarge);
            }
            if open.is_empty() && std::mem::replace(has_root, true) {
                return Err(XmlError::Malformed);
            }
            let name = start.local_name().as_ref().to_owned();
            open.push(name.clone());
            let attributes = attributes(&start)?;
            queue.push_back(Event::Start { name, attributes });
        }
        quick::Event::Empty(start) => {
            if open.is_empty() && std::mem::replace(has_root, true) {
                return Err(XmlError::Malformed);
            }
            let name = start.local_name().as_ref().to_owned();
            let attributes = attributes(&start)?;
            queue.push_back(Event::Start { name, attributes });
            queue.push_back(Event::End);
        }
        quick::Event::End(end) => {
            if open.pop().as_deref() != Some(end.local_name().as_ref()) {
                return Err(XmlError::Malformed);
            }
            queue.push_back(Event::End);
        }
        _ => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn attributes(start: &quick::BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
    let mut out = vec![];
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        let is_namespace = attribute.key.as_namespace_binding().is_some();
        if !is_namespace {
            let name = attribute.key.local_name().as_ref().to_owned();
            out.push((name, resolve(attribute.value.as_bytes())));
        }
        if out.len() > MOST_ATTRIBUTES {
            return Err(XmlError::TooLarge);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    async fn events(chunks: Vec<&'static [u8]>) -> Result<Vec<Event>, ReadError> {
        let chunks = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)));
        let mut reader = EventReader::new(Box::pin(stream::iter(chunks)));
        let mut out = vec![];
        while let Some(event) = reader.next().await? {
            out.push(event);
        }
        Ok(out)
    }

    #[tokio::test]
    async fn prefixes_do_not_matter() {
        let text = b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\r\n<SOAP:a xmlns:SOAP='u' SOAP:k='&lt;1' j=\"\"><x:b/>t</SOAP:a>\n";
        let found = events(vec![text]).await.unwrap();
        assert_eq!(
            found,
            [
                Event::Start {
                    name: "a".into(),
                    attributes: vec![("k".into(), "<1".into()), ("j".into(), String::new())]
                },
                Event::Start {
                    name: "b".into(),
                    attributes: vec![]
                },
                Event::End,
                Event::Text("t".into()),
                Event::End,
            ]
        );
    }

    #[tokio::test]
    async fn what_is_no_document_fails() {
        use ReadError as E;
        assert!(matches!(events(vec![]).await, Err(E::Truncated)));
        assert!(matches!(events(vec![b"<a>x"]).await, Err(E::Truncated)));
        assert!(matches!(
            events(vec![b"<a>", b"</a"]).await,
            Err(E::Truncated)
        ));
        for bad in [
            b"<a></b>".as_slice(),
            b"</a>",
            b"<a/><b/>",
            b"words",
            b"<a/>words",
        ] {
            assert!(
                matches!(events(vec![bad]).await, Err(E::Xml(XmlError::Malformed))),
                "{bad:?}"
            );
        }
        let deep: &'static [u8] = Box::leak("<a>".repeat(101).into_bytes().into_boxed_slice());
        assert!(matches!(
            events(vec![deep]).await,
            Err(E::Xml(XmlError::TooLarge))
        ));
    }
}
