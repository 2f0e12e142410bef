//! Finding out what a store can do.

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::future::join_all;

use crate::Clock;
use crate::store::{
    Condition, ETag, GetOptions, Key, LockMode, PutOptions, Retention, Store, StoreCapabilities,
    StoreError, StoreErrorKind,
};

const RACERS: u8 = 8;
/// Names of the scratch objects, and how often one that is locked is tried again to delete.
const SCRATCH: [&str; 5] = ["create", "race", "replace", "checksum", "lock"];
const DELETIONS: u32 = 20;

/// Tries what a store can do, with small objects named `<scratch>/...`, and deletes them again.
/// `scratch` must be a valid name that nothing else uses, for example with a random part. A store
/// may claim what it does not do, or do it only when nobody races, so nothing is believed.
///
/// # Errors
/// Those of the store, when plain writing, reading and deleting do not work or the outcome is not
/// certain. Objects may then be left behind.
pub async fn probe(
    store: &dyn Store,
    clock: &dyn Clock,
    scratch: &str,
) -> Result<StoreCapabilities, StoreError> {
    let names = SCRATCH.map(|name| Key::new(format!("{scratch}/{name}")));
    let [create, race, replace, checksum, lock] = names;
    let keys = [create?, race?, replace?, checksum?, lock?];
    let found = try_all(store, &keys).await;
    let cleaned = clean_up(store, clock, &keys).await;
    let found = found?;
    cleaned?;
    Ok(found)
}

async fn try_all(store: &dyn Store, keys: &[Key; 5]) -> Result<StoreCapabilities, StoreError> {
    let [create, race, replace, checksum, lock] = keys;
    Ok(StoreCapabilities {
        conditional_create: creates_once(store, create).await?
            && creates_once_in_a_race(store, race).await?,
        conditional_replace: replaces_only_the_same(store, replace).await?,
        checksums: refuses_a_wrong_checksum(store, checksum).await?,
        object_lock: locks(store, lock).await?,
    })
}

/// `None` when the store said that the condition does not hold, in a way that cannot be a fault.
fn refusal<T>(
    result: Result<T, StoreError>,
    expected: &[StoreErrorKind],
) -> Result<Refusal<T>, StoreError> {
    match result {
        Ok(value) => Ok(Refusal::Done(value)),
        Err(error) if expected.contains(&error.kind) => Ok(Refusal::AsExpected),
        // "Not implemented".
        Err(error) if error.kind == StoreErrorKind::Invalid => Ok(Refusal::Unsupported),
        Err(error) => Err(error),
    }
}

enum Refusal<T> {
    Done(T),
    AsExpected,
    Unsupported,
}

async fn creates_once(store: &dyn Store, key: &Key) -> Result<bool, StoreError> {
    let taken = [StoreErrorKind::AlreadyExists];
    let create = |body| store.put(key, Bytes::from_static(body), PutOptions::if_absent());
    let first = refusal(create(b"first").await, &taken)?;
    let second = refusal(create(b"second").await, &taken)?;
    let is_right = matches!((first, second), (Refusal::Done(_), Refusal::AsExpected));
    Ok(is_right && holds(store, key, b"first").await?)
}

async fn creates_once_in_a_race(store: &dyn Store, key: &Key) -> Result<bool, StoreError> {
    let lost = [StoreErrorKind::AlreadyExists, StoreErrorKind::Conflict];
    let racers = (0..RACERS)
        .map(|racer| store.put(key, Bytes::from(vec![racer; 64]), PutOptions::if_absent()));
    let mut winners = Vec::new();
    for (racer, result) in (0..RACERS).zip(join_all(racers).await) {
        match refusal(result, &lost)? {
            Refusal::Done(_) => winners.push(racer),
            Refusal::AsExpected => {}
            Refusal::Unsupported => return Ok(false),
        }
    }
    match winners.as_slice() {
        [winner] => holds(store, key, &[*winner; 64]).await,
        _ => Ok(false),
    }
}

async fn replaces_only_the_same(store: &dyn Store, key: &Key) -> Result<bool, StoreError> {
    let changed = [StoreErrorKind::Changed];
    let replace =
        |body, etag: ETag| store.put(key, Bytes::from_static(body), PutOptions::if_match(etag));
    let write = store.put(key, Bytes::from_static(b"first"), PutOptions::default());
    let first = write.await?;
    let fresh = refusal(replace(b"second", first.clone()).await, &changed)?;
    let stale = refusal(replace(b"third", first).await, &changed)?;
    let is_right = matches!((fresh, stale), (Refusal::Done(_), Refusal::AsExpected));
    Ok(is_right && holds(store, key, b"second").await?)
}

async fn refuses_a_wrong_checksum(store: &dyn Store, key: &Key) -> Result<bool, StoreError> {
    let options = PutOptions {
        sha256: Some([0; 32]),
        ..PutOptions::default()
    };
    let put = store.put(key, Bytes::from_static(b"body"), options).await;
    Ok(matches!(
        refusal(put, &[StoreErrorKind::Corrupt])?,
        Refusal::AsExpected
    ))
}

/// Locks a scratch object for a moment, by the store's own clock.
async fn locks(store: &dyn Store, key: &Key) -> Result<bool, StoreError> {
    let plain = store.put(key, Bytes::from_static(b"lock"), PutOptions::default());
    plain.await?;
    let now = store.head(key).await?.modified_at;
    let retention = Retention {
        mode: LockMode::Governance,
        until: now + TimeDelta::seconds(3),
    };
    let options = PutOptions {
        retention: Some(retention),
        ..PutOptions::default()
    };
    let put = store.put(key, Bytes::from_static(b"lock"), options).await;
    match refusal(put, &[StoreErrorKind::Denied])? {
        Refusal::Done(_) => Ok(store.head(key).await?.retention.is_some()),
        Refusal::AsExpected | Refusal::Unsupported => Ok(false),
    }
}

async fn holds(store: &dyn Store, key: &Key, expected: &[u8]) -> Result<bool, StoreError> {
    match store.get(key, GetOptions::default()).await {
        Ok(object) => Ok(object.body == expected),
        Err(error) if error.kind == StoreErrorKind::Missing => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes all scratch objects, also when one of them fails; the locked one when its time is over.
async fn clean_up(store: &dyn Store, clock: &dyn Clock, keys: &[Key]) -> Result<(), StoreError> {
    let mut first_error = None;
    for key in keys {
        let mut result = store.delete(key, Condition::None).await;
        for _ in 0..DELETIONS {
            if !matches!(&result, Err(error) if error.kind == StoreErrorKind::Locked) {
                break;
            }
            clock.sleep(Duration::from_millis(500)).await;
            result = store.delete(key, Condition::None).await;
        }
        if let Err(error) = result {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}
