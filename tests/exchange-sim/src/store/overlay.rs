//! What is kept of items that are not (or no longer) purely generated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::content::blob::Blob;
use crate::content::mail::{Attachment, Body, Meta};
use crate::ews::xml::Node;

/// Where an item's content comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// Generated from this number.
    #[default]
    Generated,
    /// Bytes that somebody gave: a file, or mail added by a test.
    Raw(Arc<RawMail>),
    /// Written over the API.
    Written(Arc<WrittenMail>),
}

/// A message with its bytes.
#[derive(Debug)]
pub(crate) struct RawMail {
    pub(crate) bytes: Blob,
    pub(crate) meta: Meta,
}

/// A message that was created over the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrittenMail {
    pub(crate) meta: Meta,
    pub(crate) body: Body,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) attachments: Vec<(u32, Attachment)>,
    pub(crate) next_attachment: u32,
    /// Its element in EWS, where that is not a message's.
    pub(crate) element: Option<&'static str>,
}

/// Changes on top of a generated item, or all of another one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    pub(crate) origin: Origin,
    /// Received time, where it is not the generated one.
    pub(crate) received: Option<i64>,
    pub(crate) categories: Vec<String>,
    /// Extended properties by normalised id.
    pub(crate) properties: BTreeMap<String, String>,
    /// A 150 MB (or other) attachment asked for by a test.
    pub(crate) giant: Option<u64>,
    /// `complete` instead of `flagged`.
    pub(crate) flag_complete: bool,
    /// When it was created, for items that came later.
    pub(crate) created: Option<i64>,
    /// Properties that were written over EWS and mean nothing to the rest, by their local names.
    pub(crate) fields: BTreeMap<String, Node>,
}
