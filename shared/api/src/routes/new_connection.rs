//! A connection as it is sent to us.

use std::fmt;

use mailkeep_exchange::graph::Cloud;
use mailkeep_setup::connection::{
    Access, Credential, ExchangeLogin, ExchangeReach, GraphReach, Reach,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// Longest secret.
const MAX_SECRET: usize = 16_384;
/// Most mailboxes of an organisation that may be named.
const MAX_MAILBOXES: usize = 10_000;

/// A new connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConnection {
    /// Its name: 1 to 64 letters, digits, `.`, `-` or `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"))]
    pub(super) name: String,
    /// What it leads to.
    pub(super) reach: ReachBody,
}

/// What a connection leads to, and how it signs in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Reach")]
pub(super) enum ReachBody {
    /// A tenant of Microsoft 365.
    Graph(GraphBody),
    /// An Exchange organisation over EWS.
    Exchange(ExchangeBody),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GraphReach")]
pub(super) struct GraphBody {
    /// Directory (tenant) id.
    #[schemars(length(min = 1, max = 64))]
    tenant: String,
    /// Application (client) id.
    #[schemars(length(min = 1, max = 64))]
    client_id: String,
    /// The Microsoft cloud.
    #[serde(default)]
    cloud: CloudBody,
    /// Another sign-in service than the cloud's.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    login_url: Option<String>,
    /// Another Graph service than the cloud's.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    graph_url: Option<String>,
    /// How the application proves who it is.
    credential: CredentialBody,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Cloud")]
enum CloudBody {
    #[default]
    Worldwide,
    UsGovL4,
    UsGovL5,
    China,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Credential")]
enum CredentialBody {
    /// A client secret.
    Secret(Secret),
    /// A certificate and its private key.
    Certificate(CertificateBody),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificate")]
struct CertificateBody {
    /// The certificate, PEM.
    certificate_pem: String,
    /// Its private key, PEM.
    private_key_pem: Secret,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExchangeReach")]
pub(super) struct ExchangeBody {
    /// Name of the organisation; addresses of mailboxes are unique in it.
    #[schemars(length(min = 1, max = 255))]
    organisation: String,
    /// Address of the service, for example `https://mail.example.com/EWS/Exchange.asmx`.
    #[schemars(length(min = 1, max = 1000))]
    url: String,
    /// How the service account logs in.
    login: LoginBody,
    /// By which right mailboxes are opened.
    #[serde(default)]
    access: AccessBody,
    /// Primary addresses of the mailboxes.
    #[schemars(length(min = 1, max = 10_000))]
    mailboxes: Vec<String>,
    /// Certificates of a private authority, PEM.
    #[serde(default)]
    authority_pem: Option<String>,
    /// Address of a mailbox whose owner may read the public folders; with it they are reached, too.
    #[serde(default)]
    public_folders_as: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Login")]
enum LoginBody {
    /// NTLM.
    Ntlm(PasswordBody),
    /// Basic.
    Basic(PasswordBody),
    /// OAuth 2.0 of a hybrid organisation.
    Oauth(OauthBody),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Password")]
struct PasswordBody {
    /// `DOMAIN\user` or `user@domain`.
    #[schemars(length(min = 1, max = 320))]
    user: String,
    /// Password.
    password: Secret,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Oauth")]
struct OauthBody {
    /// Directory (tenant) id.
    #[schemars(length(min = 1, max = 64))]
    tenant: String,
    /// Application (client) id.
    #[schemars(length(min = 1, max = 64))]
    client_id: String,
    /// Another sign-in service than the usual one.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    login_url: Option<String>,
    /// How the application proves who it is.
    credential: CredentialBody,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Access")]
enum AccessBody {
    /// The role `ApplicationImpersonation`.
    #[default]
    Impersonation,
    /// Full access to each mailbox.
    Delegate,
}

/// Something that is never shown.
struct Secret(SecretString);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Characters count, as in the schema.
        if text.is_empty() || text.chars().count() > MAX_SECRET {
            let words = "a secret has 1 to 16384 characters";
            return Err(serde::de::Error::custom(words));
        }
        Ok(Self(SecretString::from(text)))
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_SECRET, "writeOnly": true})
    }
}

impl CloudBody {
    fn cloud(self) -> Cloud {
        match self {
            Self::Worldwide => Cloud::Worldwide,
            Self::UsGovL4 => Cloud::UsGovL4,
            Self::UsGovL5 => Cloud::UsGovL5,
            Self::China => Cloud::China,
        }
    }
}

impl CredentialBody {
    fn into_credential(self) -> Credential {
        match self {
            Self::Secret(secret) => Credential::Secret {
                client_secret: secret.0,
            },
            Self::Certificate(certificate) => Credential::Certificate {
                certificate_pem: certificate.certificate_pem,
                private_key_pem: certificate.private_key_pem.0,
            },
        }
    }
}

impl ReachBody {
    /// The same as the vault keeps it.
    pub(super) fn into_reach(self) -> Result<Reach, Problem> {
        match self {
            Self::Graph(graph) => {
                let cloud = graph.cloud.cloud();
                let hosts = (
                    cloud.code().to_owned(),
                    graph
                        .login_url
                        .unwrap_or_else(|| cloud.login_url().to_owned()),
                    graph
                        .graph_url
                        .unwrap_or_else(|| cloud.graph_url().to_owned()),
                );
                let credential = graph.credential.into_credential();
                let reach = GraphReach::new(graph.tenant, graph.client_id, hosts, credential)?;
                Ok(Reach::Graph(reach))
            }
            Self::Exchange(exchange) => exchange.into_reach().map(Reach::Exchange),
        }
    }
}

impl ExchangeBody {
    fn into_reach(self) -> Result<ExchangeReach, Problem> {
        let mailboxes: Vec<_> = self
            .mailboxes
            .iter()
            .map(|address| address.trim().to_owned())
            .collect();
        let is_good = (1..=MAX_MAILBOXES).contains(&mailboxes.len())
            && mailboxes.iter().all(|address| !address.is_empty());
        if !is_good {
            let problem = "name 1 to 10000 mailboxes, none of them empty";
            return Err(Problem::field("reach.exchange.mailboxes", problem));
        }
        if self.organisation.trim().is_empty() {
            return Err(Problem::field(
                "reach.exchange.organisation",
                "empty; name it",
            ));
        }
        Ok(ExchangeReach {
            organisation: self.organisation,
            url: self.url,
            login: match self.login {
                LoginBody::Ntlm(login) => ExchangeLogin::Ntlm {
                    user: login.user,
                    password: login.password.0,
                },
                LoginBody::Basic(login) => ExchangeLogin::Basic {
                    user: login.user,
                    password: login.password.0,
                },
                LoginBody::Oauth(login) => ExchangeLogin::Oauth {
                    tenant: login.tenant,
                    client_id: login.client_id,
                    login_url: login
                        .login_url
                        .unwrap_or_else(|| Cloud::Worldwide.login_url().to_owned()),
                    credential: login.credential.into_credential(),
                },
            },
            access: match self.access {
                AccessBody::Impersonation => Access::Impersonation,
                AccessBody::Delegate => Access::Delegate,
            },
            mailboxes,
            authority_pem: self.authority_pem,
            public_folders_as: self.public_folders_as,
        })
    }
}
