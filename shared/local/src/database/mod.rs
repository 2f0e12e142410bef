//! One SQLite file that holds the table and the queues of one machine.
//!
//! * **Several processes** may use the file at once: it is in write-ahead mode, every change begins
//!   with the write lock, and whoever waits longer than five seconds for it is told that it is busy.
//! * **Durable**: a change is flushed to the disk before it returns.
//! * **Bounded**: one connection per process; calls wait for it before they take a thread.
//! * **Private**: the file gets mode 0600. It holds addresses of mailboxes, and no mail.
//!
//! The file is no part of the vault. Without it no backup is lost: jobs are defined anew.

mod errors;
mod queue;
mod table;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailkeep_ports::Clock;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

pub use errors::DatabaseError;
pub use queue::SqliteQueue;
pub use table::SqliteTable;

/// The layout that this program writes, kept in `user_version`.
const LAYOUT: i64 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const CREATE: &str = "
CREATE TABLE items (
    part TEXT NOT NULL,
    sort TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (part, sort)
);
CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    hidden_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    is_dead INTEGER NOT NULL
);
CREATE INDEX messages_by_queue ON messages (queue, is_dead, visible_at);
";

/// An open file. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    connection: Mutex<Connection>,
    turn: Semaphore,
    clock: Arc<dyn Clock>,
}

impl Database {
    /// Opens the file, and makes it when it is missing. Blocks for a moment.
    ///
    /// # Errors
    /// When it cannot be opened, is no such file, or was made by a newer program.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, DatabaseError> {
        let path = path.into();
        let wrong = |error| DatabaseError::from_sqlite(&path, error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options
            .open(&path)
            .map_err(|error| DatabaseError::from_io(&path, error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(wrong)?;
        prepare(&mut connection).map_err(wrong)?;
        let layout: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(wrong)?;
        if layout > LAYOUT {
            return Err(DatabaseError::newer(&path));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                connection: Mutex::new(connection),
                turn: Semaphore::new(1),
                clock,
            }),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The table in it.
    #[must_use]
    pub fn table(&self) -> SqliteTable {
        SqliteTable::new(self.clone())
    }

    /// A queue in it. A message that was received `max_receives` times without being acknowledged
    /// becomes a dead letter.
    #[must_use]
    pub fn queue(&self, name: &str, max_receives: u32) -> SqliteQueue {
        SqliteQueue::new(self.clone(), name, max_receives)
    }

    fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    /// Runs `action` in a transaction, where blocking is allowed. One that gives an error changes
    /// nothing.
    async fn run<T, E>(
        &self,
        action: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let shared = self.shared.clone();
        let Ok(_turn) = self.shared.turn.acquire().await else {
            return Err(DatabaseError::ended(&shared.path).into());
        };
        let path = shared.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = shared
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let wrong = |error| DatabaseError::from_sqlite(&shared.path, error);
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(wrong)?;
            let result = action(&transaction)?;
            transaction.commit().map_err(wrong)?;
            Ok(result)
        });
        task.await
            .unwrap_or_else(|_| Err(DatabaseError::ended(&path).into()))
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let layout: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if layout == 0 {
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
    }
    transaction.commit()
}
