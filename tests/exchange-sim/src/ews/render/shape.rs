//! What a request wants of an item or a folder.

use crate::ews::error::EwsError;
use crate::ews::extended::{self, Key};
use crate::ews::xml::Node;

/// How much is wanted beside what is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Base {
    #[default]
    IdOnly,
    Default,
    All,
}

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) base: Base,
    pub(crate) with_mime: bool,
    /// The MIME form is wanted as a property: items whose class has none come without it.
    pub(crate) is_mime_optional: bool,
    /// Bodies as text.
    pub(crate) text_bodies: bool,
    /// Elements, with the key of a dictionary's entry.
    pub(crate) fields: Vec<(String, Option<String>)>,
    pub(crate) extended: Vec<Key>,
    /// For a listing: no addresses, and texts are cut.
    pub(crate) is_listing: bool,
}

impl Shape {
    /// Reads a `m:ItemShape`, `m:FolderShape` or `m:AttachmentShape`.
    pub(crate) fn read(node: Option<&Node>) -> Result<Self, EwsError> {
        let mut shape = Self::default();
        let Some(node) = node else { return Ok(shape) };
        shape.base = match node.text_of("t:BaseShape") {
            Some("Default") => Base::Default,
            Some("AllProperties") => Base::All,
            _ => Base::IdOnly,
        };
        let is_true = |text: &str| matches!(text, "true" | "1");
        shape.with_mime = node.text_of("t:IncludeMimeContent").is_some_and(is_true);
        shape.text_bodies = node.text_of("t:BodyType") == Some("Text");
        let more = node.child("t:AdditionalProperties");
        for field in more.iter().flat_map(|more| &more.children) {
            let uri = field.attribute("FieldURI").unwrap_or_default();
            match field.name.as_str() {
                "t:ExtendedFieldURI" => shape.extended.push(extended::key(field)?),
                "t:IndexedFieldURI" => {
                    let key = field.attribute("FieldIndex").map(str::to_owned);
                    shape.fields.push((dictionary(uri).to_owned(), key));
                }
                _ if uri == "item:MimeContent" => {
                    shape.is_mime_optional = !shape.with_mime;
                    shape.with_mime = true;
                }
                _ => shape.fields.push((element(uri).to_owned(), None)),
            }
        }
        Ok(shape)
    }

    /// Whether an element is named.
    pub(crate) fn names(&self, element: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == element)
    }

    /// The dictionary entries wanted of an element; `None` for all.
    pub(crate) fn entries(&self, element: &str) -> Option<Vec<&str>> {
        let mut keys = vec![];
        for (_, key) in self.fields.iter().filter(|(name, _)| name == element) {
            keys.push(key.as_deref()?);
        }
        (!keys.is_empty()).then_some(keys)
    }
}

/// The element that a field's name stands for.
pub(crate) fn element(uri: &str) -> &str {
    uri.rsplit(':').next().unwrap_or(uri)
}

/// The element that holds a dictionary.
pub(crate) fn dictionary(uri: &str) -> &str {
    match uri {
        "item:InternetMessageHeader" => "InternetMessageHeaders",
        "contacts:ImAddress" => "ImAddresses",
        "contacts:PhoneNumber" => "PhoneNumbers",
        "contacts:EmailAddress" => "EmailAddresses",
        "distributionlist:Members:Member" => "Members",
        _ if uri.starts_with("contacts:PhysicalAddress") => "PhysicalAddresses",
        _ => element(uri),
    }
}
