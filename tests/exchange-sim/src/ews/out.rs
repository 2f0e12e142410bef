//! Writes answers: text with long content in between that is made while it is sent.

use bytes::Bytes;

use super::xml::{MESSAGES, Node, SOAP, TYPES, is_legal};
use crate::content::segment::Segment;

/// The prefixes that an answer uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prefixes {
    /// `s`, `m` and `t`, as Exchange does.
    #[default]
    Usual,
    /// Others, as other servers do.
    Other,
}

impl Prefixes {
    fn of(self, prefix: &str) -> &str {
        match (self, prefix) {
            (Self::Other, "s") => "SOAP-ENV",
            (Self::Other, "m") => "ns2",
            (Self::Other, "t") => "ews",
            _ => prefix,
        }
    }
}

/// An answer that is being written.
#[derive(Debug, Default)]
pub(crate) struct Out {
    prefixes: Prefixes,
    segments: Vec<Segment>,
    text: String,
    open: Vec<String>,
}

impl Out {
    /// Nothing yet.
    pub(crate) fn new(prefixes: Prefixes) -> Self {
        Self {
            prefixes,
            ..Self::default()
        }
    }

    fn name(&self, name: &str) -> String {
        match name.split_once(':') {
            Some((prefix, local)) => format!("{}:{local}", self.prefixes.of(prefix)),
            None => name.to_owned(),
        }
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) -> String {
        let name = self.name(name);
        self.text.push('<');
        self.text.push_str(&name);
        for (key, value) in attributes {
            self.text.push(' ');
            self.text.push_str(key);
            self.text.push_str("=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
        name
    }

    /// The declarations of all prefixes, as attributes of the envelope.
    pub(crate) fn envelope(&mut self) -> &mut Self {
        let p = self.prefixes;
        let names = [("s", SOAP), ("m", MESSAGES), ("t", TYPES)]
            .map(|(prefix, space)| (format!("xmlns:{}", p.of(prefix)), space));
        let attributes: Vec<(&str, &str)> = names
            .iter()
            .map(|(name, space)| (name.as_str(), *space))
            .collect();
        self.text
            .push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        self.start("s:Envelope", &attributes)
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        let name = self.tag(name, attributes);
        self.text.push('>');
        self.open.push(name);
        self
    }

    /// Ends the innermost element.
    pub(crate) fn end(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.text.push_str("</");
            self.text.push_str(&name);
            self.text.push('>');
        }
        self
    }

    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.start(name, &[]);
        escape(text, &mut self.text);
        self.end()
    }

    /// Text inside the innermost element.
    pub(crate) fn raw_text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.text);
        self
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.text.push_str("/>");
        self
    }

    /// A tree.
    pub(crate) fn node(&mut self, node: &Node) -> &mut Self {
        let attributes: Vec<(&str, &str)> = node
            .attributes
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        if node.children.is_empty() && node.text.is_empty() {
            return self.empty(&node.name, &attributes);
        }
        self.start(&node.name, &attributes);
        if node.children.is_empty() {
            escape(&node.text, &mut self.text);
        }
        for child in &node.children {
            self.node(child);
        }
        self.end()
    }

    /// Content in base64, made while it is sent.
    pub(crate) fn base64(&mut self, content: Vec<Segment>) -> &mut Self {
        let text = std::mem::take(&mut self.text);
        self.segments.push(Segment::Text(Bytes::from(text)));
        self.segments.push(Segment::Coded(content));
        self
    }

    /// What another writer wrote.
    pub(crate) fn append(&mut self, other: Out) -> &mut Self {
        let mut other = other;
        while !other.open.is_empty() {
            other.end();
        }
        if !other.segments.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.segments.push(Segment::Text(Bytes::from(text)));
            self.segments.append(&mut other.segments);
        }
        self.text.push_str(&other.text);
        self
    }

    /// Everything, with all elements ended.
    pub(crate) fn finish(mut self) -> Vec<Segment> {
        while !self.open.is_empty() {
            self.end();
        }
        self.segments.push(Segment::Text(Bytes::from(self.text)));
        self.segments
    }
}

/// Escapes text; what XML does not allow becomes the references that Exchange writes all the same.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            _ if is_legal(letter) => out.push(letter),
            _ => out.push_str(&format!("&#x{:X};", u32::from(letter))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::segment::collect;

    #[test]
    fn what_is_written_can_be_read() {
        let mut inner = Out::new(Prefixes::Other);
        inner
            .start("t:MimeContent", &[("CharacterSet", "UTF-8")])
            .base64(vec![Segment::Text(Bytes::from_static(b"abcd"))]);
        let mut out = Out::new(Prefixes::Other);
        out.envelope()
            .start("s:Body", &[])
            .text("t:Subject", "a & <b>\r")
            .append(inner);
        let bytes = collect(out.finish());
        let node = Node::parse(&bytes).unwrap();
        let body = node.child("s:Body").unwrap();
        assert_eq!(body.text_of("t:Subject"), Some("a & <b>\r"));
        assert_eq!(body.text_of("t:MimeContent"), Some("YWJjZA=="));
    }
}
