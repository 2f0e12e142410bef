//! Measures engine and vault on a generated corpus, and other tools on the same mail.
//!
//! Each step runs in a process of its own, so that its CPU time and its peak memory are its own.
//! See docs/benchmarks.md.

mod corpus;
mod draw;
mod layout;
mod mail_source;
mod measure;
mod peers;
mod report;
mod shape;
mod steps;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::corpus::CorpusSize;
use crate::layout::Layout;
use crate::report::Report;
use crate::steps::Step;

/// Whatever went wrong ends the benchmark.
type Failure = Box<dyn Error + Send + Sync>;

/// Backs up a generated corpus, reads it back, and prints what that cost.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Size of the raw mail.
    #[arg(long, default_value_t = 1500, value_name = "MB")]
    size_mb: u64,
    /// A tenth of the mail: 150 MB.
    #[arg(long)]
    quick: bool,
    /// Folder for corpus and vaults; a temporary one that is removed again when not given.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Write the figures to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave other tools out.
    #[arg(long)]
    no_peers: bool,
    /// Run one step in this process and print its figures as JSON.
    #[arg(long, hide = true)]
    step: Option<Step>,
}

/// Threads that wait for the disk. Each one keeps memory of its own in the system's allocator.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build();
    let result = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let temporary = match &arguments.work {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let root = match (&arguments.work, &temporary) {
        (Some(given), _) => given.clone(),
        (None, Some(made)) => made.path().to_owned(),
        (None, None) => return Err("no folder to work in".into()),
    };
    let layout = Layout::new(root);
    if let Some(step) = arguments.step {
        return steps::run_here(step, &layout).await;
    }
    let size = CorpusSize::of_megabytes(if arguments.quick {
        150
    } else {
        arguments.size_mb
    });
    layout.clear()?;
    eprintln!("generating {} MB of mail", size.megabytes);
    let corpus = corpus::generate(size, &layout)?;
    let mut report = Report::new(corpus);
    for step in Step::ALL {
        eprintln!("{}", step.words());
        report
            .steps
            .push(steps::run_as_process(step, &layout).await?);
    }
    if !arguments.no_peers {
        report.peers = peers::run_all(&layout).await?;
    }
    report.print(&mut std::io::stdout().lock())?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    if arguments.work.is_none() {
        layout.clear()?;
    }
    Ok(())
}
