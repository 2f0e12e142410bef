//! `mailkeep connection …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::UnlockArgs;
use super::job::DatabaseArgs;

/// What to do with connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// Store how to reach a tenant; kept encrypted inside the vault
    Add(Box<AddArgs>),
    /// Try every permission and name what is missing
    Test(TestArgs),
    /// List the stored connections
    #[command(after_help = "Example:\n  mailkeep connection ls --vault ./vault --json")]
    Ls {
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Forget a connection; backed up mail stays
    #[command(after_help = "Example:\n  mailkeep connection rm contoso --vault ./vault")]
    Rm {
        /// Name of the connection
        name: String,
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
}

const ADD_EXAMPLES: &str = "\
The client secret comes from a prompt, from MAILKEEP_CLIENT_SECRET or from --client-secret-file; the password of an
Exchange service account from a prompt, from MAILKEEP_EXCHANGE_PASSWORD or from --password-file.

Examples:
  mailkeep connection add contoso --vault ./vault --tenant 1111… --client-id 2222…
  mailkeep connection add contoso --vault ./vault --tenant 1111… --client-id 2222… \\
      --certificate-file app.pem --private-key-file app.key
  mailkeep connection add gov --vault ./vault --tenant 1111… --client-id 2222… --cloud us-gov-l4
  mailkeep connection add hq --vault ./vault --ews-url https://mail.contoso.example/EWS/Exchange.asmx \\
      --user 'CONTOSO\\svc-backup' --mailboxes-file addresses.txt --authority-file contoso-ca.pem \\
      --public-folders-as archivist@contoso.example
  mailkeep connection add hq --vault ./vault --ews-autodiscover ann@contoso.example \\
      --user 'CONTOSO\\svc-backup' --mailboxes-file addresses.txt";

/// `mailkeep connection add`.
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// A name of your choice
    pub name: String,
    /// Directory (tenant) id
    #[arg(long, value_name = "ID", required_unless_present = "exchange_place")]
    pub tenant: Option<String>,
    /// Application (client) id
    #[arg(long, value_name = "ID", required_unless_present = "exchange_place")]
    pub client_id: Option<String>,
    /// Microsoft cloud that the tenant lives in
    #[arg(long, value_enum, default_value_t)]
    pub cloud: Cloud,
    /// Another sign-in service than the cloud's; http only on this machine itself
    #[arg(long, value_name = "URL", requires = "graph_url")]
    pub login_url: Option<String>,
    /// Another Graph service than the cloud's; http only on this machine itself
    #[arg(long, value_name = "URL", requires = "login_url")]
    pub graph_url: Option<String>,
    /// Read the client secret from the first line of this file
    #[arg(long, value_name = "PATH", conflicts_with = "certificate_file")]
    pub client_secret_file: Option<PathBuf>,
    /// Sign in with a certificate: its PEM file
    #[arg(long, value_name = "PATH", requires = "private_key_file")]
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key: PEM file, PKCS #8, RSA
    #[arg(long, value_name = "PATH", requires = "certificate_file")]
    pub private_key_file: Option<PathBuf>,
    /// What reaches an Exchange organisation on premises.
    #[command(flatten)]
    pub exchange: ExchangeArgs,
    /// Replace the connection of this name, for example to renew its secret
    #[arg(long)]
    pub replace: bool,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// An Exchange organisation on premises.
#[derive(Debug, Args)]
#[command(next_help_heading = "Exchange on premises")]
pub struct ExchangeArgs {
    /// Reach Exchange 2013 to Subscription Edition at this address of its Web Services
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "graph_url",
        group = "exchange_place"
    )]
    pub ews_url: Option<String>,
    /// Reach it where Autodiscover says, asked about this mail address
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with = "graph_url",
        group = "exchange_place"
    )]
    pub ews_autodiscover: Option<String>,
    /// Ask Autodiscover here (ends in autodiscover.svc or .xml) and not at the address's domain
    #[arg(long, value_name = "URL", requires = "ews_autodiscover")]
    pub autodiscover_url: Option<String>,
    /// A host outside of the address's domain that Autodiscover may lead credentials to (repeatable)
    #[arg(
        long = "trust-host",
        value_name = "HOST",
        requires = "ews_autodiscover"
    )]
    pub trusted_hosts: Vec<String>,
    /// How the service account logs in; oauth takes --tenant and --client-id
    #[arg(long, value_enum, default_value_t, requires = "exchange_place")]
    pub login: ExchangeLogin,
    /// The service account, DOMAIN\\user or user@domain
    #[arg(long, value_name = "USER", requires = "exchange_place")]
    pub user: Option<String>,
    /// Read its password from the first line of this file
    #[arg(long, value_name = "PATH", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// By which right mailboxes are opened
    #[arg(long, value_enum, default_value_t, requires = "exchange_place")]
    pub access: ExchangeAccess,
    /// Primary addresses of the mailboxes, one per line: EWS has no list of them
    #[arg(long, value_name = "PATH", requires = "exchange_place")]
    pub mailboxes_file: Option<PathBuf>,
    /// Reach public folders, too, with the rights of this mailbox's owner
    #[arg(long, value_name = "ADDRESS", requires = "exchange_place")]
    pub public_folders_as: Option<String>,
    /// Trust certificates of this private authority, too: its PEM file
    #[arg(long, value_name = "PATH", requires = "exchange_place")]
    pub authority_file: Option<PathBuf>,
    /// Name under which the mailboxes are kept [default: the server's host name]
    #[arg(long, value_name = "NAME", requires = "exchange_place")]
    pub organisation: Option<String>,
}

/// How a service account logs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExchangeLogin {
    /// NTLM, what Exchange offers unless told otherwise
    #[default]
    Ntlm,
    /// Basic, where an administrator has turned it on
    Basic,
    /// OAuth 2.0, with hybrid modern authentication
    Oauth,
}

/// By which right mailboxes are opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExchangeAccess {
    /// The role ApplicationImpersonation
    #[default]
    Impersonation,
    /// Full access to each mailbox
    Delegate,
}

/// `mailkeep connection test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 4 when sign-in fails or a permission that backups need is missing.

Examples:
  mailkeep connection test contoso --vault ./vault
  mailkeep connection test contoso --vault ./vault --mailbox ann@contoso.example")]
pub struct TestArgs {
    /// Name of the connection
    pub name: String,
    /// Try the permissions on this mailbox (default: the first one that is listed)
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: Option<String>,
    /// Whose groups are tried, too.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Microsoft's clouds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Cloud {
    /// The worldwide cloud, GCC included
    #[default]
    Worldwide,
    /// US Government L4 (GCC High)
    UsGovL4,
    /// US Government L5 (DoD)
    UsGovL5,
    /// China (21Vianet)
    China,
}
