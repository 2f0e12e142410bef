//! Which part of a message is its body, and what its attachments are.

use crate::mime::{Content, Entity};
use crate::parameters::Parameterized;

/// A boilerplate preamble is shorter than this; a longer one is worth keeping.
const BOILERPLATE: usize = 256;

/// Something of the message that a restore attaches.
#[derive(Debug)]
pub(crate) enum Attached<'a> {
    /// A leaf.
    Leaf(&'a Entity),
    /// A multipart that could not be cut: as it stands, with its header.
    Uncut(&'a Entity),
    /// A nested message: the entity that holds it, and the message.
    Nested(&'a Entity, &'a Entity),
    /// A `multipart/signed` entity as a whole.
    Signed(&'a Entity),
    /// Text before or after the parts of a multipart.
    Loose(&'static str, std::ops::Range<usize>),
}

/// A message taken apart for a restore.
#[derive(Debug, Default)]
pub(crate) struct Outline<'a> {
    pub(crate) body: Option<&'a Entity>,
    pub(crate) attached: Vec<Attached<'a>>,
    /// The plain text that says the same as an HTML body has been left out.
    left_out_text: bool,
}

impl<'a> Outline<'a> {
    pub(crate) fn of(message: &'a Entity, bytes: &'a [u8]) -> Self {
        let mut outline = Self {
            body: find_body(message, bytes, true),
            attached: vec![],
            left_out_text: false,
        };
        outline.collect(message, bytes, false);
        outline
    }

    fn is_body(&self, entity: &Entity) -> bool {
        self.body.is_some_and(|body| std::ptr::eq(body, entity))
    }

    fn holds_body(&self, entity: &Entity) -> bool {
        self.body.is_some_and(|body| {
            entity.whole.start <= body.whole.start && body.whole.end <= entity.whole.end
        })
    }

    /// Collects what is attached. `replaced` says that plain text here is another form of the
    /// body that was chosen.
    fn collect(&mut self, entity: &'a Entity, bytes: &'a [u8], replaced: bool) {
        match &entity.content {
            Content::Leaf if self.is_body(entity) => {}
            Content::Leaf if is_plain_text(entity, bytes) && is_blank(entity, bytes) => {}
            Content::Leaf if replaced && !self.left_out_text && is_plain_text(entity, bytes) => {
                self.left_out_text = true;
            }
            Content::Leaf if entity.media.kind.starts_with("multipart/") => {
                self.attached.push(Attached::Uncut(entity));
            }
            Content::Leaf => self.attached.push(Attached::Leaf(entity)),
            Content::Message(nested) => self.attached.push(Attached::Nested(entity, nested)),
            Content::Multipart {
                preamble,
                children,
                epilogue,
            } => {
                let text = bytes.get(preamble.clone()).unwrap_or_default();
                if text.trim_ascii().len() > BOILERPLATE {
                    let loose = Attached::Loose("preamble.txt", preamble.clone());
                    self.attached.push(loose);
                }
                let is_alternative = entity.media.kind == "multipart/alternative";
                let is_signed = entity.media.kind == "multipart/signed";
                if is_signed {
                    self.attached.push(Attached::Signed(entity));
                }
                for (number, child) in children.iter().enumerate() {
                    // The signature is in the signed entity, which is attached as a whole.
                    if is_signed && number > 0 && matches!(child.content, Content::Leaf) {
                        continue;
                    }
                    let other_form = is_alternative
                        && self.body.is_some_and(|body| body.media.kind == "text/html")
                        && self.holds_body(entity)
                        && !self.holds_body(child);
                    self.collect(child, bytes, replaced || other_form);
                }
                let text = bytes.get(epilogue.clone()).unwrap_or_default();
                if !text.trim_ascii().is_empty() {
                    let loose = Attached::Loose("epilogue.txt", epilogue.clone());
                    self.attached.push(loose);
                }
            }
        }
    }
}

/// The leaf that is the body: HTML before text where both say the same.
fn find_body<'a>(entity: &'a Entity, bytes: &[u8], is_top: bool) -> Option<&'a Entity> {
    match &entity.content {
        Content::Message(_) => None,
        Content::Leaf => {
            let kind = entity.media.kind.as_str();
            let readable = matches!(kind, "text/plain" | "text/html");
            // The structure is broken: the whole text is shown rather than hidden.
            let broken = is_top && kind.starts_with("multipart/");
            let named = file_name(&entity.media, &entity.disposition(bytes)).is_some();
            let attached = entity.disposition(bytes).kind == "attachment";
            (broken || readable && !attached && (is_top || !named)).then_some(entity)
        }
        Content::Multipart { children, .. } => match entity.media.kind.as_str() {
            "multipart/alternative" => {
                let bodies = children.iter().rev();
                let bodies: Vec<_> = bodies
                    .filter_map(|child| find_body(child, bytes, false))
                    .collect();
                let is_html = |body: &&&Entity| body.media.kind == "text/html";
                let html = bodies.iter().find(is_html);
                html.or(bodies.first()).copied()
            }
            "multipart/related" => {
                let start = entity.media.parameter("start").map(bare_id);
                let root = children.iter().find(|child| {
                    let id = child.value(bytes, "content-id").map(id_text);
                    start.is_some() && id.as_deref() == start
                });
                find_body(root.or(children.first())?, bytes, false)
            }
            "multipart/signed" => find_body(children.first()?, bytes, false),
            _ => {
                let bodies = children.iter();
                let bodies: Vec<_> = bodies
                    .filter_map(|child| find_body(child, bytes, false))
                    .collect();
                let filled = bodies.iter().find(|body| !is_blank(body, bytes));
                filled.or(bodies.first()).copied()
            }
        },
    }
}

fn is_blank(entity: &Entity, bytes: &[u8]) -> bool {
    let body = bytes.get(entity.body.clone()).unwrap_or_default();
    body.trim_ascii().is_empty()
}

fn is_plain_text(entity: &Entity, bytes: &[u8]) -> bool {
    let disposition = entity.disposition(bytes);
    entity.media.kind == "text/plain"
        && disposition.kind != "attachment"
        && file_name(&entity.media, &disposition).is_none()
}

/// The file name that the header gives, if it gives any.
pub(crate) fn file_name<'a>(
    media: &'a Parameterized,
    disposition: &'a Parameterized,
) -> Option<&'a str> {
    let name = disposition.parameter("filename");
    let name = name.or_else(|| media.parameter("name"));
    name.filter(|name| !name.trim().is_empty())
}

/// The raw value of a `Content-ID` without its angle brackets.
pub(crate) fn id_text(value: &[u8]) -> String {
    bare_id(&String::from_utf8_lossy(value)).to_owned()
}

fn bare_id(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap_or(id)
        .trim()
}
