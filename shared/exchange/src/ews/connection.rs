//! What it takes to reach an Exchange server.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::SecretString;
use url::{Host, Url};

use mailkeep_model::FailureClass;

use crate::SourceError;
use crate::graph::Credential;

/// How the connector logs in.
#[derive(Clone)]
pub enum EwsLogin {
    /// NTLM, what Exchange offers unless told otherwise. The user as `DOMAIN\user` or
    /// `user@domain`.
    Ntlm {
        /// User name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// Basic, where an administrator has turned it on.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// OAuth 2.0, for servers with hybrid modern authentication.
    OAuth {
        /// Tenant id or domain.
        tenant_id: String,
        /// Application (client) id.
        client_id: String,
        /// Secret or certificate.
        credential: Credential,
        /// Where tokens come from, for example `https://login.microsoftonline.com`.
        login_url: String,
    },
}

impl std::fmt::Debug for EwsLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ntlm { .. } => "Ntlm(..)",
            Self::Basic { .. } => "Basic(..)",
            Self::OAuth { .. } => "OAuth(..)",
        })
    }
}

/// By which right mailboxes of others are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailboxAccess {
    /// The role `ApplicationImpersonation`: the service account acts as the mailbox's owner, and
    /// each mailbox has a request budget of its own.
    #[default]
    Impersonation,
    /// Full access permission on each mailbox; all share the service account's budget.
    Delegate,
}

/// One Exchange organisation.
#[derive(Clone, Debug)]
pub struct EwsConnection {
    /// The service's address, for example `https://mail.example.com/EWS/Exchange.asmx`. `http` only
    /// on this machine.
    pub url: String,
    /// Login.
    pub login: EwsLogin,
    /// Access.
    pub access: MailboxAccess,
    /// Primary addresses of the mailboxes; the protocol has no list of them for a backup account.
    pub mailboxes: Vec<String>,
    /// Address of a mailbox whose owner may read the public folders; with it they are reached, too. With
    /// [`MailboxAccess::Delegate`] it must be the service account's own.
    pub public_folders_as: Option<String>,
    /// Certificates (PEM) of a private authority that the server's certificate comes from, beside
    /// those that the system trusts.
    pub authority_pem: Option<String>,
}

/// Settings that passed the check.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) url: Url,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
}

impl EwsConnection {
    /// Checks address, names and certificates.
    pub(crate) fn check(&self) -> Result<Checked, SourceError> {
        let url = Url::parse(&self.url).map_err(|_| {
            configuration(
                "ews_url",
                "the address is no URL; give https://host/EWS/Exchange.asmx",
            )
        })?;
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        if !is_safe {
            return Err(configuration(
                "ews_url",
                "http is only allowed on this machine; give an https address",
            ));
        }
        if url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(configuration(
                "ews_url",
                "the address may hold a host, a port and a path; the login is given apart",
            ));
        }
        let is_address = |text: &String| {
            let mut parts = text.split('@');
            let has_two = parts.next().is_some_and(|name| !name.is_empty())
                && parts.next().is_some_and(|domain| !domain.is_empty())
                && parts.next().is_none();
            has_two && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        if !self.mailboxes.iter().all(is_address) {
            return Err(configuration(
                "mailboxes",
                "one of the mailboxes is no mail address",
            ));
        }
        if !self.public_folders_as.iter().all(is_address) {
            return Err(configuration(
                "public_folders_as",
                "public folders are opened with the rights of a mailbox: give its mail address",
            ));
        }
        if let EwsLogin::Ntlm { user, .. } | EwsLogin::Basic { user, .. } = &self.login
            && (user.is_empty() || user.chars().any(char::is_control))
        {
            return Err(configuration("user", "the user name is empty or no name"));
        }
        let authorities = authorities(self.authority_pem.as_deref())?;
        Ok(Checked { url, authorities })
    }
}

/// The certificates of a private authority, in PEM.
pub(crate) fn authorities(pem: Option<&str>) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let mut authorities = vec![];
    let Some(pem) = pem else {
        return Ok(authorities);
    };
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let bad = |_| configuration("authority", "the private authority's file is no PEM");
        authorities.push(certificate.map_err(bad)?);
    }
    if authorities.is_empty() {
        return Err(configuration(
            "authority",
            "the private authority's file holds no certificate",
        ));
    }
    Ok(authorities)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> EwsConnection {
        EwsConnection {
            url: "https://mail.example/EWS/Exchange.asmx".into(),
            login: EwsLogin::Ntlm {
                user: "CORP\\backup".into(),
                password: SecretString::from("hush"),
            },
            access: MailboxAccess::Impersonation,
            mailboxes: vec!["ann@corp.example".into()],
            public_folders_as: None,
            authority_pem: None,
        }
    }

    #[test]
    fn what_is_refused() {
        assert!(connection().check().is_ok());
        let code = |change: &dyn Fn(&mut EwsConnection)| {
            let mut connection = connection();
            change(&mut connection);
            connection.check().err().map(|error| error.code)
        };
        let url = |text: &str| code(&|c| c.url = text.into());
        assert_eq!(url("http://127.0.0.1:1/EWS/Exchange.asmx"), None);
        for bad in [
            "http://mail.example/EWS/Exchange.asmx",
            "https://u:p@mail.example/",
            "mail.example",
        ] {
            assert_eq!(url(bad), Some("ews_url".into()), "{bad}");
        }
        for bad in ["ann", "@x", "a@", "a b@x", "a@b@c"] {
            let found = code(&|c| c.mailboxes.push(bad.into()));
            assert_eq!(found, Some("mailboxes".into()), "{bad}");
        }
        let bad = code(&|c| c.public_folders_as = Some("everybody".into()));
        assert_eq!(bad, Some("public_folders_as".into()));
        let pem = |text: &str| code(&|c| c.authority_pem = Some(text.into()));
        assert_eq!(pem("no certificate"), Some("authority".into()));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", connection()).contains("hush"));
    }
}
