//! The `mailkeep` program: reads what was typed, carries it out, and ends with the exit code.

use std::process::ExitCode;

use clap::Parser;
use mailkeep_cli::args::Cli;
use mailkeep_cli::session::Session;
use mailkeep_cli::{CliError, commands, logging};

fn main() -> ExitCode {
    // Wrong usage ends here with exit code 2; help and version with 0.
    let cli = Cli::parse();
    let json = cli.global.json;
    logging::start(cli.global.log_level, json);
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            if let Some(report) = error.report(json) {
                eprintln!("{report}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Threads for calls that block, such as file operations. Each costs an arena of the allocator: with
/// the default of 512 a full verification takes twice the memory.
const BLOCKING_THREADS: usize = 4;

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let session = Session::of_process(cli.global);
    let exit = runtime.block_on(commands::run(&session, &cli.command))?;
    Ok(ExitCode::from(exit.code()))
}
