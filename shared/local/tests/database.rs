//! The job database: the suites of its ports, several processes, files that are wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mailkeep_local::{Database, SystemClock};
use mailkeep_ports::conformance::{self, QueueUnderTest};
use mailkeep_ports::{
    Clock, ItemKey, Outgoing, Query, Queue, Table, TableErrorKind, TestClock, Write,
};

const ROLE: &str = "MAILKEEP_TEST_DATABASE_ROLE";
const FILE: &str = "MAILKEEP_TEST_DATABASE_FILE";
const CHILDREN: u64 = 3;
const ROUNDS: u64 = 30;

fn open(path: impl Into<PathBuf>) -> Database {
    Database::open(path, Arc::new(SystemClock::new())).unwrap()
}

fn numbered(folder: &Path) -> impl Fn() -> PathBuf + Send + Sync + 'static {
    let (folder, number) = (folder.to_owned(), AtomicU32::new(0));
    move || folder.join(format!("{}.db", number.fetch_add(1, Ordering::Relaxed)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_table_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = numbered(folder.path());
    let fresh = move || -> Arc<dyn Table> { Arc::new(open(path()).table()) };
    conformance::table(&fresh).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_queue_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = numbered(folder.path());
    let clock = Arc::new(TestClock::default());
    let of_queues: Arc<dyn Clock> = clock.clone();
    let test = QueueUnderTest {
        fresh: Box::new(move |max_receives| {
            let database = Database::open(path(), of_queues.clone()).unwrap();
            Arc::new(database.queue("tasks", max_receives))
        }),
        clock,
        unit: Duration::from_secs(10),
    };
    conformance::queue(&test).await.unwrap();
}

#[tokio::test]
async fn queues_of_one_file_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path().join("jobs.db"));
    let (one, other) = (database.queue("one", 3), database.queue("other", 3));
    one.send(vec![Outgoing::now("x")]).await.unwrap();
    let second = Duration::from_secs(1);
    assert!(other.receive(10, second).await.unwrap().is_empty());
    assert_eq!(one.receive(10, second).await.unwrap().len(), 1);
}

/// A wall clock that jumps back must not hide a message for as long as it jumped.
#[tokio::test]
async fn a_clock_that_jumps_back_hides_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let database = Database::open(folder.path().join("jobs.db"), clock.clone()).unwrap();
    let queue = database.queue("tasks", 9);
    queue.send(vec![Outgoing::now("x")]).await.unwrap();
    let minute = Duration::from_secs(60);
    assert_eq!(queue.receive(1, minute).await.unwrap().len(), 1);
    clock.jump_wall(chrono::TimeDelta::days(-30));
    assert_eq!(queue.receive(1, minute).await.unwrap().len(), 1);
    assert!(queue.receive(1, minute).await.unwrap().is_empty());
    clock.jump_wall(chrono::TimeDelta::days(60));
    assert_eq!(queue.receive(1, minute).await.unwrap().len(), 1);
}

#[tokio::test]
async fn expired_items_are_removed_after_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let table = Database::open(folder.path().join("jobs.db"), clock.clone())
        .unwrap()
        .table();
    for (name, days) in [("old", -8), ("fresh", -6), ("later", 1)] {
        let write = Write::Put {
            key: ItemKey::new("p", name).unwrap(),
            expect: mailkeep_ports::Expect::Absent,
            body: "x".into(),
            expires_at: Some(clock.now() + chrono::TimeDelta::days(days)),
        };
        table.write(write).await.unwrap();
    }
    assert_eq!(table.remove_expired().await.unwrap(), 1);
    let left = table.query(&Query::prefix("p", "")).await.unwrap().items;
    let left: Vec<_> = left.iter().map(|item| item.key.sort()).collect();
    assert_eq!(left, ["fresh", "later"]);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: PathBuf| {
        let opened = Database::open(path, Arc::new(SystemClock::new()));
        opened
            .err()
            .map(|error| (error.kind, error.to_string()))
            .unwrap()
    };
    let path = folder.path().join("text.db");
    std::fs::write(
        &path,
        "this is no database, but it is long enough to be one ".repeat(99),
    )
    .unwrap();
    let (kind, text) = refused(path);
    assert_eq!(kind, TableErrorKind::Corrupt);
    assert!(
        text.contains("text.db") && text.contains("no backup is lost"),
        "{text}"
    );
    let (kind, text) = refused(folder.path().join("absent/jobs.db"));
    assert_eq!(kind, TableErrorKind::Invalid);
    assert!(text.contains("folder"), "{text}");

    let path = folder.path().join("newer.db");
    drop(open(&path));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The version of the layout stands in the header, at byte 60.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 2;
    std::fs::write(&path, bytes).unwrap();
    let (_, text) = refused(path);
    assert!(text.contains("newer mailkeep"), "{text}");
}

/// Not a test by itself: what the other processes run.
#[test]
fn child() {
    let (Ok(role), Ok(file)) = (std::env::var(ROLE), std::env::var(FILE)) else {
        return;
    };
    let database = open(file);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        match role.as_str() {
            "count" => count(&database.table()).await,
            _ => receive(&database).await,
        }
    });
}

async fn count(table: &dyn Table) {
    let key = ItemKey::new("p", "counter").unwrap();
    for _ in 0..ROUNDS {
        loop {
            let item = table.get(&key).await.unwrap().unwrap();
            let value: u64 = String::from_utf8_lossy(&item.body).parse().unwrap();
            let write = Write::replace(key.clone(), item.version, (value + 1).to_string());
            match table.write(write).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind, TableErrorKind::Conflict, "{error}"),
            }
        }
    }
}

/// Receives messages and creates an item for each: one that two processes received is a conflict.
async fn receive(database: &Database) {
    let (table, queue) = (database.table(), database.queue("tasks", 3));
    loop {
        let received = queue.receive(2, Duration::from_secs(600)).await.unwrap();
        if received.is_empty() {
            return;
        }
        for message in received {
            let key = ItemKey::new("seen", &*message.body).unwrap();
            table.write(Write::create(key, "")).await.unwrap();
            queue.acknowledge(&message.receipt).await.unwrap();
        }
    }
}

fn run_children(role: &str, file: &Path) {
    let child = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(FILE, file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..CHILDREN).map(child).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[tokio::test]
async fn no_write_of_another_process_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let table = open(&file).table();
    let key = ItemKey::new("p", "counter").unwrap();
    table.write(Write::create(key.clone(), "0")).await.unwrap();
    run_children("count", &file);
    let item = table.get(&key).await.unwrap().unwrap();
    assert_eq!(item.body, (CHILDREN * ROUNDS).to_string());
    assert_eq!(item.version, CHILDREN * ROUNDS + 1);
}

#[tokio::test]
async fn each_message_goes_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let database = open(&file);
    let queue = database.queue("tasks", 3);
    for number in 0..60 {
        queue
            .send(vec![Outgoing::now(number.to_string())])
            .await
            .unwrap();
    }
    run_children("receive", &file);
    let seen = database
        .table()
        .query(&Query::prefix("seen", ""))
        .await
        .unwrap();
    assert_eq!(seen.items.len(), 60);
    assert_eq!(
        queue.depth().await.unwrap(),
        mailkeep_ports::Depth::default()
    );
}
