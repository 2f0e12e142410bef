//! Logs as JSON, one object a line. They hold ids and digests; no address, no subject and no secret.

use tracing_subscriber::EnvFilter;

use crate::Environment;

/// Crates of ours; libraries below us log what they send, so nothing is asked of them.
const OWN: [&str; 11] = [
    "mailkeep",
    "mailkeep_api",
    "mailkeep_aws",
    "mailkeep_engine",
    "mailkeep_exchange",
    "mailkeep_function",
    "mailkeep_local",
    "mailkeep_setup",
    "mailkeep_vault",
    "mailkeep_worker",
    "mailkeep_scheduler",
];

/// Starts logging to standard output, where Lambda takes it from.
pub(crate) fn start(environment: &Environment) {
    let level = environment
        .text("LOG_LEVEL")
        .unwrap_or("info")
        .to_lowercase();
    let filter = OWN.map(|name| format!("{name}={level}")).join(",");
    let filter = EnvFilter::try_new(format!("off,{filter}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("off,mailkeep=info"));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_ansi(false)
        // CloudWatch has the time of each line.
        .without_time()
        .with_writer(std::io::stdout)
        .try_init();
}
