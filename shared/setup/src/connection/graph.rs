//! A tenant of Microsoft 365.

use mailkeep_exchange::graph::{self, Cloud, GraphConnection};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{conceal, expose, is_plain};
use crate::SetupError;

/// How to reach one tenant.
#[derive(Debug, Serialize, Deserialize)]
pub struct GraphReach {
    /// Directory (tenant) id; mailbox ids are unique in it.
    pub tenant: String,
    /// Application (client) id.
    pub client_id: String,
    /// Microsoft cloud, by its code.
    pub cloud: String,
    /// Sign-in service.
    pub login_url: String,
    /// Graph service.
    pub graph_url: String,
    /// How the application proves who it is.
    pub credential: Credential,
}

/// How an application proves who it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Credential {
    /// A client secret.
    Secret {
        /// The secret.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        client_secret: SecretString,
    },
    /// A certificate and its private key.
    Certificate {
        /// The certificate, PEM.
        certificate_pem: String,
        /// The private key, PEM.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        private_key_pem: SecretString,
    },
}

impl Credential {
    /// Its kind in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "secret",
            Self::Certificate { .. } => "certificate",
        }
    }

    /// The credential as the connectors want it.
    pub(super) fn into_settings(self) -> graph::Credential {
        match self {
            Self::Secret { client_secret } => graph::Credential::Secret(client_secret),
            Self::Certificate {
                certificate_pem,
                private_key_pem,
            } => graph::Credential::Certificate {
                certificate_pem,
                private_key_pem,
            },
        }
    }
}

impl GraphReach {
    /// Checks what can be checked without use. `hosts` are the cloud's code, the sign-in service and
    /// the Graph service.
    ///
    /// # Errors
    /// When a part is not usable.
    pub fn new(
        tenant: String,
        client_id: String,
        hosts: (String, String, String),
        credential: Credential,
    ) -> Result<Self, SetupError> {
        for (field, value) in [("tenant", &tenant), ("client_id", &client_id)] {
            if !is_plain(value) {
                return Err(SetupError::Field {
                    field,
                    cause: "must be an id or a domain name, as the app registration shows it",
                });
            }
        }
        let (cloud, login_url, graph_url) = hosts;
        Ok(Self {
            tenant,
            client_id,
            cloud,
            login_url,
            graph_url,
            credential,
        })
    }

    pub(super) fn into_settings(self, name: String) -> Result<GraphConnection, SetupError> {
        let Some(cloud) = Cloud::from_code(&self.cloud) else {
            return Err(SetupError::Connection {
                name,
                cause: "names a cloud that this version does not know; update this program"
                    .to_owned(),
            });
        };
        let credential = self.credential.into_settings();
        let mut settings = GraphConnection::new(self.tenant, self.client_id, credential, cloud);
        settings.login_url = self.login_url;
        settings.graph_url = self.graph_url;
        Ok(settings)
    }
}
