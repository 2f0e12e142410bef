//! Logs go to standard error. They hold no address, no subject and no secret.

use tracing_subscriber::EnvFilter;

use crate::args::LogLevel;

/// Starts logging for this process. `RUST_LOG` wins over `level`.
pub fn start(level: LogLevel, json: bool) {
    // Libraries below us log what they send; at no level of ours is that asked for.
    let own = format!(
        "off,mailkeep={0},mailkeep_cli={0},mailkeep_engine={0},mailkeep_exchange={0},mailkeep_vault={0},mailkeep_local={0}",
        level.directive()
    );
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(own));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    // A second start in one process (tests, the demo) keeps the first.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
