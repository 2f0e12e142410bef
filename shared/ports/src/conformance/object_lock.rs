//! Object Lock, or an honest refusal.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::objects::{put, read};
use super::store::StoreUnderTest;
use super::{Broken, done, equal, key, refused};
use crate::store::{Condition, LockMode, PutOptions, Retention, Store, StoreErrorKind};

pub(super) async fn all(test: &StoreUnderTest) -> Result<(), Broken> {
    let store = (test.fresh)();
    // Time by the store's own clock.
    let name = key("clock")?;
    done(put(store.as_ref(), &name, b"x").await, "write")?;
    let now = done(store.head(&name).await, "head")?.modified_at;
    if !test.capabilities.object_lock {
        return is_refused(store.as_ref(), now).await;
    }
    holds(store.as_ref(), now).await?;
    if let Some(clock) = &test.clock {
        clock.advance(Duration::from_secs(3 * 3_600));
        let clause = "an object whose lock has ended can be deleted";
        done(store.delete(&key("kept")?, Condition::None).await, clause)?;
    }
    Ok(())
}

fn until(now: DateTime<Utc>, hours: i64) -> Retention {
    Retention {
        mode: LockMode::Governance,
        until: now + TimeDelta::hours(hours),
    }
}

async fn is_refused(store: &dyn Store, now: DateTime<Utc>) -> Result<(), Broken> {
    let clause = "a store without Object Lock refuses it";
    let name = key("kept")?;
    let options = PutOptions {
        retention: Some(until(now, 1)),
        ..PutOptions::default()
    };
    let put = store.put(&name, Bytes::new(), options).await;
    refused(put, &[StoreErrorKind::Invalid], clause)?;
    refused(store.head(&name).await, &[StoreErrorKind::Missing], clause)?;
    let extend = store.extend_retention(&key("clock")?, until(now, 1)).await;
    refused(extend, &[StoreErrorKind::Invalid], clause)
}

async fn holds(store: &dyn Store, now: DateTime<Utc>) -> Result<(), Broken> {
    let name = key("kept")?;
    let options = PutOptions {
        retention: Some(until(now, 1)),
        condition: Condition::IfAbsent,
        ..PutOptions::default()
    };
    let clause = "an object is written with its lock";
    done(
        store.put(&name, Bytes::from_static(b"kept"), options).await,
        clause,
    )?;
    let head = done(store.head(&name).await, clause)?;
    equal(&head.retention, &Some(until(now, 1)), clause)?;

    let clause = "a locked object cannot be deleted";
    let delete = store.delete(&name, Condition::None).await;
    refused(delete, &[StoreErrorKind::Locked], clause)?;
    equal(
        &read(store, &name, clause).await?.as_ref(),
        &b"kept".as_ref(),
        clause,
    )?;

    let clause = "a lock can be prolonged";
    done(store.extend_retention(&name, until(now, 2)).await, clause)?;
    let head = done(store.head(&name).await, clause)?;
    equal(&head.retention, &Some(until(now, 2)), clause)?;
    let clause = "a lock cannot be shortened";
    let extend = store.extend_retention(&name, until(now, 1)).await;
    refused(
        extend,
        &[StoreErrorKind::Locked, StoreErrorKind::Denied],
        clause,
    )?;
    let head = done(store.head(&name).await, clause)?;
    equal(&head.retention, &Some(until(now, 2)), clause)?;

    let clause = "a lock needs an object";
    let extend = store
        .extend_retention(&key("no/such")?, until(now, 1))
        .await;
    refused(extend, &[StoreErrorKind::Missing], clause)?;
    let clause = "an object without a lock has none";
    let head = done(store.head(&key("clock")?).await, clause)?;
    equal(&head.retention, &None, clause)
}
