//! How much is asked at once, and how long a server is left alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mailkeep_exchange::ews::{EwsClient, EwsOptions, EwsSource};
use mailkeep_exchange::{FolderCursor, Source};
use mailkeep_model::{FailureClass, FolderId, SourceMailboxId};
use mailkeep_ports::{SeededRng, TestClock};

use super::server::{Request, Server};
use super::{canned, connection};

fn source(server: &Server, clock: Arc<TestClock>, options: EwsOptions) -> EwsSource {
    let connection = connection(server.url());
    let client = EwsClient::with_options(&connection, clock, Arc::new(SeededRng::new(1)), options);
    EwsSource::with_client(client.unwrap())
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::new("2026-11-22T10:00:00Z".parse().unwrap()))
}

fn start() -> FolderCursor {
    FolderCursor {
        folder: FolderId("f".into()),
        cursor: None,
    }
}

/// Asks for pages of so many mailboxes, several of each at once. A call has a connection to itself, so
/// the number of connections tells how many calls there were at once.
async fn connections(mailboxes: usize, of_each: usize, options: EwsOptions) -> usize {
    let server = Server::start(|_| canned::page("s", true, "")).await;
    let source = source(&server, clock(), options);
    let asked = (0..mailboxes * of_each).map(|n| {
        let mailbox = SourceMailboxId(format!("m{}@corp.example", n % mailboxes));
        let (source, at) = (&source, start());
        async move { source.changes(&mailbox, &at).await.map(|_| ()) }
    });
    let done = futures::future::join_all(asked).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), mailboxes * of_each);
    let numbers: HashSet<usize> = requests.iter().map(|one| one.connection).collect();
    numbers.len()
}

#[tokio::test]
async fn calls_at_once_are_bounded_for_a_mailbox_and_for_the_server() {
    let options = |calls_per_mailbox, calls_per_server| EwsOptions {
        calls_per_mailbox,
        calls_per_server,
        ..EwsOptions::default()
    };
    assert_eq!(connections(1, 12, options(3, 10)).await, 3);
    assert_eq!(connections(6, 3, options(3, 5)).await, 5);
    assert_eq!(connections(2, 1, options(3, 10)).await, 2);
}

#[tokio::test]
async fn a_back_off_holds_for_every_call_of_the_budget_and_for_no_other() {
    let server = Server::start(|request: &Request| {
        let is_first = request.body.contains("SyncState>first<");
        match is_first {
            true => canned::fault("ErrorServerBusy", Some(2_000_000)),
            false => canned::page("s", true, ""),
        }
    });
    let (clock, server) = (clock(), server.await);
    let source = source(&server, clock.clone(), EwsOptions::default());
    let mailbox = |name: &str| SourceMailboxId(format!("{name}@corp.example"));
    let first = FolderCursor {
        cursor: Some(mailkeep_exchange::Cursor("sync:first".into())),
        ..start()
    };
    let error = source.changes(&mailbox("ann"), &first).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_secs(2_000)));
    let before = server.requests().len();
    let refused = source.changes(&mailbox("ann"), &start()).await.unwrap_err();
    assert_eq!(refused.class, FailureClass::Throttled);
    assert_eq!(
        server.requests().len(),
        before,
        "another call of the same mailbox was sent"
    );
    assert!(source.throttled_until(&mailbox("ann")).is_some());
    // Impersonated mailboxes have budgets of their own.
    source.changes(&mailbox("bob"), &start()).await.unwrap();
    clock.advance(Duration::from_secs(2_001));
    source.changes(&mailbox("ann"), &start()).await.unwrap();
}
