//! A request, taken apart.

use bytes::Bytes;
use serde_json::Value;

use super::failure::Failure;
use crate::store::ids::IdKind;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Decoded path segments behind the version; `users('x')` counts as two.
    pub(crate) segments: Vec<String>,
    /// Decoded query options in their order.
    pub(crate) query: Vec<(String, String)>,
    /// Headers with lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// The path and query as sent, without the version.
    pub(crate) path_and_query: String,
    /// It is a member of a batch.
    pub(crate) is_member: bool,
}

impl Call {
    /// Takes apart a path like `/users/x/messages?$select=id`.
    pub(crate) fn parse(method: &str, path_and_query: &str) -> Result<Self, Failure> {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let mut segments = Vec::new();
        for part in path.trim_start_matches('/').split('/') {
            let text = percent_decoded(part)
                .ok_or_else(|| Failure::bad("The path is not valid UTF-8."))?;
            match text
                .strip_suffix("')")
                .and_then(|rest| rest.split_once("('"))
            {
                Some((name, key)) => {
                    segments.push(name.to_owned());
                    segments.push(key.replace("''", "'"));
                }
                None => segments.push(text),
            }
        }
        Ok(Self {
            method: method.to_ascii_uppercase(),
            segments,
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            path_and_query: path_and_query.to_owned(),
            ..Self::default()
        })
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All preferences of all `Prefer` headers.
    pub(crate) fn preferences(&self) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(|(key, _)| key == "prefer")
            .flat_map(|(_, value)| value.split([',', ';']))
            .map(str::trim)
    }

    /// The value of a preference, without quotes.
    pub(crate) fn preference(&self, name: &str) -> Option<String> {
        self.preferences().find_map(|text| {
            let (key, value) = text.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    /// Which ids the caller wants.
    pub(crate) fn id_kind(&self) -> IdKind {
        match self.preference("IdType") {
            Some(value) if value == "ImmutableId" => IdKind::Immutable,
            _ => IdKind::Ordinary,
        }
    }

    /// The page size that the caller prefers.
    pub(crate) fn page_size(&self, default: usize, highest: usize) -> Result<usize, Failure> {
        match self.preference("odata.maxpagesize") {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(size) if size > 0 => Ok(size.min(highest)),
                _ => Err(Failure::bad("Invalid value for odata.maxpagesize.")),
            },
        }
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<serde_json::Map<String, Value>, Failure> {
        let media_type = self.header("content-type").unwrap_or_default();
        if !media_type.starts_with("application/json") {
            return Err(Failure::new(
                415,
                "RequestBroker--ParseUri",
                "The Content-Type must be application/json.",
            ));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(Failure::bad(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }
}

/// Decodes `%20` and so on; a plus sign stays one.
fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_parentheses_are_segments() {
        let call = Call::parse(
            "get",
            "/users('$x@y')/mailFolders/a%2Fb/messages?$select=id%2Csubject&$top=5",
        )
        .unwrap();
        assert_eq!(
            call.segments,
            ["users", "$x@y", "mailFolders", "a/b", "messages"]
        );
        assert_eq!(call.query[0].1, "id,subject");
    }

    #[test]
    fn preferences_come_from_several_headers() {
        let call = Call {
            headers: vec![
                ("prefer".into(), "odata.maxpagesize=7, respond-async".into()),
                ("prefer".into(), "IdType=\"ImmutableId\"".into()),
            ],
            ..Call::default()
        };
        assert_eq!(call.page_size(10, 500).unwrap(), 7);
        assert_eq!(call.id_kind(), IdKind::Immutable);
    }
}
