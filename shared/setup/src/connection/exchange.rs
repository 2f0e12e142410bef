//! An Exchange organisation over EWS.

use mailkeep_exchange::ews::{EwsConnection, EwsLogin, MailboxAccess};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Credential, conceal, expose};

/// How to reach one organisation.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExchangeReach {
    /// Name of the organisation; mailbox addresses are unique in it.
    pub organisation: String,
    /// Address of the service.
    pub url: String,
    /// How the service account logs in.
    pub login: ExchangeLogin,
    /// By which right mailboxes are opened.
    pub access: Access,
    /// Primary addresses of the mailboxes.
    pub mailboxes: Vec<String>,
    /// Address of the mailbox with whose rights public folders are opened, if they are.
    #[serde(default)]
    pub public_folders_as: Option<String>,
    /// Certificates of a private authority, PEM.
    pub authority_pem: Option<String>,
}

/// How the service account logs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ExchangeLogin {
    /// NTLM.
    Ntlm {
        /// `DOMAIN\\user` or `user@domain`.
        user: String,
        /// Password.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        password: SecretString,
    },
    /// Basic.
    Basic {
        /// `DOMAIN\\user` or `user@domain`.
        user: String,
        /// Password.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        password: SecretString,
    },
    /// OAuth 2.0 of a hybrid organisation.
    Oauth {
        /// Directory (tenant) id.
        tenant: String,
        /// Application (client) id.
        client_id: String,
        /// Sign-in service.
        login_url: String,
        /// How the application proves who it is.
        credential: Credential,
    },
}

impl ExchangeLogin {
    /// Its kind in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ntlm { .. } => "ntlm",
            Self::Basic { .. } => "basic",
            Self::Oauth { .. } => "oauth",
        }
    }

    /// The login as the connector wants it.
    #[must_use]
    pub fn into_settings(self) -> EwsLogin {
        match self {
            Self::Ntlm { user, password } => EwsLogin::Ntlm { user, password },
            Self::Basic { user, password } => EwsLogin::Basic { user, password },
            Self::Oauth {
                tenant,
                client_id,
                login_url,
                credential,
            } => EwsLogin::OAuth {
                tenant_id: tenant,
                client_id,
                credential: credential.into_settings(),
                login_url,
            },
        }
    }

    /// The user or application.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Ntlm { user, .. } | Self::Basic { user, .. } => user,
            Self::Oauth { client_id, .. } => client_id,
        }
    }
}

/// By which right mailboxes are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The role `ApplicationImpersonation`.
    Impersonation,
    /// Full access to each mailbox.
    Delegate,
}

impl ExchangeReach {
    pub(super) fn into_settings(self) -> EwsConnection {
        EwsConnection {
            url: self.url,
            login: self.login.into_settings(),
            access: match self.access {
                Access::Impersonation => MailboxAccess::Impersonation,
                Access::Delegate => MailboxAccess::Delegate,
            },
            mailboxes: self.mailboxes,
            public_folders_as: self.public_folders_as,
            authority_pem: self.authority_pem,
        }
    }
}
