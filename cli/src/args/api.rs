//! The HTTP API: keys to it, and where it listens.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use mailkeep_api::auth::Role;

use super::job::DatabaseArgs;

/// Where the API listens.
#[derive(Debug, Clone, Default, Args)]
pub struct ListenArgs {
    /// Serve the HTTP API at this address, for example 127.0.0.1:8025 (without it there is none)
    #[arg(long, value_name = "ADDRESS", env = "MAILKEEP_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A proxy in front of the API speaks TLS: allows addresses of other than this machine, and believes
    /// the proxy where a request comes from (X-Forwarded-For)
    #[arg(long, requires = "listen")]
    pub behind_tls_proxy: bool,
}

/// What to do with keys to the API.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key and print it: it is shown once, and only a hash of it is kept
    Add(ApiKeyAddArgs),
    /// List the keys
    #[command(after_help = "Example:\n  mailkeep api-key ls --vault ./vault")]
    Ls {
        /// Where keys are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Remove a key: it is not valid from now on
    #[command(after_help = "Example:\n  mailkeep api-key rm 5h2k7mzqfxnw3abc --vault ./vault")]
    Rm {
        /// The key's id, as `ls` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// Where keys are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// `mailkeep api-key add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Roles: viewer (jobs, runs, mailboxes; never mail), operator (also makes and runs jobs),
restore_operator (as viewer; also looks into mail, restores and exports), administrator (everything).

Examples:
  mailkeep api-key add ci --role operator --days 90 --vault ./vault
  mailkeep api-key add helpdesk --role restore_operator --vault ./vault")]
pub struct ApiKeyAddArgs {
    /// A name for people
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What its holder may do (repeatable)
    #[arg(long = "role", required = true, value_name = "ROLE")]
    pub roles: Vec<Role>,
    /// Days after which it is not valid any more (without it: never)
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub days: Option<u16>,
    /// Where keys are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}
