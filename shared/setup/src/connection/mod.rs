//! Connections as they are kept: sealed documents inside the vault, secrets included, so that the
//! vault and its key are all that a restore needs.

mod exchange;
mod graph;

use mailkeep_exchange::ews::EwsConnection;
use mailkeep_exchange::graph::GraphConnection;
use mailkeep_vault::Vault;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub use exchange::{Access, ExchangeLogin, ExchangeReach};
pub use graph::{Credential, GraphReach};

use crate::SetupError;

/// The kind under which the vault keeps connections.
pub const DOCUMENT_KIND: &str = "connection";

/// The newest version of the document. The first one knew Graph only and did not name it.
const VERSION: u32 = 2;

/// How to reach one tenant or one Exchange organisation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Connection {
    version: u32,
    /// Name that the user chose.
    pub name: String,
    /// What is reached, and how.
    #[serde(flatten)]
    pub reach: Reach,
}

/// What is reached, and how.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Reach {
    /// A tenant of Microsoft 365.
    Graph(GraphReach),
    /// An Exchange organisation over EWS.
    Exchange(ExchangeReach),
}

/// What a connector needs.
#[derive(Debug)]
pub enum Settings {
    /// Of Graph.
    Graph(GraphConnection),
    /// Of EWS.
    Exchange(EwsConnection),
}

impl Connection {
    /// A connection with a checked name.
    ///
    /// # Errors
    /// When the name is not usable.
    pub fn new(name: String, reach: Reach) -> Result<Self, SetupError> {
        if !is_plain(&name) {
            return Err(SetupError::Field {
                field: "name",
                cause: "of a connection has 1 to 64 letters, digits, '.', '-' or '_'",
            });
        }
        Ok(Self {
            version: VERSION,
            name,
            reach,
        })
    }

    /// What mailbox ids are unique in: the tenant, or the organisation.
    #[must_use]
    pub fn realm(&self) -> &str {
        match &self.reach {
            Reach::Graph(graph) => &graph.tenant,
            Reach::Exchange(exchange) => &exchange.organisation,
        }
    }

    /// The document's bytes.
    ///
    /// # Errors
    /// Never for a connection that [`new`](Self::new) made.
    pub fn to_document(&self) -> Result<Zeroizing<Vec<u8>>, SetupError> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| SetupError::Connection {
                name: self.name.clone(),
                cause: "could not be written down".to_owned(),
            })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is damaged or of a newer version.
    pub fn from_document(name: &str, bytes: &[u8]) -> Result<Self, SetupError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        #[derive(Deserialize)]
        struct First {
            name: String,
            #[serde(flatten)]
            reach: GraphReach,
        }
        let wrong = |cause: &str| SetupError::Connection {
            name: name.to_owned(),
            cause: cause.to_owned(),
        };
        // Parse errors are not shown: they could quote the secret.
        let damaged = |_| wrong("its document is damaged; add it again with --replace");
        let version: Version = serde_json::from_slice(bytes).map_err(damaged)?;
        match version.version {
            0 | 1 => {
                let first: First = serde_json::from_slice(bytes).map_err(damaged)?;
                Ok(Self {
                    version: VERSION,
                    name: first.name,
                    reach: Reach::Graph(first.reach),
                })
            }
            VERSION => serde_json::from_slice(bytes).map_err(damaged),
            _ => Err(wrong("was stored by a newer mailkeep; update this program")),
        }
    }

    /// The connection of this name in a vault, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(vault: &Vault, name: &str) -> Result<Option<Self>, SetupError> {
        let document = vault.document(DOCUMENT_KIND, name).await?;
        let read = document.map(|document| Self::from_document(name, &document));
        read.transpose()
    }

    /// Every connection of a vault, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn all(vault: &Vault) -> Result<Vec<Self>, SetupError> {
        let mut names = vault.documents(DOCUMENT_KIND).await?;
        names.sort();
        let mut connections = vec![];
        for name in &names {
            // One that was removed meanwhile is not missed.
            connections.extend(Self::find(vault, name).await?);
        }
        Ok(connections)
    }

    /// The connection as its connector wants it.
    ///
    /// # Errors
    /// When it names something that this version does not know.
    pub fn into_settings(self) -> Result<Settings, SetupError> {
        match self.reach {
            Reach::Graph(graph) => graph.into_settings(self.name).map(Settings::Graph),
            Reach::Exchange(exchange) => Ok(Settings::Exchange(exchange.into_settings())),
        }
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

    fn secret() -> Credential {
        Credential::Secret {
            client_secret: SecretString::from("s3cr3t"),
        }
    }

    fn sample() -> Connection {
        let hosts = ("worldwide".into(), "https://l".into(), "https://g".into());
        let reach = GraphReach::new("t.example".into(), "app-1".into(), hosts, secret()).unwrap();
        Connection::new("contoso".into(), Reach::Graph(reach)).unwrap()
    }

    fn on_premises() -> Connection {
        let reach = ExchangeReach {
            organisation: "mail.example".into(),
            url: "https://mail.example/EWS/Exchange.asmx".into(),
            login: ExchangeLogin::Ntlm {
                user: "CORP\\svc".into(),
                password: SecretString::from("s3cr3t"),
            },
            access: Access::Delegate,
            mailboxes: vec!["a@mail.example".into()],
            public_folders_as: Some("archivist@mail.example".into()),
            authority_pem: None,
        };
        Connection::new("hq".into(), Reach::Exchange(reach)).unwrap()
    }

    #[test]
    fn a_document_brings_everything_back_and_debug_shows_no_secret() {
        for connection in [sample(), on_premises()] {
            let document = connection.to_document().unwrap();
            let back = Connection::from_document(&connection.name, &document).unwrap();
            assert_eq!(back.realm(), connection.realm());
            assert_eq!(back.to_document().unwrap(), document);
            assert!(!format!("{back:?}").contains("s3cr3t"));
            back.into_settings().unwrap();
        }
    }

    #[test]
    fn a_document_of_the_first_version_is_of_graph() {
        let text = r#"{"version":1,"name":"contoso","tenant":"t.example","client_id":"a","cloud":"worldwide",
            "login_url":"https://l","graph_url":"https://g","credential":{"type":"secret","client_secret":"s"}}"#;
        let back = Connection::from_document("contoso", text.as_bytes()).unwrap();
        assert_eq!(back.realm(), "t.example");
    }

    #[test]
    fn a_damaged_document_is_not_quoted() {
        let mut text = String::from_utf8(sample().to_document().unwrap().to_vec()).unwrap();
        text = text.replace("\"s3cr3t\"", "[\"s3cr3t\"]");
        let error = Connection::from_document("contoso", text.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
        let newer = text.replace("\"version\":2", "\"version\":3");
        let error = Connection::from_document("contoso", newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("newer mailkeep"), "{error}");
    }

    #[test]
    fn names_that_could_mislead_are_refused() {
        for name in ["", "a b", "../x", ".hidden", "ü", &"x".repeat(65)] {
            let made = Connection::new(name.into(), on_premises().reach);
            let is_refused = matches!(made, Err(SetupError::Field { field: "name", .. }));
            assert!(is_refused, "{name}");
        }
    }
}
