//! Changing only what one has seen: `ETag` and `If-Match`.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// The `ETag` of a version.
pub(crate) fn etag(version: u32) -> (http::HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"{version}\""));
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    (header::ETAG, value)
}

/// What `If-Match` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing.
    Missing,
    /// Any version.
    Any,
    /// One of these.
    Versions(Vec<u32>),
}

impl IfMatch {
    /// The version that a change is to be made to; `None` for whatever there is.
    pub(crate) fn required(&self, current: u32) -> Result<Option<u32>, Problem> {
        match self {
            Self::Missing => Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "version_required",
                "say in If-Match which version this changes: the ETag of what you read, or *",
            )),
            _ => self.optional(current),
        }
    }

    /// The same where it may be missing.
    pub(crate) fn optional(&self, current: u32) -> Result<Option<u32>, Problem> {
        match self {
            Self::Missing | Self::Any => Ok(None),
            Self::Versions(versions) if versions.contains(&current) => Ok(Some(current)),
            Self::Versions(_) => Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "version_changed",
                "somebody else changed it; read it again and decide anew",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut versions = vec![];
        let mut values = parts.headers.get_all(header::IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self::Missing);
        }
        for value in values {
            let value = value.to_str().unwrap_or_default();
            if value.trim().is_empty() {
                let detail = "If-Match is empty; give the ETag of what you read, or *";
                return Err(Problem::invalid_request(detail));
            }
            for tag in value.split(',') {
                if tag.trim() == "*" {
                    return Ok(Self::Any);
                }
                // A weak tag never matches here (RFC 9110, 13.1.1), nor one that is not ours.
                let number = tag
                    .trim()
                    .strip_prefix('"')
                    .and_then(|it| it.strip_suffix('"'));
                versions.extend(number.and_then(|number| number.parse::<u32>().ok()));
            }
        }
        Ok(Self::Versions(versions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(values: &[&str]) -> IfMatch {
        let mut request = http::Request::new(());
        for value in values {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(header::IF_MATCH, value);
        }
        let (mut parts, ()) = request.into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn tags_are_read_as_http_says() {
        assert_eq!(read(&[]).await, IfMatch::Missing);
        assert_eq!(read(&["*"]).await, IfMatch::Any);
        assert_eq!(read(&["\"3\", \"4\""]).await, IfMatch::Versions(vec![3, 4]));
        assert_eq!(
            read(&["\"3\"", "\"5\""]).await,
            IfMatch::Versions(vec![3, 5])
        );
        for none in ["W/\"3\"", "3", "\"x\""] {
            assert_eq!(read(&[none]).await, IfMatch::Versions(vec![]), "{none}");
        }
        let mut empty = http::Request::new(());
        let value = HeaderValue::from_static(" ");
        empty.headers_mut().insert(header::IF_MATCH, value);
        let (mut parts, ()) = empty.into_parts();
        let refused = IfMatch::from_request_parts(&mut parts, &()).await;
        assert_eq!(refused.unwrap_err().code(), "invalid_request");
        let tag = read(&["\"3\""]).await;
        assert_eq!(tag.required(3).unwrap(), Some(3));
        assert_eq!(tag.required(4).unwrap_err().code(), "version_changed");
        let missing = IfMatch::Missing;
        assert_eq!(missing.required(3).unwrap_err().code(), "version_required");
        assert_eq!(missing.optional(3).unwrap(), None);
    }
}
