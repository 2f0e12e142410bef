//! Plain text of HTML, where the service takes no other.

/// Tags after which a line ends.
const BREAKS: &[&str] = &["br", "/p", "/div", "/tr", "/li", "/h1", "/h2", "/h3", "hr"];
/// What is inside these is no text.
const SILENT: &[&str] = &["style", "script", "head", "title"];
const ENTITIES: &[(&str, &str)] = &[
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// The text that a person reads.
pub(crate) fn plain(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut silent: Option<&str> = None;
    while let Some((text, after)) = rest.split_once('<') {
        if silent.is_none() {
            out.push_str(&collapsed(text));
        }
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        let name = tag
            .split(|c: char| c.is_whitespace())
            .next()
            .unwrap_or_default()
            .trim_end_matches('/')
            .to_ascii_lowercase();
        match silent {
            Some(end) if name.strip_prefix('/') == Some(end) => silent = None,
            Some(_) => {}
            None => silent = SILENT.iter().find(|one| **one == name).copied(),
        }
        if BREAKS.contains(&name.as_str()) {
            out.push_str("\r\n");
        }
        rest = after;
    }
    if silent.is_none() {
        out.push_str(&collapsed(rest));
    }
    for (entity, text) in ENTITIES {
        out = out.replace(entity, text);
    }
    out.trim().to_owned()
}

/// Line ends of HTML are spaces, and many spaces are one.
fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if !char.is_ascii_whitespace() {
            out.push(char);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// Text as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_lines_stay() {
        let html = "<html><head><style>p { x }</style></head><body><p>a &amp; b</p>\r\n<div>c<br/>d</div></body></html>";
        assert_eq!(plain(html), "a & b\r\n c\r\nd");
        assert_eq!(plain("no tags < at all"), "no tags");
        assert_eq!(plain(&escaped("<x> & y")), "<x> & y");
    }
}
