//! The table in a SQLite file.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use mailkeep_ports::table::{MAX_PAGE_BYTES, check_transaction};
use mailkeep_ports::{
    Expect, Item, ItemKey, ItemPage, Query, Table, TableError, TableErrorKind, Write,
};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{Database, DatabaseError};

/// Days for which an item stays after its expiry: no clock is wrong by that much for long.
const EXPIRED_DAYS: i64 = 7;

/// Items in a SQLite file.
#[derive(Clone)]
pub struct SqliteTable {
    database: Database,
}

impl SqliteTable {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Removes up to 10,000 items that expired a week ago or earlier. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn remove_expired(&self) -> Result<usize, TableError> {
        let before = self.database.clock().now() - chrono::TimeDelta::days(EXPIRED_DAYS);
        let path = self.database.path().to_owned();
        let sql = "DELETE FROM items WHERE rowid IN
            (SELECT rowid FROM items WHERE expires IS NOT NULL AND expires < ?1 LIMIT 10000)";
        self.database
            .run(move |transaction| {
                transaction
                    .execute(sql, [before.timestamp()])
                    .map_err(|error| DatabaseError::from_sqlite(&path, error).into())
            })
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TableError> {
        let path = self.database.path().to_owned();
        self.database
            .run(move |transaction| {
                action(transaction).map_err(|failure| match failure {
                    Failure::Sqlite(error) => DatabaseError::from_sqlite(&path, error).into(),
                    Failure::Table(error) => *error,
                })
            })
            .await
    }
}

/// Why a transaction was not made.
enum Failure {
    Sqlite(rusqlite::Error),
    Table(Box<TableError>),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

struct StoredRow {
    sort: String,
    version: i64,
    body: Vec<u8>,
    expires: Option<i64>,
}

impl StoredRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sort: row.get(0)?,
            version: row.get(1)?,
            body: row.get(2)?,
            expires: row.get(3)?,
        })
    }

    fn into_item(self, partition: &str) -> Result<Item, Failure> {
        let key = ItemKey::new(partition, self.sort).map_err(|e| Failure::Table(Box::new(e)))?;
        let Ok(version) = u64::try_from(self.version) else {
            let cause = "its version is negative; the file was changed by something else";
            let error = TableError::new(TableErrorKind::Corrupt, &key.to_string(), cause);
            return Err(Failure::Table(Box::new(error)));
        };
        Ok(Item {
            key,
            version,
            body: Bytes::from(self.body),
            expires_at: self.expires.and_then(|at| DateTime::from_timestamp(at, 0)),
        })
    }
}

fn apply(transaction: &Transaction<'_>, write: &Write, place: usize) -> Result<(), Failure> {
    let (part, sort) = (write.key().partition(), write.key().sort());
    let there: Option<i64> = transaction
        .prepare_cached("SELECT version FROM items WHERE part = ?1 AND sort = ?2")?
        .query_row([part, sort], |row| row.get(0))
        .optional()?;
    let holds = match write.expect() {
        Expect::Absent => there.is_none(),
        Expect::Version(version) => there.is_some_and(|there| u64::try_from(there) == Ok(version)),
    };
    if !holds {
        return Err(Failure::Table(Box::new(TableError::conflict(write, place))));
    }
    match write {
        Write::Put {
            body, expires_at, ..
        } => {
            let version = i64::try_from(write.version_after()).unwrap_or(i64::MAX);
            let expires = expires_at.map(|at| at.timestamp());
            let sql = "INSERT INTO items (part, sort, version, body, expires)
                VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (part, sort) DO UPDATE SET version = ?3, body = ?4, expires = ?5";
            transaction.prepare_cached(sql)?.execute(params![
                part,
                sort,
                version,
                body.as_ref(),
                expires
            ])?;
        }
        Write::Delete { .. } => {
            transaction
                .prepare_cached("DELETE FROM items WHERE part = ?1 AND sort = ?2")?
                .execute([part, sort])?;
        }
        Write::Check { .. } => {}
    }
    Ok(())
}

/// The first text after all that begin with `prefix`; `None` when there is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn read_page(transaction: &Transaction<'_>, query: &Query) -> Result<ItemPage, Failure> {
    let limit = query.page_limit();
    let after = query.after.as_deref();
    let end = end_of(&query.prefix);
    let sql = if query.is_descending {
        "SELECT sort, version, body, expires FROM items
            WHERE part = ?1 AND sort >= ?2 AND (?3 IS NULL OR sort < ?3) AND (?4 IS NULL OR sort < ?4)
            ORDER BY sort DESC LIMIT ?5"
    } else {
        "SELECT sort, version, body, expires FROM items
            WHERE part = ?1 AND sort >= ?2 AND (?3 IS NULL OR sort < ?3) AND (?4 IS NULL OR sort > ?4)
            ORDER BY sort LIMIT ?5"
    };
    let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map(
        params![query.partition, query.prefix, end, after, most],
        StoredRow::read,
    )?;
    let (mut page, mut bytes) = (ItemPage::default(), 0);
    for row in rows {
        if page.items.len() >= limit || bytes >= MAX_PAGE_BYTES {
            page.next = page.items.last().map(|last| last.key.sort().to_owned());
            break;
        }
        let item = row?.into_item(&query.partition)?;
        bytes += item.body.len();
        page.items.push(item);
    }
    Ok(page)
}

#[async_trait]
impl Table for SqliteTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        let key = key.clone();
        self.run(move |transaction| {
            let sql =
                "SELECT sort, version, body, expires FROM items WHERE part = ?1 AND sort = ?2";
            let row = transaction
                .prepare_cached(sql)?
                .query_row([key.partition(), key.sort()], StoredRow::read)
                .optional()?;
            row.map(|row| row.into_item(key.partition())).transpose()
        })
        .await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        check_transaction(&writes)?;
        self.run(move |transaction| {
            for (place, write) in writes.iter().enumerate() {
                apply(transaction, write, place)?;
            }
            Ok(())
        })
        .await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        let query = query.clone();
        self.run(move |transaction| read_page(transaction, &query))
            .await
    }
}
