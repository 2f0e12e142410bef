//! Where credentials may go.

use url::Url;

use crate::ews::connection::is_loopback;

/// The hosts that credentials may go to.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    /// The mail address's domain, in lower case; its hosts are trusted.
    pub(super) domain: String,
    /// Further hosts, in lower case.
    pub(super) hosts: Vec<String>,
    /// The service may be reached in the clear on this machine, because the user named such an address.
    pub(super) allows_loopback: bool,
}

impl Trust {
    /// True when credentials may go there.
    pub(super) fn allows(&self, url: &Url) -> bool {
        let is_private = url.scheme() == "https"
            || (url.scheme() == "http" && self.allows_loopback && is_loopback(url));
        let has_login = !url.username().is_empty() || url.password().is_some();
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        is_private && !has_login && (self.is_of_domain(&host) || self.hosts.contains(&host))
    }

    /// True when questions about this domain may be asked at its hosts.
    pub(super) fn allows_domain(&self, domain: &str) -> bool {
        self.is_of_domain(domain) || self.hosts.iter().any(|host| host == domain)
    }

    fn is_of_domain(&self, host: &str) -> bool {
        host == self.domain
            || host
                .strip_suffix(&self.domain)
                .is_some_and(|front| front.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_domain_and_named_ones_over_tls() {
        let trust = Trust {
            domain: "corp.example".into(),
            hosts: vec!["mail.hoster.example".into()],
            allows_loopback: false,
        };
        for (url, expected) in [
            ("https://corp.example/a", true),
            ("https://AUTODISCOVER.corp.example/a", true),
            ("https://mail.hoster.example:444/a", true),
            ("http://autodiscover.corp.example/a", false),
            ("https://evilcorp.example/a", false),
            ("https://corp.example.evil.example/a", false),
            ("https://sub.mail.hoster.example/a", false),
            ("https://autodiscover.corp.example@evil.example/a", false),
            ("https://u:p@corp.example/a", false),
            ("http://127.0.0.1/a", false),
            ("ftp://corp.example/a", false),
        ] {
            assert_eq!(trust.allows(&Url::parse(url).unwrap()), expected, "{url}");
        }
        assert!(trust.allows_domain("eu.corp.example") && !trust.allows_domain("example"));
    }
}
