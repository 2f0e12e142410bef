//! Addresses: building them, and checking those that the service hands out.

use mailkeep_model::FailureClass;
use url::Url;

use super::connection::{Cloud, is_loopback};
use super::error_map::Operation;
use crate::SourceError;

/// The version part of every path. `$value` and `$batch` are written as they are.
const VERSION: &str = "/v1.0";

/// Builds and checks addresses of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    graph: Url,
    cloud: Cloud,
}

impl Links {
    pub(crate) fn new(graph: Url, cloud: Cloud) -> Self {
        Self { graph, cloud }
    }

    /// An address below the version root. Segments are escaped, query values too.
    pub(crate) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.graph.clone();
        let mut path = VERSION.to_owned();
        for segment in segments {
            path.push('/');
            escape(&mut path, segment, b"$");
        }
        url.set_path(&path);
        let mut text = String::new();
        for (name, value) in query {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            escape(&mut text, value, b"$,()'/:;*@");
        }
        url.set_query((!text.is_empty()).then_some(text.as_str()));
        url
    }

    /// An address that belongs to a user's mailbox.
    pub(crate) fn user(&self, mailbox: &str, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let all: Vec<&str> = ["users", mailbox].iter().chain(segments).copied().collect();
        self.url(&all, query)
    }

    /// A link that the service handed out, if it stays with our Graph host.
    ///
    /// # Errors
    /// A link to anywhere else: the token must not go there. It fails this one question, not the connection.
    pub(crate) fn check(&self, operation: &Operation, link: &str) -> Result<Url, SourceError> {
        let fail = |message| operation.error(FailureClass::Transient, "foreign_link", message);
        let url =
            Url::parse(link).map_err(|_| fail("the service handed out a link that is no URL"))?;
        let is_ours = url.scheme() == self.graph.scheme()
            && url.host() == self.graph.host()
            && url.port_or_known_default() == self.graph.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().starts_with(&format!("{VERSION}/"));
        if is_ours {
            Ok(url)
        } else {
            Err(fail(
                "the service pointed to another host; it was not followed",
            ))
        }
    }

    /// The form that a request inside `$batch` takes.
    pub(crate) fn relative(url: &Url) -> String {
        let path = url.path().strip_prefix(VERSION).unwrap_or(url.path());
        match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// An upload address, if it is one that this cloud uses. It is a secret in itself.
    ///
    /// # Errors
    /// An address anywhere else: mail must not go there.
    pub(crate) fn check_upload(
        &self,
        operation: &Operation,
        link: &str,
    ) -> Result<Url, SourceError> {
        let fail = |message| operation.error(FailureClass::Transient, "foreign_link", message);
        let url = Url::parse(link).map_err(|_| fail("the upload address is no URL"))?;
        let is_local = is_loopback(&self.graph) && is_loopback(&url);
        let is_known = url.scheme() == "https"
            && url.host_str().is_some_and(|host| {
                Some(host) == self.graph.host_str()
                    || self.cloud.upload_domains().iter().any(|domain| {
                        host.strip_suffix(domain)
                            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    })
            });
        let is_web = matches!(url.scheme(), "http" | "https");
        if (is_local && is_web || is_known) && url.username().is_empty() && url.password().is_none()
        {
            Ok(url)
        } else {
            Err(fail(
                "the upload address leads out of this cloud; it was not used",
            ))
        }
    }
}

/// Percent-encodes everything but letters, digits, `-._~` and `keep`.
fn escape(out: &mut String, text: &str, keep: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::error_map::Asked;

    const TRY: Operation = Operation::new("try", Asked::Mailbox, "Mail.Read");

    fn links(base: &str) -> Links {
        Links::new(Url::parse(base).unwrap(), Cloud::Worldwide)
    }

    #[test]
    fn segments_and_values_are_escaped() {
        let url = links("https://graph.microsoft.com").user(
            "a/../b",
            &["messages", "AAMk=+/%"],
            &[("$filter", "id eq 'x & y'"), ("$select", "id,subject")],
        );
        assert_eq!(
            url.as_str(),
            "https://graph.microsoft.com/v1.0/users/a%2F..%2Fb/messages/AAMk%3D%2B%2F%25\
             ?$filter=id%20eq%20%27x%20%26%20y%27&$select=id,subject"
                .replace("%27", "'")
                .replace("'", "%27")
        );
        assert!(Links::relative(&url).starts_with("/users/a%2F..%2Fb/messages/"));
    }

    #[test]
    fn links_elsewhere_are_refused() {
        let links = links("https://graph.microsoft.com");
        assert!(
            links
                .check(&TRY, "https://graph.microsoft.com/v1.0/x?$skiptoken=1")
                .is_ok()
        );
        for bad in [
            "http://graph.microsoft.com/v1.0/x",
            "https://graph.microsoft.com.evil.example/v1.0/x",
            "https://graph.microsoft.com:444/v1.0/x",
            "https://user@graph.microsoft.com/v1.0/x",
            "https://evil.example/v1.0/x?secret",
            "https://graph.microsoft.com/beta/x",
            "not a link",
        ] {
            let error = links.check(&TRY, bad).unwrap_err();
            assert_eq!(error.class, FailureClass::Transient, "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn uploads_stay_in_the_cloud() {
        let cloud = links("https://graph.microsoft.com");
        for good in [
            "https://outlook.office.com/api/x?authtoken=1",
            "https://attachments.outlook.office.com/x",
            "https://graph.microsoft.com/x",
        ] {
            assert!(cloud.check_upload(&TRY, good).is_ok(), "{good}");
        }
        for bad in [
            "http://outlook.office.com/x",
            "https://eviloutlook.office.com.evil.example/x",
            "https://eviloutlook.com/x",
            "http://127.0.0.1:1/x",
        ] {
            assert!(cloud.check_upload(&TRY, bad).is_err(), "{bad}");
        }
        let local = links("http://127.0.0.1:8080");
        assert!(local.check_upload(&TRY, "http://127.0.0.1:9999/x").is_ok());
        assert!(local.check_upload(&TRY, "http://evil.example/x").is_err());
    }
}
