//! Shows mailkeep from end to end on a simulated tenant, with the very commands a user would type.

#![expect(clippy::print_stdout, reason = "a demonstration talks to its user")]

mod next;
mod place;
mod shell;
mod story;
mod tenant;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Why the demonstration ended early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const EXAMPLES: &str = "\
Examples:
  cargo run --release --bin demo
  cargo run --release --bin demo -- --from ~/Mail --keep /tmp/my-vault
  cargo run --release --bin demo -- --mailboxes 20 --items 1000";

/// Backs up, changes, compares, verifies and restores a simulated Microsoft 365 tenant on this
/// machine, and leaves a vault to look into. Nothing leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "demo", after_help = EXAMPLES, max_term_width = 100)]
struct Args {
    /// Use this mail instead of invented mail: a folder of .eml files, an mbox file or a Maildir
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// Mailboxes of the tenant
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    mailboxes: u32,
    /// Items in each mailbox
    #[arg(long, value_name = "M", default_value_t = 150, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    items: u32,
    /// Keep vault and keys in this folder, which must be empty or new (default: demo-vault here, or
    /// demo-vault-2 and so on when that is taken)
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    mailkeep_cli::logging::start(mailkeep_cli::args::LogLevel::Error, false);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(story::tell(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Failure) -> ExitCode {
    eprintln!("demo: {error}");
    ExitCode::FAILURE
}
