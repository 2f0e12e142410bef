//! XML of requests as a tree. Strict: what a schema-validating server would not read is refused.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Types namespace.
pub(crate) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
/// Messages namespace.
pub(crate) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
/// SOAP 1.1 envelope namespace.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Elements are never nested deeper.
const DEEPEST: usize = 100;

/// An element. Its name has one of the prefixes `t:`, `m:` and `s:`, whatever the document used;
/// names of other namespaces have the namespace in braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Node>,
    pub(crate) text: String,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

/// The document cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadXml {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl Node {
    /// An element without content.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// An element with text.
    pub(crate) fn with_text(name: &str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::new(name)
        }
    }

    /// An element with children.
    pub(crate) fn with(name: &str, children: Vec<Node>) -> Self {
        Self {
            children,
            ..Self::new(name)
        }
    }

    /// Adds an attribute.
    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// The name without its prefix.
    pub(crate) fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    /// An attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// A descendant by names.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.child(name))
    }

    /// The text of a child.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Reads a document.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadXml> {
        Parser::default().run(bytes)
    }
}

#[derive(Default)]
struct Parser {
    open: Vec<Node>,
    /// Prefixes in scope, the innermost last, with the depth they belong to.
    scope: Vec<(usize, String, String)>,
    root: Option<Node>,
}

impl Parser {
    fn run(mut self, bytes: &[u8]) -> Result<Node, BadXml> {
        let text = std::str::from_utf8(bytes).map_err(|error| BadXml {
            at: error.valid_up_to(),
            why: "the document is not UTF-8".to_owned(),
        })?;
        let mut reader = Reader::from_str(text);
        loop {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(0);
            let bad = |why: &str| BadXml {
                at,
                why: why.to_owned(),
            };
            match reader
                .read_event()
                .map_err(|error| bad(&error.to_string()))?
            {
                Event::Start(tag) => self.begin(&tag, at)?,
                Event::Empty(tag) => {
                    self.begin(&tag, at)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => {
                    self.text(&text, at)?;
                }
                Event::CData(text) => {
                    self.text(&text, at)?;
                }
                Event::GeneralRef(reference) => {
                    let text = match reference.resolve_char_ref() {
                        Ok(Some(letter)) if is_legal(letter) => letter.to_string(),
                        Ok(Some(_)) | Err(_) => {
                            return Err(bad("a character reference is not legal"));
                        }
                        Ok(None) => match reference.as_ref() {
                            "amp" => "&",
                            "lt" => "<",
                            "gt" => ">",
                            "quot" => "\"",
                            "apos" => "'",
                            _ => return Err(bad("an entity is not declared")),
                        }
                        .to_owned(),
                    };
                    self.text(&text, at)?;
                }
                Event::DocType(_) => return Err(bad("a document type is not allowed")),
                Event::Eof => {
                    return match self.root {
                        Some(root) if self.open.is_empty() => Ok(root),
                        _ => Err(bad("the document ends early")),
                    };
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            }
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<(), BadXml> {
        let bad = |why: &str| BadXml {
            at,
            why: why.to_owned(),
        };
        if self.root.is_some() || self.open.len() >= DEEPEST {
            return Err(bad("more than one root, or nested too deeply"));
        }
        let depth = self.open.len();
        let mut attributes = vec![];
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| bad(&error.to_string()))?;
            let key = attribute.key.as_ref().to_owned();
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_err(|error| bad(&error.to_string()))?
                .into_owned();
            if key == "xmlns" {
                self.scope.push((depth, String::new(), value));
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                self.scope.push((depth, prefix.to_owned(), value));
            } else {
                attributes.push((key, value));
            }
        }
        let full = tag.name().as_ref().to_owned();
        let (prefix, local) = full.split_once(':').unwrap_or(("", &full));
        let space = self.scope.iter().rev().find(|(_, name, _)| name == prefix);
        let name = match space.map(|(_, _, space)| space.as_str()) {
            Some(TYPES) => format!("t:{local}"),
            Some(MESSAGES) => format!("m:{local}"),
            Some(SOAP) => format!("s:{local}"),
            Some(other) => format!("{{{other}}}{local}"),
            None if prefix.is_empty() => local.to_owned(),
            None => return Err(bad("a prefix is not declared")),
        };
        self.open.push(Node {
            name,
            attributes,
            at,
            ..Node::default()
        });
        Ok(())
    }

    fn end(&mut self) {
        let Some(node) = self.open.pop() else { return };
        let depth = self.open.len();
        self.scope.retain(|(at, _, _)| *at < depth);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn text(&mut self, text: &str, at: usize) -> Result<(), BadXml> {
        if !text.chars().all(is_legal) {
            return Err(BadXml {
                at,
                why: "a character is not legal in XML".to_owned(),
            });
        }
        match self.open.last_mut() {
            Some(node) => node.text.push_str(text),
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => {
                return Err(BadXml {
                    at,
                    why: "text outside of the root".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// What XML 1.0 allows.
pub(crate) fn is_legal(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_namespace_and_not_the_prefix() {
        let text = format!(
            "<a:X xmlns:a=\"{TYPES}\"><Y xmlns=\"{MESSAGES}\" k=\"&lt;\">1&amp;&#x41;</Y><a:Z/></a:X>"
        );
        let node = Node::parse(text.as_bytes()).unwrap();
        assert_eq!(node.name, "t:X");
        let inner = node.child("m:Y").unwrap();
        assert_eq!(
            (inner.text.as_str(), inner.attribute("k")),
            ("1&A", Some("<"))
        );
        assert!(node.child("t:Z").is_some());
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for bad in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<p:a/>",
            "<!DOCTYPE a><a/>",
            "<a>&#x1;</a>",
            "<a>\u{1}</a>",
            "<a>&nbsp;</a>",
            "x<a/>",
        ] {
            assert!(Node::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
