//! How much memory mailkeep takes at most: `cargo run --release -p mailkeep-e2e --example memory`.
//!
//! Without arguments it backs up and restores one mail with an attachment of 150 MB. With
//! `items 1000000` it backs up a mailbox of so many small items, twice, and verifies it. The simulated tenant runs
//! in a process of its own, so that only mailkeep is measured. Ends with an error above 200 MB.
//! Linux only: the figures come from `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement for developers: a broken expectation is meant to end it"
)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use exchange_sim::{Limits, MailProfile, START_UNIX_MILLIS, SimTenant};
use mailkeep_engine::backup::{BackupRequest, MailboxScope, backup};
use mailkeep_engine::restore::{self, RestoreRequest};
use mailkeep_engine::verify::{self, VerifyLevel, VerifyRequest};
use mailkeep_engine::{Engine, Quiet, StopSignal, browse};
use mailkeep_exchange::graph::{Cloud, Credential, GraphClient, GraphConnection};
use mailkeep_exchange::graph::{GraphSource, GraphTarget};
use mailkeep_local::{FolderStore, SystemClock};
use mailkeep_model::SourceMailboxId;
use mailkeep_ports::{Clock, SeededRng, TestClock};
use mailkeep_vault::{Recipient, Vault, VaultContext};

const MOST_MEGABYTES: u64 = 200;
const ATTACHMENT_BYTES: u64 = 150_000_000;
/// As many as the `mailkeep` program has.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .unwrap();
    let worst = match words.as_slice() {
        ["tenant", items] => {
            runtime.block_on(serve(items.parse().unwrap()));
            return ExitCode::SUCCESS;
        }
        [] => runtime.block_on(attachment()),
        ["items", count] => runtime.block_on(items(count)),
        _ => panic!("usage: memory [items COUNT]"),
    };
    if worst > MOST_MEGABYTES {
        println!("more than {MOST_MEGABYTES} MB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The tenant's process: serves until its standard input ends.
async fn serve(items: u32) {
    let builder = SimTenant::builder()
        .mailboxes(2)
        .items_per_mailbox(items)
        .profile(MailProfile::Small)
        .other_accounts(false)
        .limits(Limits {
            calls: u64::MAX,
            upload_bytes: u64::MAX,
            ..Limits::default()
        });
    let tenant = builder.start().await.unwrap();
    let admin = tenant.admin();
    let mailboxes = admin.mailboxes();
    if items == 0 {
        admin
            .add_giant_mail(&mailboxes[0].id, "inbox", ATTACHMENT_BYTES)
            .unwrap();
    }
    println!("{}", tenant.base_url());
    println!("{}", tenant.tenant_id);
    println!("{}", tenant.client_id);
    println!("{}", tenant.client_secret);
    println!("{}", mailboxes[0].id);
    println!("{}", mailboxes[1].id);
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut vec![]));
    end.await.unwrap().unwrap();
}

/// A running tenant and mailkeep's side of the connection.
struct Bench {
    tenant: Child,
    client: Arc<GraphClient>,
    engine: Engine,
    first: String,
    second: String,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.tenant.kill();
        let _ = self.tenant.wait();
    }
}

impl Bench {
    async fn start(items: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut tenant = Command::new(program)
            .args(["tenant", items])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(tenant.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let (url, tenant_id, client_id, secret) = (line(), line(), line(), line());
        let (first, second) = (line(), line());
        let connection = GraphConnection {
            login_url: url.clone(),
            graph_url: url,
            ..GraphConnection::new(
                tenant_id,
                client_id,
                Credential::Secret(secret.into()),
                Cloud::Worldwide,
            )
        };
        // Waiting for the service's quota costs no time.
        let wall = chrono::DateTime::from_timestamp_millis(START_UNIX_MILLIS).unwrap();
        let clock = Arc::new(TestClock::new(wall));
        let rng = Arc::new(SeededRng::new(1));
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::create(folder.path().join("vault"), rng.clone()).unwrap();
        let context = VaultContext {
            store: Arc::new(store),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let key = Recipient::KeyFile(zeroize::Zeroizing::new([7; 32]));
        let made = Vault::create(context, &[key], Default::default()).await;
        let client = GraphClient::new(&connection, clock.clone(), rng.clone()).unwrap();
        Self {
            tenant,
            client,
            engine: Engine::new(made.unwrap().0, clock, rng),
            first,
            second,
            _folder: folder,
        }
    }

    async fn back_up(&self, what: &str) -> u64 {
        let clock = SystemClock::new();
        let started = clock.monotonic();
        let request = BackupRequest {
            mailboxes: MailboxScope::Only(vec![self.first.clone()]),
            ..BackupRequest::new("tenant", "simulated")
        };
        let source = Arc::new(GraphSource::with_client(self.client.clone()));
        let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
        let run = backup(&self.engine, source, request, observer, stop).await;
        let run = run.unwrap();
        assert_eq!(run.exit_code(), 0, "{run:?}");
        let took = clock.monotonic().saturating_sub(started);
        let counters = run.counters();
        report(
            &format!(
                "{what}: {} items stored, {} MB read, {} MB stored, {} requests",
                counters.items_stored,
                counters.bytes_read / 1_000_000,
                counters.bytes_stored / 1_000_000,
                counters.requests,
            ),
            took,
        )
    }

    /// Reads and compares everything, as `mailkeep verify --full` does.
    async fn verify(&self) -> u64 {
        let clock = SystemClock::new();
        let started = clock.monotonic();
        let request = VerifyRequest::new(VerifyLevel::Full);
        let done = verify::run(&self.engine, &request, Arc::new(Quiet), StopSignal::new()).await;
        let done = done.unwrap();
        assert_eq!(done.exit_code(), 0, "{done:?}");
        report(
            &format!("full verification: {} items read", done.items_read),
            clock.monotonic().saturating_sub(started),
        )
    }
}

/// Prints what was done and the most memory since the start, and returns that in megabytes.
fn report(what: &str, took: Duration) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kibibytes: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()
        .unwrap();
    let megabytes = kibibytes * 1_024 / 1_000_000;
    println!("{what}, {} s, at most {megabytes} MB", took.as_secs());
    megabytes
}

async fn attachment() -> u64 {
    let bench = Bench::start("0").await;
    bench.back_up("backup of an attachment of 150 MB").await;
    let mailbox = browse::find_mailbox(&bench.engine, &bench.first)
        .await
        .unwrap();
    let to = SourceMailboxId(bench.second.clone());
    let request = RestoreRequest::new(mailbox.id().clone(), to);
    let target = Arc::new(GraphTarget::with_client(bench.client.clone()));
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
    let done = restore::run(&bench.engine, target, &request, observer, stop).await;
    let done = done.unwrap();
    assert_eq!((done.exit_code(), done.with_losses), (0, 0), "{done:?}");
    report("restore of it", clock.monotonic().saturating_sub(started))
}

async fn items(count: &str) -> u64 {
    let bench = Bench::start(count).await;
    bench.back_up("first backup").await;
    bench.back_up("second backup").await;
    bench.verify().await
}
