//! Mail, webhooks, scripts and logs against real servers, real processes and real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod contract;
mod hooks;
mod http;
mod logs;
mod mail;
mod smtp;
mod tls;
mod webhooks;

use std::sync::Arc;

use mailkeep_local::LocalSecrets;
use mailkeep_ports::Message;

fn secrets(pairs: &[(&str, &[u8])]) -> LocalSecrets {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), value.to_vec()));
    LocalSecrets::with_environment(pairs, Arc::new(|_: &str| {}))
}

fn message() -> Message {
    Message {
        id: "news-run-1".to_owned(),
        at: "2026-02-03T10:20:30Z".parse().unwrap(),
        subject: "[mailkeep] N\u{e4}chtlich failed".to_owned(),
        text: "Job N\u{e4}chtlich failed.\n.\n.. a line with dots\n".to_owned(),
        json: "{\"schema\":1,\"id\":\"news-run-1\"}".to_owned(),
    }
}
