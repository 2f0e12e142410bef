//! One item as the service sees it now.

use std::sync::Arc;

use bytes::Bytes;

use super::mailbox::{Mailbox, Slot};
use super::overlay::{Origin, Overlay, RawMail, WrittenMail};
use crate::content::blob::{Blob, Texture};
use crate::content::compose::compose;
use crate::content::mail::{Attachment, Body, Meta};
use crate::content::plan::{Plan, World};
use crate::content::real;
use crate::content::segment::{Segment, collect};

/// An item's state and where its content comes from. Holds no body.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) item: u32,
    pub(crate) slot: Slot,
    pub(crate) overlay: Overlay,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Plan(Box<Plan>),
    Raw(Arc<RawMail>),
    Written(Arc<WrittenMail>),
}

impl Mailbox {
    /// An item that exists.
    pub(crate) fn view(&self, world: &World, item: u32) -> Option<View> {
        let slot = *self.slot(item)?;
        let overlay = self.overlays.get(&item).cloned().unwrap_or_default();
        let source = match &overlay.origin {
            Origin::Generated => {
                let mut plan = world.plan(self.number, item, slot.version);
                if let Some(bytes) = overlay.giant {
                    plan.files.push(giant_file(plan.key, bytes));
                }
                if let Some(received) = overlay.received {
                    plan.received = received;
                    plan.sent = received - 5;
                }
                Source::Plan(Box::new(plan))
            }
            Origin::Raw(raw) => Source::Raw(Arc::clone(raw)),
            Origin::Written(written) => Source::Written(Arc::clone(written)),
        };
        Some(View {
            item,
            slot,
            overlay,
            source,
        })
    }
}

fn giant_file(key: u64, bytes: u64) -> crate::content::files::PlannedFile {
    crate::content::files::PlannedFile {
        name: "giant video.mp4".to_owned(),
        content_type: "video/mp4",
        content_id: None,
        blob: Blob::Generated {
            seed: key,
            bytes,
            texture: Texture::Dense,
            magic: b"\x00\x00\x00\x20ftypmp42",
        },
    }
}

impl View {
    /// Metadata.
    pub(crate) fn meta(&self) -> Meta {
        match &self.source {
            Source::Plan(plan) => World::meta(plan),
            Source::Raw(raw) => raw.meta.clone(),
            Source::Written(written) => {
                let mut meta = written.meta.clone();
                meta.has_attachments = written
                    .attachments
                    .iter()
                    .any(|(_, attachment)| !attachment.is_inline);
                meta
            }
        }
    }

    /// When it changed last.
    pub(crate) fn modified(&self, world: &World, meta: &Meta) -> i64 {
        match self.slot.modified {
            0 => meta.received,
            seconds => world.start + i64::from(seconds),
        }
    }

    /// Its element in EWS, if it was written as something else than a message.
    pub(crate) fn element(&self) -> Option<&'static str> {
        match &self.source {
            Source::Written(written) => written.element,
            _ => None,
        }
    }

    /// The text.
    pub(crate) fn body(&self) -> Body {
        match &self.source {
            Source::Plan(plan) => World::body(plan),
            Source::Raw(raw) => real::parse_body(&raw.bytes.whole()),
            Source::Written(written) => written.body.clone(),
        }
    }

    /// Attachments with the numbers that their ids carry.
    pub(crate) fn attachments(&self, world: &World) -> Vec<(u32, Attachment)> {
        match &self.source {
            Source::Plan(plan) => (0..).zip(world.attachments(plan)).collect(),
            Source::Raw(raw) => (0..)
                .zip(real::parse_attachments(&raw.bytes.whole()))
                .collect(),
            Source::Written(written) => written.attachments.clone(),
        }
    }

    /// The message as MIME. Real mail comes byte for byte; other mail has its boundaries made from
    /// `nonce`.
    pub(crate) fn mime(&self, world: &World, nonce: u64) -> Vec<Segment> {
        match &self.source {
            Source::Plan(plan) => world.mime(plan, nonce),
            Source::Raw(raw) => vec![Segment::Plain(raw.bytes.clone())],
            Source::Written(written) => compose(&self.meta(), written, nonce),
        }
    }

    /// Whether reads give the same bytes at all times.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.source, Source::Raw(_))
    }

    /// The headers of the MIME form.
    pub(crate) fn headers(&self, world: &World) -> Vec<(String, String)> {
        if let Source::Written(written) = &self.source
            && !written.headers.is_empty()
        {
            return written.headers.clone();
        }
        let mut segments = self.mime(world, 0);
        segments.truncate(1);
        let head = match segments.first() {
            Some(Segment::Plain(blob)) => blob.read(0, 1 << 20),
            _ => Bytes::from(collect(segments)),
        };
        real::parse_headers(&head)
    }
}
