//! API keys: long random secrets, of which only a hash is kept.
//!
//! A key is `mk_<id>_<secret>`. The id finds the record, the secret has 256 random bits: no dictionary
//! finds it, so that one round of SHA-256 is enough.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use http::header::AUTHORIZATION;
use http::request::Parts;
use mailkeep_ports::{
    Clock, Expect, ItemKey, Query, Rng, Table, TableError, TableErrorKind, Write,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{AuthError, Authenticate, Principal, Role};

const PARTITION: &str = "api-keys";
const SCHEME: &str = "mk_";
/// Longest name of a key.
const MAX_NAME: usize = 100;

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Its id, which is a part of the key.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What its holder may do.
    pub roles: BTreeSet<Role>,
    /// SHA-256 of the secret, in hexadecimal digits.
    hash: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From then on it is not valid any more.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key that was just made. The key itself is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key.
    pub key: SecretString,
    /// What is kept of it.
    pub record: ApiKeyRecord,
}

/// Why keys could not be made, listed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The name is empty or too long, or no role is given.
    #[error("{0}")]
    Invalid(&'static str),
    /// There is no key of this id.
    #[error("there is no API key of this id; `mailkeep api-key ls` lists those there are")]
    NotFound,
    /// A record cannot be read.
    #[error("the record of an API key cannot be read; it may be from a newer mailkeep")]
    Corrupt,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The API keys of one job database. Cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    table: Arc<dyn Table>,
    clock: Arc<dyn Clock>,
}

impl ApiKeys {
    /// The keys in this table.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// `Invalid`, or when the table cannot be written.
    pub async fn add(
        &self,
        name: &str,
        roles: BTreeSet<Role>,
        expires_at: Option<DateTime<Utc>>,
        rng: &dyn Rng,
    ) -> Result<NewApiKey, ApiKeyError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control)
        {
            return Err(ApiKeyError::Invalid(
                "the name of an API key has 1 to 100 characters",
            ));
        }
        if roles.is_empty() {
            return Err(ApiKeyError::Invalid("an API key needs at least one role"));
        }
        let mut id = [0; 10];
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill(&mut id);
        rng.fill(secret.as_mut_slice());
        let id = BASE32_NOPAD.encode(&id).to_ascii_lowercase();
        let secret = Zeroizing::new(BASE64URL_NOPAD.encode(secret.as_slice()));
        let record = ApiKeyRecord {
            id: id.clone(),
            name: name.to_owned(),
            roles,
            hash: hash(&secret),
            created_at: self.clock.now(),
            expires_at,
        };
        let body = serde_json::to_vec(&record).map_err(|_| ApiKeyError::Corrupt)?;
        self.table
            .write(Write::Put {
                key: ItemKey::new(PARTITION, &*id)?,
                expect: Expect::Absent,
                body: body.into(),
                expires_at: None,
            })
            .await?;
        Ok(NewApiKey {
            key: SecretString::from(format!("{SCHEME}{id}_{}", *secret)),
            record,
        })
    }

    /// All keys, expired ones included.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn all(&self) -> Result<Vec<ApiKeyRecord>, ApiKeyError> {
        let mut keys = vec![];
        let mut query = Query::prefix(PARTITION, "");
        loop {
            let page = self.table.query(&query).await?;
            for item in &page.items {
                keys.push(decode(&item.body).ok_or(ApiKeyError::Corrupt)?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// Removes a key: it is not valid from now on.
    ///
    /// # Errors
    /// `NotFound`, or when the table cannot be written.
    pub async fn remove(&self, id: &str) -> Result<(), ApiKeyError> {
        let key = ItemKey::new(PARTITION, id).map_err(|_| ApiKeyError::NotFound)?;
        let item = self.table.get(&key).await?.ok_or(ApiKeyError::NotFound)?;
        let version = item.version;
        match self.table.write(Write::Delete { key, version }).await {
            Err(error) if error.kind == TableErrorKind::Conflict => Err(ApiKeyError::NotFound),
            other => Ok(other.map(|_| ())?),
        }
    }

    async fn check(&self, key: &str) -> Result<Principal, AuthError> {
        let (id, secret) = key
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(AuthError::Invalid)?;
        let at = ItemKey::new(PARTITION, id).map_err(|_| AuthError::Invalid)?;
        let item = self.table.get(&at).await;
        let item = item.map_err(|error| AuthError::Unavailable(error.to_string()))?;
        let record = item.and_then(|item| decode(&item.body));
        let record = record.ok_or(AuthError::Invalid)?;
        let is_right =
            verify_slices_are_equal(record.hash.as_bytes(), hash(secret).as_bytes()).is_ok();
        let is_over = record.expires_at.is_some_and(|at| at <= self.clock.now());
        if !is_right || is_over {
            return Err(AuthError::Invalid);
        }
        Ok(Principal {
            id: format!("key:{}", record.id),
            name: record.name,
            roles: record.roles,
        })
    }
}

#[async_trait]
impl Authenticate for ApiKeys {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let value = request.headers.get(AUTHORIZATION);
        let value = value.ok_or(AuthError::Missing)?;
        let text = value.to_str().map_err(|_| AuthError::Invalid)?;
        let (scheme, key) = text.split_once(' ').ok_or(AuthError::Invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Invalid);
        }
        self.check(key.trim()).await
    }
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref())
}

fn decode(body: &[u8]) -> Option<ApiKeyRecord> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use mailkeep_ports::{MemoryTable, SeededRng, TestClock};
    use secrecy::ExposeSecret as _;

    use super::*;

    #[tokio::test]
    async fn a_key_is_valid_until_it_expires_or_is_removed_and_only_its_hash_is_kept() {
        let (table, clock) = (
            Arc::new(MemoryTable::new()),
            Arc::new(TestClock::manual(DateTime::UNIX_EPOCH)),
        );
        let keys = ApiKeys::new(table.clone(), clock.clone());
        let rng = SeededRng::new(1);
        let until = clock.now() + TimeDelta::hours(1);
        let roles = BTreeSet::from([Role::Operator]);
        let made = keys.add(" ci ", roles, Some(until), &rng).await.unwrap();
        let key = made.key.expose_secret();
        let who = keys.check(key).await.unwrap();
        assert_eq!((&*who.name, who.may(Role::Viewer)), ("ci", true));
        assert!(!who.may(Role::RestoreOperator));
        let secret = key.rsplit('_').next().unwrap();
        let stored = String::from_utf8(table.items()[0].body.to_vec()).unwrap();
        assert!(!stored.contains(secret) && secret.len() >= 42, "{stored}");
        for wrong in [
            "",
            "mk_",
            "mk_a_b",
            &key[..key.len() - 1],
            &format!("{key}A"),
            &key.replace("mk_", "xx_"),
        ] {
            let refused = keys.check(wrong).await;
            assert!(matches!(refused, Err(AuthError::Invalid)), "{wrong}");
        }
        clock.advance(std::time::Duration::from_secs(3_600));
        assert!(keys.check(key).await.is_err());

        let made = keys
            .add("b", BTreeSet::from([Role::Viewer]), None, &rng)
            .await
            .unwrap();
        assert_eq!(keys.all().await.unwrap().len(), 2);
        keys.remove(&made.record.id).await.unwrap();
        assert!(keys.check(made.key.expose_secret()).await.is_err());
        let again = keys.remove(&made.record.id).await;
        assert!(matches!(again, Err(ApiKeyError::NotFound)));
        let nothing = keys.add("c", BTreeSet::new(), None, &rng).await;
        assert!(matches!(nothing, Err(ApiKeyError::Invalid(_))));
    }
}
