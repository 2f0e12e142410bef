//! XML as Exchange and its relatives write it: read as it streams in, tolerant of what does no
//! harm, bounded in depth and size; and written so that a strict server takes it.

mod base64;
mod cut;
mod document;
mod element;
mod events;
mod text;
mod write;

pub(crate) use base64::Base64Decoder;
pub(crate) use document::read_document;
pub(crate) use element::Element;
pub(crate) use events::{Event, EventReader, ReadError};
pub(crate) use write::{XmlWriter, attribute_text, is_xml_char};

/// Why XML could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// It is no XML, or a tag is wrong.
    Malformed,
    /// A tag, the depth or an element is beyond any honest size.
    TooLarge,
    /// It declares a document type; nothing honest does.
    Doctype,
}

impl XmlError {
    /// The code that errors show.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_xml",
            Self::TooLarge => "xml_too_large",
            Self::Doctype => "xml_doctype",
        }
    }
}
