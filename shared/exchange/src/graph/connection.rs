//! What it takes to reach a tenant.

use mailkeep_model::FailureClass;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::SourceError;

/// A Microsoft cloud: decides the default hosts and where uploads may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cloud {
    /// Worldwide, and US Government Community Cloud.
    #[default]
    Worldwide,
    /// US Government L4 (GCC High).
    UsGovL4,
    /// US Government L5 (DoD).
    UsGovL5,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 4] = [Self::Worldwide, Self::UsGovL4, Self::UsGovL5, Self::China];

    /// The name that people type.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Worldwide => "worldwide",
            Self::UsGovL4 => "us_gov_l4",
            Self::UsGovL5 => "us_gov_l5",
            Self::China => "china",
        }
    }

    /// The cloud by this name, if any.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.code() == code)
    }

    /// Where tokens come from.
    #[must_use]
    pub fn login_url(self) -> &'static str {
        match self {
            Self::Worldwide => "https://login.microsoftonline.com",
            Self::UsGovL4 | Self::UsGovL5 => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// Where Microsoft Graph is.
    #[must_use]
    pub fn graph_url(self) -> &'static str {
        match self {
            Self::Worldwide => "https://graph.microsoft.com",
            Self::UsGovL4 => "https://graph.microsoft.us",
            Self::UsGovL5 => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// Domains that an upload address may belong to.
    pub(crate) fn upload_domains(self) -> &'static [&'static str] {
        match self {
            Self::Worldwide => &["outlook.office365.com", "outlook.office.com", "outlook.com"],
            Self::UsGovL4 => &["outlook.office365.us"],
            Self::UsGovL5 => &["outlook-dod.office365.us", "outlook.apps.mil"],
            Self::China => &["partner.outlook.cn"],
        }
    }
}

/// How the application proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// A client secret.
    Secret(SecretString),
    /// A certificate with its RSA key.
    Certificate {
        /// The certificate as PEM, as uploaded to the app registration.
        certificate_pem: String,
        /// The private key as PEM (PKCS#8 or PKCS#1, without passphrase).
        private_key_pem: SecretString,
    },
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(..)",
            Self::Certificate { .. } => "Certificate(..)",
        })
    }
}

/// One app registration in one tenant.
#[derive(Clone, Debug)]
pub struct GraphConnection {
    /// Tenant id (or one of its domains).
    pub tenant_id: String,
    /// Application (client) id.
    pub client_id: String,
    /// Secret or certificate.
    pub credential: Credential,
    /// Where tokens come from, without a path. `http` only on this machine.
    pub login_url: String,
    /// Where Graph is, without a path. `http` only on this machine.
    pub graph_url: String,
    /// The cloud.
    pub cloud: Cloud,
}

impl GraphConnection {
    /// A connection to the ordinary hosts of a cloud.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        credential: Credential,
        cloud: Cloud,
    ) -> Self {
        Self {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            credential,
            login_url: cloud.login_url().into(),
            graph_url: cloud.graph_url().into(),
            cloud,
        }
    }

    /// Checks ids and hosts.
    pub(crate) fn check(&self) -> Result<CheckedHosts, SourceError> {
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        };
        if !is_plain(&self.tenant_id) {
            return Err(configuration(
                "tenant_id",
                "the tenant id is no id or domain",
            ));
        }
        if !is_plain(&self.client_id) {
            return Err(configuration("client_id", "the client id is no id"));
        }
        Ok(CheckedHosts {
            login: base_url(&self.login_url, "login_url")?,
            graph: base_url(&self.graph_url, "graph_url")?,
        })
    }
}

/// Hosts that passed the check.
#[derive(Clone, Debug)]
pub(crate) struct CheckedHosts {
    /// Where tokens come from.
    pub(crate) login: Url,
    /// Where Graph is.
    pub(crate) graph: Url,
}

/// True for this machine's own addresses.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An error of the configuration, found before anything was sent.
pub(crate) fn configuration(code: &str, message: &str) -> SourceError {
    SourceError::new(
        FailureClass::Configuration,
        "open connection",
        code,
        message,
    )
}

fn base_url(text: &str, field: &str) -> Result<Url, SourceError> {
    let url = Url::parse(text)
        .map_err(|_| configuration(field, "the address is no URL; give https://host"))?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_safe {
        return Err(configuration(
            field,
            "http is only allowed on this machine; give an https address",
        ));
    }
    if !is_bare || url.host().is_none() {
        return Err(configuration(
            field,
            "the address may hold a host and a port, nothing else",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(graph: &str) -> GraphConnection {
        let secret = Credential::Secret(SecretString::from("hush"));
        GraphConnection {
            graph_url: graph.into(),
            ..GraphConnection::new("contoso.example", "1-2", secret, Cloud::Worldwide)
        }
    }

    #[test]
    fn http_only_on_this_machine() {
        assert!(connection("http://127.0.0.1:8080").check().is_ok());
        assert!(connection("http://[::1]:8080").check().is_ok());
        assert!(connection("http://localhost:8080").check().is_ok());
        for bad in [
            "http://graph.microsoft.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "https://user:word@graph.microsoft.com",
            "https://graph.microsoft.com/v1.0",
            "ftp://graph.microsoft.com",
            "graph.microsoft.com",
        ] {
            let error = connection(bad).check().unwrap_err();
            assert_eq!(error.class, FailureClass::Configuration, "{bad}");
        }
    }

    #[test]
    fn ids_cannot_change_the_path() {
        let mut bad = connection("https://graph.microsoft.com");
        bad.tenant_id = "a/../b".into();
        assert_eq!(bad.check().unwrap_err().code, "tenant_id");
    }

    #[test]
    fn every_cloud_has_safe_hosts() {
        for cloud in Cloud::ALL {
            let secret = Credential::Secret(SecretString::from("hush"));
            assert!(
                GraphConnection::new("t", "c", secret, cloud)
                    .check()
                    .is_ok()
            );
            assert_eq!(Cloud::from_code(cloud.code()), Some(cloud));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", connection("https://graph.microsoft.com"));
        assert!(!text.contains("hush"), "{text}");
    }
}
