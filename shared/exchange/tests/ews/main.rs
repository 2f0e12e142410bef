//! The EWS connector against canned answers of a tiny server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod autodiscover;
mod canned;
mod exports;
mod login;
mod server;
mod source;
mod strain;
mod target;
mod trees;

use std::sync::Arc;

use mailkeep_exchange::ews::{EwsClient, EwsConnection, EwsLogin, EwsSource, MailboxAccess};
use mailkeep_exchange::{ByteStream, SourceError};
use mailkeep_model::SourceMailboxId;
use mailkeep_ports::{SeededRng, TestClock};
use secrecy::SecretString;
use server::Server;

/// A connector to a test's server.
struct Rig {
    server: Server,
    clock: Arc<TestClock>,
    source: EwsSource,
}

fn connection(url: String) -> EwsConnection {
    EwsConnection {
        url,
        login: EwsLogin::Basic {
            user: "backup".into(),
            password: SecretString::from("hush"),
        },
        access: MailboxAccess::Impersonation,
        mailboxes: vec!["Ann@corp.example".into(), "bob@corp.example".into()],
        public_folders_as: None,
        authority_pem: None,
    }
}

fn rig_with(server: Server, change: impl Fn(&mut EwsConnection)) -> Rig {
    let clock = Arc::new(TestClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
    let mut connection = connection(server.url());
    change(&mut connection);
    let client = EwsClient::new(&connection, clock.clone(), Arc::new(SeededRng::new(1))).unwrap();
    Rig {
        server,
        clock,
        source: EwsSource::with_client(client),
    }
}

fn rig(server: Server) -> Rig {
    rig_with(server, |_| {})
}

fn ann() -> SourceMailboxId {
    SourceMailboxId("ann@corp.example".into())
}

async fn read(mut stream: ByteStream) -> Result<Vec<u8>, SourceError> {
    let mut out = vec![];
    while let Some(chunk) = futures::StreamExt::next(&mut stream).await {
        out.extend_from_slice(&chunk?);
    }
    Ok(out)
}
