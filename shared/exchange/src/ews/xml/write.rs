//! Writing XML that a schema-checking server takes.

/// Builds a document. Names are given with their prefix; text may be anything.
#[derive(Debug, Default)]
pub(crate) struct XmlWriter {
    out: String,
    open: Vec<&'static str>,
}

impl XmlWriter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.out.push('>');
        self.open.push(name);
        self
    }

    /// Ends the innermost element.
    pub(crate) fn end(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        self
    }

    /// An element with nothing but attributes.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.out.push_str("/>");
        self
    }

    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.text_with(name, &[], text)
    }

    /// An element with attributes and text.
    pub(crate) fn text_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        text: &str,
    ) -> &mut Self {
        self.tag(name, attributes);
        self.out.push('>');
        escape(text, false, &mut self.out);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }

    /// An element with attributes around XML that is known to be good.
    pub(crate) fn raw_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        xml: &str,
    ) -> &mut Self {
        self.tag(name, attributes);
        self.out.push('>');
        self.out.push_str(xml);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }

    /// XML that is known to be good.
    pub(crate) fn raw(&mut self, xml: &str) -> &mut Self {
        self.out.push_str(xml);
        self
    }

    /// The document, with every open element ended.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            escape(value, true, &mut self.out);
            self.out.push('"');
        }
    }
}

/// A value as it stands inside an attribute's quotes.
pub(crate) fn attribute_text(value: &str) -> String {
    let mut out = String::new();
    escape(value, true, &mut out);
    out
}

/// True for the characters that XML 1.0 allows.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn escape(text: &str, is_attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if is_attribute => out.push_str("&quot;"),
            // A reader would turn them into other white space.
            '\r' => out.push_str("&#13;"),
            '\n' if is_attribute => out.push_str("&#10;"),
            '\t' if is_attribute => out.push_str("&#9;"),
            // Not even a reference to such a character is allowed.
            c if !is_xml_char(c) => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, EventReader};
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    #[test]
    fn elements_close_in_order() {
        let mut writer = XmlWriter::new();
        writer.start("m:A", &[("x", "1\"<\n")]).empty("t:B", &[]);
        writer.start("t:C", &[]).text("t:D", "a\u{0}\u{B}&\r]]>");
        assert_eq!(
            writer.finish(),
            "<m:A x=\"1&quot;&lt;&#10;\"><t:B/><t:C><t:D>a&amp;&#13;]]&gt;</t:D></t:C></m:A>"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in ".{0,40}", key in ".{0,10}") {
            let mut writer = XmlWriter::new();
            writer.text_with("t:A", &[("k", &key)], &text);
            let bytes = Bytes::from(writer.finish());
            let mut reader = EventReader::new(Box::pin(futures::stream::iter([Ok(bytes)])));
            let mut found = String::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                while let Some(event) = reader.next().await.unwrap() {
                    match event {
                        Event::Text(text) => found.push_str(&text),
                        Event::Start { attributes, .. } => {
                            let kept: String = key.chars().filter(|c| is_xml_char(*c)).collect();
                            assert_eq!(attributes, [("k".to_owned(), kept)]);
                        }
                        Event::End => {}
                    }
                }
            });
            let kept: String = text.chars().filter(|c| is_xml_char(*c)).collect();
            prop_assert_eq!(found, kept);
        }
    }
}
