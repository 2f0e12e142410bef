//! Starts a simulated tenant on loopback and keeps it running. The first line on standard output is a
//! JSON object with all that a client needs.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use exchange_sim::{ExchangeOptions, MailProfile, SimClock, SimTenant};

/// A simulated Microsoft 365 tenant: Graph and its token endpoint on one loopback port.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Everything that is generated depends on this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Accounts with a mailbox.
    #[arg(long, default_value_t = 2)]
    mailboxes: u32,
    /// Messages in every mailbox.
    #[arg(long, default_value_t = 100)]
    items: u32,
    /// Folders of the user in every mailbox.
    #[arg(long, default_value_t = 14)]
    folders: u32,
    /// Small messages (3 to 5 KB), for very many items.
    #[arg(long)]
    small: bool,
    /// Same MIME bytes at every read.
    #[arg(long)]
    stable_mime: bool,
    /// Real mail for the first mailbox: a folder of .eml files, an mbox file or a Maildir.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Be an Exchange organisation, too: EWS and Autodiscover.
    #[arg(long)]
    exchange: bool,
    /// Mailboxes that hold the public folders; from two on calls have to be routed.
    #[arg(long, default_value_t = 1, requires = "exchange")]
    public_mailboxes: u32,
    /// Serve Exchange with a certificate of an authority of its own.
    #[arg(long, requires = "exchange")]
    tls: bool,
    /// Let the tenant's clock run with the machine's.
    #[arg(long)]
    real_time: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "exchange-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = SimTenant::builder()
        .port(arguments.port)
        .seed(arguments.seed)
        .mailboxes(arguments.mailboxes)
        .items_per_mailbox(arguments.items)
        .folders_per_mailbox(arguments.folders)
        .rebuild_mime(!arguments.stable_mime)
        .clock(if arguments.real_time {
            SimClock::real_time()
        } else {
            SimClock::default()
        });
    if arguments.small {
        builder = builder.profile(MailProfile::Small);
    }
    if arguments.exchange {
        builder = builder.exchange(ExchangeOptions {
            public_mailboxes: arguments.public_mailboxes,
            tls: arguments.tls,
            ..ExchangeOptions::default()
        });
    }
    if let Some(path) = arguments.from {
        builder = builder.from_path(path);
    }
    let tenant = builder.start().await?;
    let connection = serde_json::json!({
        "base_url": tenant.base_url(),
        "tenant_id": tenant.tenant_id,
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secret,
        "exchange": tenant.exchange().map(|access| serde_json::json!({
            "url": access.url,
            "user": access.service_user,
            "password": access.service_password,
            "authority_pem": access.authority_pem,
        })),
    });
    let mut output = std::io::stdout();
    writeln!(output, "{connection}")?;
    output.flush()?;
    tokio::signal::ctrl_c().await?;
    tenant.shutdown().await;
    Ok(())
}
