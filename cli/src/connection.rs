//! Connections as they are kept: sealed documents inside the vault, secrets included, so that the
//! vault and its key are all that a restore needs.

use mailkeep_exchange::graph::{self, Cloud, GraphConnection};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::CliError;

/// The kind under which the vault keeps connections.
pub const DOCUMENT_KIND: &str = "connection";

/// The only version of the document that there is.
const VERSION: u32 = 1;

/// How to reach one tenant.
#[derive(Debug, Serialize, Deserialize)]
pub struct Connection {
    version: u32,
    /// Name that the user chose.
    pub name: String,
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

/// Where a tenant lives.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Microsoft cloud, by its code.
    pub cloud: String,
    /// Sign-in service.
    pub login_url: String,
    /// Graph service.
    pub graph_url: String,
}

/// How an application proves who it is.
#[derive(Debug, Serialize, Deserialize)]
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
}

impl Connection {
    /// A connection with everything checked that can be checked without using it.
    ///
    /// # Errors
    /// When a part is not usable.
    pub fn new(
        name: String,
        tenant: String,
        client_id: String,
        hosts: Hosts,
        credential: Credential,
    ) -> Result<Self, CliError> {
        if !is_plain(&name) {
            return Err(CliError::Usage(
                "a connection's name has 1 to 64 letters, digits, '.', '-' or '_'".to_owned(),
            ));
        }
        for (what, value) in [("--tenant", &tenant), ("--client-id", &client_id)] {
            if !is_plain(value) {
                return Err(CliError::Usage(format!(
                    "{what} must be an id or a domain name, as the app registration shows it"
                )));
            }
        }
        Ok(Self {
            version: VERSION,
            name,
            tenant,
            client_id,
            cloud: hosts.cloud,
            login_url: hosts.login_url,
            graph_url: hosts.graph_url,
            credential,
        })
    }

    /// The document's bytes.
    ///
    /// # Errors
    /// Never for a connection that [`new`](Self::new) made.
    pub fn to_document(&self) -> Result<Zeroizing<Vec<u8>>, CliError> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| CliError::Connection {
                name: self.name.clone(),
                cause: "could not be written down".to_owned(),
            })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is damaged or of a newer version.
    pub fn from_document(name: &str, bytes: &[u8]) -> Result<Self, CliError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |cause: &str| CliError::Connection {
            name: name.to_owned(),
            cause: cause.to_owned(),
        };
        // Parse errors are not shown: they could quote the secret.
        let version: Version = serde_json::from_slice(bytes)
            .map_err(|_| wrong("its document is damaged; add it again with --replace"))?;
        if version.version > VERSION {
            return Err(wrong("was stored by a newer mailkeep; update this program"));
        }
        serde_json::from_slice(bytes)
            .map_err(|_| wrong("its document is damaged; add it again with --replace"))
    }

    /// The connection as the connector wants it.
    ///
    /// # Errors
    /// When it names a cloud that this version does not know.
    pub fn into_settings(self) -> Result<GraphConnection, CliError> {
        let Some(cloud) = Cloud::from_code(&self.cloud) else {
            return Err(CliError::Connection {
                name: self.name,
                cause: "names a cloud that this version does not know; update this program"
                    .to_owned(),
            });
        };
        let credential = match self.credential {
            Credential::Secret { client_secret } => graph::Credential::Secret(client_secret),
            Credential::Certificate {
                certificate_pem,
                private_key_pem,
            } => graph::Credential::Certificate {
                certificate_pem,
                private_key_pem,
            },
        };
        let mut settings = GraphConnection::new(self.tenant, self.client_id, credential, cloud);
        settings.login_url = self.login_url;
        settings.graph_url = self.graph_url;
        Ok(settings)
    }
}

fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn conceal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Connection {
        let credential = Credential::Secret {
            client_secret: SecretString::from("s3cr3t"),
        };
        let (tenant, app) = ("t.example".into(), "app-1".into());
        Connection::new("contoso".into(), tenant, app, Hosts::default(), credential).unwrap()
    }

    #[test]
    fn a_document_brings_everything_back_and_debug_shows_no_secret() {
        let document = sample().to_document().unwrap();
        let back = Connection::from_document("contoso", &document).unwrap();
        assert_eq!(back.tenant, "t.example");
        let Credential::Secret { client_secret } = &back.credential else {
            panic!("wrong kind");
        };
        assert_eq!(client_secret.expose_secret(), "s3cr3t");
        assert!(!format!("{back:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_damaged_document_is_not_quoted() {
        let mut text = String::from_utf8(sample().to_document().unwrap().to_vec()).unwrap();
        text = text.replace("\"s3cr3t\"", "[\"s3cr3t\"]");
        let error = Connection::from_document("contoso", text.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
        let newer = text.replace("\"version\":1", "\"version\":2");
        let error = Connection::from_document("contoso", newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("newer mailkeep"), "{error}");
    }

    #[test]
    fn names_that_could_mislead_are_refused() {
        for name in ["", "a b", "../x", ".hidden", "ü", &"x".repeat(65)] {
            let credential = Credential::Secret {
                client_secret: SecretString::from("x"),
            };
            let hosts = Hosts::default();
            let made = Connection::new(name.into(), "t".into(), "c".into(), hosts, credential);
            assert_eq!(made.unwrap_err().exit_code(), 2, "{name}");
        }
    }
}
