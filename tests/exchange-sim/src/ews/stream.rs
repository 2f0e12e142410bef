//! The stream that holds an item with everything: what `ExportItems` gives and only `UploadItems`
//! reads. Its form is this tenant's own, as Exchange's is Exchange's.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::EwsError;
use super::write::creatable;
use super::xml::Node;
use crate::content::blob::Blob;
use crate::content::mail::{Attachment, AttachmentKind, Body};
use crate::content::real;
use crate::content::segment::{Chunks, Segment};
use crate::store::overlay::{Origin, Overlay, RawMail, WrittenMail};
use crate::store::view::View;
use crate::tenant::Tenant;

const MAGIC: &[u8; 8] = b"SIMFTS\x01\0";

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    element: String,
    class: String,
    bits: u32,
    subject: String,
    received: i64,
    sent: i64,
    created: Option<i64>,
    importance: u8,
    sensitivity: u8,
    categories: Vec<String>,
    properties: BTreeMap<String, String>,
    flag_complete: bool,
    fields: BTreeMap<String, Tree>,
    /// Text of items without MIME.
    body: Option<(bool, String)>,
    attachments: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    name: String,
    content_type: String,
    content_id: Option<String>,
    is_inline: bool,
    is_item: bool,
    base64: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(String, Vec<(String, String)>, String, Vec<Tree>);

impl From<&Node> for Tree {
    fn from(node: &Node) -> Self {
        let children = node.children.iter().map(Self::from).collect();
        Self(
            node.name.clone(),
            node.attributes.clone(),
            node.text.clone(),
            children,
        )
    }
}

impl From<Tree> for Node {
    fn from(tree: Tree) -> Self {
        Self {
            name: tree.0,
            attributes: tree.1,
            text: tree.2,
            children: tree.3.into_iter().map(Self::from).collect(),
            at: 0,
        }
    }
}

/// Writes an item.
pub(crate) fn export(tenant: &Tenant, view: &View, element: &str) -> Vec<Segment> {
    let meta = view.meta();
    let is_mail = !matches!(
        element,
        "CalendarItem" | "Contact" | "DistributionList" | "Task"
    );
    let body = view.body();
    let attachments = match is_mail {
        true => vec![],
        false => view.attachments(&tenant.world),
    };
    let head = Head {
        element: element.to_owned(),
        class: meta.class,
        bits: view.slot.bits,
        subject: meta.subject,
        received: meta.received,
        sent: meta.sent,
        created: view.overlay.created,
        importance: meta.importance,
        sensitivity: meta.sensitivity,
        categories: view.overlay.categories.clone(),
        properties: view.overlay.properties.clone(),
        flag_complete: view.overlay.flag_complete,
        fields: view
            .overlay
            .fields
            .iter()
            .map(|(name, node)| (name.clone(), Tree::from(node)))
            .collect(),
        body: (!is_mail).then_some((body.is_html, body.text)),
        attachments: attachments
            .into_iter()
            .map(|(_, one)| Part {
                base64: base64_simd::STANDARD.encode_to_string(one.bytes()),
                name: one.name,
                content_type: one.content_type,
                content_id: one.content_id,
                is_inline: one.is_inline,
                is_item: one.kind == AttachmentKind::Item,
            })
            .collect(),
    };
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let mime = match is_mail {
        true => view.mime(&tenant.world, 0),
        false => vec![],
    };
    let mut tag = blake3::Hasher::new_keyed(&tenant.key);
    tag.update(&head);
    for chunk in Chunks::new(mime.clone()) {
        tag.update(&chunk);
    }
    let mut start = MAGIC.to_vec();
    start.extend_from_slice(tag.finalize().as_bytes());
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    start.extend_from_slice(&length.to_be_bytes());
    start.extend_from_slice(&head);
    let mut segments = vec![Segment::Text(Bytes::from(start))];
    segments.extend(mime);
    segments
}

/// Reads an item: its overlay, its state and its element.
pub(crate) fn import(
    tenant: &Tenant,
    bytes: &[u8],
) -> Result<(Overlay, u32, &'static str), EwsError> {
    let corrupt = || EwsError::new("ErrorCorruptData", "The data is not of an exported item.");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(corrupt)?;
    let (tag, rest) = rest.split_at_checked(32).ok_or_else(corrupt)?;
    let (length, rest) = rest.split_at_checked(4).ok_or_else(corrupt)?;
    let length = u32::from_be_bytes(length.try_into().map_err(|_| corrupt())?);
    let length = crate::numbers::index(u64::from(length));
    let (head, mime) = rest.split_at_checked(length).ok_or_else(corrupt)?;
    // Whatever was changed in it, and wherever it was cut off.
    if blake3::keyed_hash(&tenant.key, &[head, mime].concat()).as_bytes() != tag {
        return Err(corrupt());
    }
    let head: Head = serde_json::from_slice(head).map_err(|_| corrupt())?;
    // Meeting messages are messages whose class tells them apart.
    let element = creatable(&format!("t:{}", head.element)).unwrap_or("Message");
    let mut meta = real::parse_meta(mime, head.received);
    meta.class = head.class;
    meta.subject = head.subject;
    meta.received = head.received;
    meta.sent = head.sent;
    meta.importance = head.importance;
    meta.sensitivity = head.sensitivity;
    let origin = match head.body {
        None => Origin::Raw(Arc::new(RawMail {
            bytes: Blob::from(mime.to_vec()),
            meta,
        })),
        Some((is_html, text)) => {
            let mut written = WrittenMail {
                meta,
                body: Body { is_html, text },
                element: (element != "Message").then_some(element),
                ..WrittenMail::default()
            };
            for part in head.attachments {
                let bytes = base64_simd::STANDARD
                    .decode_to_vec(part.base64)
                    .map_err(|_| corrupt())?;
                let blob = Blob::from(bytes);
                let mut one = Attachment::file(&part.name, &part.content_type, blob);
                one.content_id = part.content_id;
                one.is_inline = part.is_inline;
                if part.is_item {
                    one.kind = AttachmentKind::Item;
                }
                written.push(one);
            }
            Origin::Written(Arc::new(written))
        }
    };
    let overlay = Overlay {
        origin,
        categories: head.categories,
        properties: head.properties,
        flag_complete: head.flag_complete,
        created: head.created,
        fields: head
            .fields
            .into_iter()
            .map(|(name, tree)| (name, Node::from(tree)))
            .collect(),
        ..Overlay::default()
    };
    Ok((overlay, head.bits, element))
}
