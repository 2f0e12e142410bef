//! A table in DynamoDB.
//!
//! One table holds everything. Its partition key `pk` and sort key `sk` are strings; an item also has
//! `ver` (number), `body` (binary) and perhaps `ttl` (seconds since 1970, to be named as the table's
//! time to live).
//!
//! * A single write is one `PutItem` or `DeleteItem` with a condition; only a transaction of several
//!   costs twice as much.
//! * Reads are strongly consistent.
//! * The SDK tries again what failed for a moment. A transaction has a token by which DynamoDB knows
//!   it again; a single write whose answer was lost may come back as a conflict with itself.
//! * DynamoDB spreads partitions by their load; what must not become one hot partition must not have
//!   one partition key.

mod error;
mod query;
mod write;

use std::collections::HashMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use chrono::DateTime;
use mailkeep_ports::{Item, ItemKey, ItemPage, Query, Table, TableError, TableErrorKind, Write};

const PARTITION: &str = "pk";
const SORT: &str = "sk";
const VERSION: &str = "ver";
const BODY: &str = "body";
const EXPIRY: &str = "ttl";

/// The attributes of an item.
type Attributes = HashMap<String, AttributeValue>;

/// A table of DynamoDB. See the module for what it must look like.
#[derive(Clone, Debug)]
pub struct DynamoTable {
    client: Client,
    name: String,
}

impl DynamoTable {
    /// The table of this name. Sends nothing yet.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(crate::client::few_retries())
            .build();
        Self {
            client: Client::from_conf(config),
            name: name.into(),
        }
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key_attributes(key: &ItemKey) -> Attributes {
    HashMap::from([
        (PARTITION.to_owned(), text(key.partition())),
        (SORT.to_owned(), text(key.sort())),
    ])
}

fn item_attributes(
    key: &ItemKey,
    version: u64,
    body: &Bytes,
    expires_at: Option<DateTime<chrono::Utc>>,
) -> Attributes {
    let mut attributes = key_attributes(key);
    attributes.insert(VERSION.to_owned(), number(version));
    let body = AttributeValue::B(Blob::new(body.to_vec()));
    attributes.insert(BODY.to_owned(), body);
    if let Some(at) = expires_at {
        attributes.insert(EXPIRY.to_owned(), number(at.timestamp()));
    }
    attributes
}

/// Reads an item; `None` when it is not one of ours.
fn item(mut attributes: Attributes) -> Option<Item> {
    let mut take = |name: &str| attributes.remove(name);
    let mut string = |name: &str| match take(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    };
    let (partition, sort) = (string(PARTITION)?, string(SORT)?);
    let key = ItemKey::new(partition, sort).ok()?;
    let version = match take(VERSION) {
        Some(AttributeValue::N(version)) => version.parse().ok()?,
        _ => return None,
    };
    let body = match take(BODY) {
        Some(AttributeValue::B(body)) => Bytes::from(body.into_inner()),
        _ => return None,
    };
    let expires_at = match take(EXPIRY) {
        Some(AttributeValue::N(at)) => Some(DateTime::from_timestamp(at.parse().ok()?, 0)?),
        None => None,
        Some(_) => return None,
    };
    Some(Item {
        key,
        version,
        body,
        expires_at,
    })
}

/// What lies there was written by somebody else.
fn not_ours(key: &str) -> TableError {
    let cause = "it is not an item of mailkeep; something else writes into this table";
    TableError::new(TableErrorKind::Corrupt, key, cause)
}

#[async_trait]
impl Table for DynamoTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .consistent_read(true)
            .set_key(Some(key_attributes(key)));
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.failed(&key.to_string(), error))?;
        let Some(attributes) = answer.item else {
            return Ok(None);
        };
        item(attributes)
            .map(Some)
            .ok_or_else(|| not_ours(&key.to_string()))
    }

    async fn write(&self, write: Write) -> Result<u64, TableError> {
        self.write_one(write).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.write_all(writes).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        self.query_page(query).await
    }
}
