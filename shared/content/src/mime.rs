//! The MIME structure of a message, as places in its bytes.
//!
//! Nothing is copied and every byte keeps its place, so that what is not understood can be given
//! out as it stands. Depth and number of entities are bounded; what is beyond stays one leaf.

use std::ops::Range;

use memchr::memmem;

use crate::header::{Field, line_at, read_fields};
use crate::parameters::Parameterized;

/// Deepest nesting that is taken apart. Exchange allows 30.
const MAX_DEPTH: usize = 40;
/// Most entities that are taken apart in one message.
const MAX_ENTITIES: usize = 10_000;

/// A header block with what it describes.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) fields: Vec<Field>,
    /// Header and body.
    pub(crate) whole: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) media: Parameterized,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Leaf,
    Multipart {
        preamble: Range<usize>,
        children: Vec<Entity>,
        epilogue: Range<usize>,
    },
    /// A nested message that is not itself encoded.
    Message(Box<Entity>),
}

impl Entity {
    /// The structure of a whole message.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader {
            bytes,
            entities_left: MAX_ENTITIES,
        };
        reader.entity(0..bytes.len(), "text/plain", 0)
    }

    /// The raw value of the first field of this name.
    pub(crate) fn value<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let field = self.fields.iter().find(|field| {
            bytes
                .get(field.name.clone())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        })?;
        bytes.get(field.value.clone())
    }

    /// The disposition, empty if there is none.
    pub(crate) fn disposition(&self, bytes: &[u8]) -> Parameterized {
        self.value(bytes, "content-disposition")
            .map(Parameterized::parse)
            .unwrap_or_default()
    }

    /// How the body is encoded for transfer.
    pub(crate) fn encoding(&self, bytes: &[u8]) -> Encoding {
        let value = self.value(bytes, "content-transfer-encoding");
        let value = value.unwrap_or_default().trim_ascii();
        // Some programs append a comment or a semicolon.
        let end = value.iter().position(|byte| b" \t\r\n;(".contains(byte));
        let word = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"base64") {
            Encoding::Base64
        } else if word.eq_ignore_ascii_case(b"quoted-printable") {
            Encoding::QuotedPrintable
        } else {
            Encoding::Identity
        }
    }
}

/// A transfer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Base64,
    QuotedPrintable,
    /// 7bit, 8bit, binary, or one that is not understood.
    Identity,
}

struct Reader<'a> {
    bytes: &'a [u8],
    entities_left: usize,
}

impl Reader<'_> {
    fn entity(&mut self, whole: Range<usize>, default_type: &str, depth: usize) -> Entity {
        self.entities_left = self.entities_left.saturating_sub(1);
        let (fields, body_start) = read_fields(self.bytes, whole.clone());
        let mut entity = Entity {
            fields,
            body: body_start..whole.end,
            whole,
            media: Parameterized::default(),
            content: Content::Leaf,
        };
        entity.media = entity
            .value(self.bytes, "content-type")
            .map(Parameterized::parse)
            .filter(|media| !media.kind.is_empty())
            .unwrap_or_else(|| Parameterized {
                kind: default_type.to_owned(),
                parameters: vec![],
            });
        // Types without their second half are seen in the wild.
        match entity.media.kind.as_str() {
            "multipart" => entity.media.kind.push_str("/mixed"),
            "text" => entity.media.kind.push_str("/plain"),
            _ => {}
        }
        if depth < MAX_DEPTH && entity.encoding(self.bytes) == Encoding::Identity {
            entity.content = self.content(&entity, depth);
        }
        entity
    }

    fn content(&mut self, entity: &Entity, depth: usize) -> Content {
        match entity.media.kind.as_str() {
            "message/rfc822" | "message/global" if self.entities_left > 0 => {
                let nested = self.entity(entity.body.clone(), "text/plain", depth + 1);
                if nested.fields.is_empty() {
                    return Content::Leaf;
                }
                Content::Message(Box::new(nested))
            }
            kind if kind.starts_with("multipart/") => {
                let boundary = entity.media.parameter("boundary").map(str::trim_end);
                let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) else {
                    return Content::Leaf;
                };
                let cut = cut_at_boundary(self.bytes, entity.body.clone(), boundary);
                if cut.children.is_empty() || cut.children.len() > self.entities_left {
                    return Content::Leaf;
                }
                let default_type = if kind == "multipart/digest" {
                    "message/rfc822"
                } else {
                    "text/plain"
                };
                let children = cut.children.into_iter();
                Content::Multipart {
                    preamble: cut.preamble,
                    children: children
                        .map(|child| self.entity(child, default_type, depth + 1))
                        .collect(),
                    epilogue: cut.epilogue,
                }
            }
            _ => Content::Leaf,
        }
    }
}

struct Cut {
    preamble: Range<usize>,
    children: Vec<Range<usize>>,
    epilogue: Range<usize>,
}

/// Cuts a multipart body at its delimiter lines. The line ending before a delimiter belongs to
/// it. A missing closing delimiter is forgiven.
fn cut_at_boundary(bytes: &[u8], body: Range<usize>, boundary: &str) -> Cut {
    let needle = [b"--", boundary.as_bytes()].concat();
    let area = bytes.get(body.clone()).unwrap_or_default();
    let mut cut = Cut {
        preamble: body.start..body.start,
        children: vec![],
        epilogue: body.end..body.end,
    };
    let mut child_start = None;
    for at in memmem::find_iter(area, &needle).map(|at| at + body.start) {
        let before = bytes.get(body.start..at).unwrap_or_default();
        if !(before.is_empty() || before.ends_with(b"\n")) {
            continue;
        }
        let Some(line) = line_at(bytes, at, body.end) else {
            continue;
        };
        let text = bytes.get(at + needle.len()..line.text.end);
        let text = text.unwrap_or_default().trim_ascii_end();
        if !(text.is_empty() || text == b"--") {
            continue;
        }
        let ending = if before.ends_with(b"\r\n") { 2 } else { 1 };
        let end = at.saturating_sub(ending);
        match child_start {
            Some(start) => cut.children.push(start..end.max(start)),
            None => cut.preamble = body.start..end.max(body.start),
        }
        if text == b"--" {
            cut.epilogue = line.next..body.end;
            return cut;
        }
        child_start = Some(line.next);
        if cut.children.len() > MAX_ENTITIES {
            return cut;
        }
    }
    if let Some(start) = child_start {
        cut.children.push(start..body.end.max(start));
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(entity: &Entity, bytes: &[u8]) -> String {
        match &entity.content {
            Content::Leaf => {
                let body = String::from_utf8_lossy(&bytes[entity.body.clone()]).into_owned();
                format!("{}:{body:?}", entity.media.kind)
            }
            Content::Message(nested) => format!("message[{}]", outline(nested, bytes)),
            Content::Multipart { children, .. } => {
                let children: Vec<_> = children.iter().map(|c| outline(c, bytes)).collect();
                format!("{}[{}]", entity.media.kind, children.join(" "))
            }
        }
    }

    fn outline_of(message: &str) -> String {
        outline(&Entity::parse(message.as_bytes()), message.as_bytes())
    }

    #[test]
    fn parts_are_cut_without_the_line_ending_before_the_delimiter() {
        let message = "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npre\r\n--b\r\n\r\none\r\n\
            --b \r\nContent-Type: text/html\r\n\r\n--bb\r\ntwo\r\n\r\n--b--\r\nepilogue";
        assert_eq!(
            outline_of(message),
            r#"multipart/mixed[text/plain:"one" text/html:"--bb\r\ntwo\r\n"]"#
        );
    }

    #[test]
    fn missing_delimiters_are_forgiven() {
        let head = "Content-Type: multipart/mixed; boundary=b\n\n";
        assert_eq!(
            outline_of(&format!("{head}--b\n\none\n--b")),
            r#"multipart/mixed[text/plain:"one" text/plain:""]"#
        );
        assert_eq!(
            outline_of(&format!("{head}text")),
            r#"multipart/mixed:"text""#
        );
        assert_eq!(
            outline_of("Content-Type: multipart/mixed\n\n--x\n\ntext"),
            r#"multipart/mixed:"--x\n\ntext""#
        );
    }

    #[test]
    fn messages_in_a_digest_need_no_type() {
        let message =
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhi\n--b--";
        assert_eq!(
            outline_of(message),
            r#"multipart/digest[message[text/plain:"hi"]]"#
        );
    }

    #[test]
    fn deep_nesting_ends_somewhere() {
        let message = "Content-Type: message/rfc822\n\n".repeat(100_000);
        assert!(outline_of(&message).starts_with("message[message["));
        let mut message = String::new();
        for level in 0..5_000 {
            message += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        }
        assert!(outline_of(&message).starts_with("multipart/mixed[multipart/mixed["));
    }

    #[test]
    fn many_parts_stay_one_leaf() {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\n".repeat(20_000);
        assert!(outline_of(&message).starts_with("multipart/mixed:"));
    }
}
