//! A queue in a SQLite file. Messages are hidden by the wall clock, because several processes must
//! agree. Where that clock jumped back behind the moment at which a message was hidden, the message
//! counts as visible: delivered twice rather than not for a long time.

use std::time::Duration;

use async_trait::async_trait;
use mailkeep_ports::queue::{MAX_BATCH, MAX_VISIBILITY, check_batch};
use mailkeep_ports::{Depth, Outgoing, Queue, QueueError, QueueErrorKind, Receipt, Received};
use rusqlite::{Row, Transaction, params};

use super::{Database, DatabaseError};

/// Messages in a SQLite file.
#[derive(Clone)]
pub struct SqliteQueue {
    database: Database,
    name: String,
    max_receives: u32,
}

/// A message is visible when its time to hide is over, or has not begun.
const VISIBLE: &str = "(visible_at <= ?2 OR hidden_at > ?2)";

impl SqliteQueue {
    pub(super) fn new(database: Database, name: &str, max_receives: u32) -> Self {
        Self {
            database,
            name: name.to_owned(),
            max_receives,
        }
    }

    fn now(&self) -> i64 {
        self.database.clock().now().timestamp_millis()
    }

    async fn run<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Transaction<'_>, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (path, name) = (self.database.path().to_owned(), self.name.clone());
        self.database
            .run(move |transaction| {
                action(transaction, &name)
                    .map_err(|error| DatabaseError::from_sqlite(&path, error).into())
            })
            .await
    }

    fn until(&self, call: &'static str, visibility: Duration) -> Result<(i64, i64), QueueError> {
        if visibility > MAX_VISIBILITY {
            let cause = "the time to hide is longer than 12 hours";
            return Err(QueueError::new(QueueErrorKind::Invalid, call, cause));
        }
        let now = self.now();
        Ok((now, now.saturating_add(millis(visibility))))
    }

    /// Receives messages or dead letters.
    async fn take(
        &self,
        call: &'static str,
        most: usize,
        visibility: Duration,
        is_dead: bool,
    ) -> Result<Vec<Received>, QueueError> {
        let (now, until) = self.until(call, visibility)?;
        let most = i64::try_from(most.min(MAX_BATCH)).unwrap_or_default();
        self.run(move |transaction, queue| {
            let sql = format!(
                "SELECT number, body, receives, turns FROM messages
                    WHERE queue = ?1 AND is_dead = ?3 AND {VISIBLE} ORDER BY visible_at, number LIMIT ?4"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map(params![queue, now, is_dead, most], Message::read)?;
            let messages: Vec<Message> = rows.collect::<rusqlite::Result<_>>()?;
            let more = u32::from(!is_dead);
            let mut received = vec![];
            for message in messages {
                let (receives, turns) = (message.receives + more, message.turns + 1);
                transaction
                    .prepare_cached(
                        "UPDATE messages SET hidden_at = ?2, visible_at = ?3, receives = ?4, turns = ?5
                            WHERE number = ?1",
                    )?
                    .execute(params![message.number, now, until, receives, turns])?;
                received.push(Received {
                    body: message.body,
                    receipt: Receipt(format!("{}-{turns}", message.number)),
                    receives,
                });
            }
            Ok(received)
        })
        .await
    }
}

struct Message {
    number: i64,
    body: String,
    receives: u32,
    turns: i64,
}

impl Message {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            body: row.get(1)?,
            receives: row.get(2)?,
            turns: row.get(3)?,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The number of the message and the turn, if it is a receipt of ours.
fn parts(receipt: &Receipt) -> Option<(i64, i64)> {
    let (number, turn) = receipt.0.split_once('-')?;
    Some((number.parse().ok()?, turn.parse().ok()?))
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        check_batch(&messages)?;
        let now = self.now();
        self.run(move |transaction, queue| {
            for message in &messages {
                let visible_at = now.saturating_add(millis(message.delay));
                transaction
                    .prepare_cached(
                        "INSERT INTO messages
                            (queue, body, hidden_at, visible_at, receives, turns, is_dead)
                            VALUES (?1, ?2, ?3, ?4, 0, 0, 0)",
                    )?
                    .execute(params![queue, message.body, now, visible_at])?;
            }
            Ok(())
        })
        .await
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let (now, max_receives) = (self.now(), self.max_receives);
        self.run(move |transaction, queue| {
            let sql = format!(
                "UPDATE messages SET is_dead = 1
                    WHERE queue = ?1 AND is_dead = 0 AND {VISIBLE} AND receives >= ?3"
            );
            transaction
                .prepare_cached(&sql)?
                .execute(params![queue, now, max_receives])
        })
        .await?;
        self.take("receive", most, visibility, false).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let (now, until) = self.until("extend", visibility)?;
        let (number, turn) = parts(receipt).unwrap_or_default();
        let changed = self
            .run(move |transaction, queue| {
                let sql = format!(
                    "UPDATE messages SET hidden_at = ?2, visible_at = ?3
                        WHERE queue = ?1 AND number = ?4 AND turns = ?5 AND NOT {VISIBLE}"
                );
                transaction
                    .prepare_cached(&sql)?
                    .execute(params![queue, now, until, number, turn])
            })
            .await?;
        if changed == 0 {
            let cause = "the message was acknowledged or came back into sight";
            return Err(QueueError::new(QueueErrorKind::Gone, "extend", cause));
        }
        Ok(())
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let Some((number, turn)) = parts(receipt) else {
            return Ok(());
        };
        self.run(move |transaction, queue| {
            transaction
                .prepare_cached(
                    "DELETE FROM messages WHERE queue = ?1 AND number = ?2 AND turns = ?3",
                )?
                .execute(params![queue, number, turn])
        })
        .await
        .map(drop)
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        self.take("look at dead letters", most, visibility, true)
            .await
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        let now = self.now();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.run(move |transaction, queue| {
            let sql = format!(
                "UPDATE messages SET is_dead = 0, receives = 0, turns = turns + 1 WHERE number IN
                    (SELECT number FROM messages WHERE queue = ?1 AND is_dead = 1 AND {VISIBLE}
                        ORDER BY number LIMIT ?3)"
            );
            transaction
                .prepare_cached(&sql)?
                .execute(params![queue, now, most])
        })
        .await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.now();
        self.run(move |transaction, queue| {
            let sql = format!(
                "SELECT
                    COUNT(*) FILTER (WHERE is_dead = 0 AND {VISIBLE}),
                    COUNT(*) FILTER (WHERE is_dead = 0 AND NOT {VISIBLE} AND receives > 0),
                    COUNT(*) FILTER (WHERE is_dead = 0 AND NOT {VISIBLE} AND receives = 0),
                    COUNT(*) FILTER (WHERE is_dead = 1)
                    FROM messages WHERE queue = ?1"
            );
            let counts: [i64; 4] = transaction
                .prepare_cached(&sql)?
                .query_row(params![queue, now], |row| {
                    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
                })?;
            let [ready, in_flight, delayed, dead] =
                counts.map(|count| u64::try_from(count).unwrap_or_default());
            Ok(Depth {
                ready,
                in_flight,
                delayed,
                dead,
            })
        })
        .await
    }
}
