//! A short document as a whole.

use super::{Element, Event, EventReader, ReadError, XmlError};
use crate::ByteStream;

/// Reads a document to its end; one of more than `most` bytes of names and text is refused.
pub(crate) async fn read_document(bytes: ByteStream, most: usize) -> Result<Element, ReadError> {
    let mut reader = EventReader::new(bytes);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut used = 0;
    while let Some(event) = reader.next().await? {
        used += match &event {
            Event::Start { name, attributes } => {
                let attributes = attributes.iter();
                name.len()
                    + attributes
                        .map(|(key, value)| key.len() + value.len())
                        .sum::<usize>()
            }
            Event::Text(text) => text.len(),
            Event::End => 0,
        };
        if used > most {
            return Err(ReadError::Xml(XmlError::TooLarge));
        }
        match event {
            Event::Start { name, attributes } => open.push(Element {
                name,
                attributes,
                ..Element::default()
            }),
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::End => {
                if let Some(done) = open.pop()
                    && let Some(parent) = open.last_mut()
                {
                    parent.children.push(done);
                }
            }
        }
    }
    let root = open.into_iter().next().unwrap_or_default();
    let root = root.children.into_iter().next();
    root.ok_or(ReadError::Xml(XmlError::Malformed))
}
