//! Conditional writes, alone and racing.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::objects::{put, read};
use super::store::StoreUnderTest;
use super::{Broken, broken, check, done, equal, key, refused};
use crate::store::{Condition, ETag, GetOptions, PutOptions, Store, StoreError, StoreErrorKind};

const RACERS: u8 = 16;

pub(super) async fn all(test: &StoreUnderTest) -> Result<(), Broken> {
    if test.capabilities.conditional_create {
        create((test.fresh)().as_ref()).await?;
        if test.ways.refuses_nesting {
            nested_create((test.fresh)().as_ref()).await?;
        }
        racing_creates((test.fresh)()).await?;
    }
    if test.capabilities.conditional_replace {
        replace((test.fresh)().as_ref()).await?;
        delete((test.fresh)().as_ref()).await?;
        racing_replaces((test.fresh)()).await?;
    }
    Ok(())
}

async fn create(store: &dyn Store) -> Result<(), Broken> {
    let name = key("m/x/log/01")?;
    let create =
        |body: &'static [u8]| store.put(&name, Bytes::from_static(body), PutOptions::if_absent());
    let clause = "IfAbsent writes when the name is free";
    done(create(b"one").await, clause)?;
    let clause = "IfAbsent is AlreadyExists when the name is taken, and changes nothing";
    refused(
        create(b"two").await,
        &[StoreErrorKind::AlreadyExists],
        clause,
    )?;
    refused(
        create(b"one").await,
        &[StoreErrorKind::AlreadyExists],
        clause,
    )?;
    equal(
        &read(store, &name, clause).await?.as_ref(),
        &b"one".as_ref(),
        clause,
    )?;
    let clause = "IfAbsent writes again after a deletion";
    done(store.delete(&name, Condition::None).await, clause)?;
    done(create(b"two").await, clause)?;
    equal(
        &read(store, &name, clause).await?.as_ref(),
        &b"two".as_ref(),
        clause,
    )
}

async fn nested_create(store: &dyn Store) -> Result<(), Broken> {
    let clause = "IfAbsent, too, refuses a name that cannot be both object and folder";
    done(put(store, &key("m/x/log/01")?, b"one").await, clause)?;
    for nested in ["m/x/log", "m/x/log/01/x"] {
        let put = store
            .put(&key(nested)?, Bytes::new(), PutOptions::if_absent())
            .await;
        refused(put, &[StoreErrorKind::Invalid], clause)?;
    }
    Ok(())
}

async fn replace(store: &dyn Store) -> Result<(), Broken> {
    let name = key("state")?;
    let stale = [StoreErrorKind::Changed];
    let absent = [StoreErrorKind::Missing, StoreErrorKind::Changed];
    let replace = |body: &'static [u8], etag: &ETag| {
        let options = PutOptions::if_match(etag.clone());
        store.put(&name, Bytes::from_static(body), options)
    };
    let clause = "IfMatch writes when the version is the same";
    let first = done(put(store, &name, b"1").await, clause)?;
    let second = done(replace(b"2", &first).await, clause)?;
    let clause = "IfMatch is Changed when the version is another, and changes nothing";
    refused(replace(b"3", &first).await, &stale, clause)?;
    equal(
        &read(store, &name, clause).await?.as_ref(),
        &b"2".as_ref(),
        clause,
    )?;
    let clause = "the mark that IfMatch returned is the version";
    done(replace(b"4", &second).await, clause)?;
    let clause = "IfMatch never creates";
    done(store.delete(&name, Condition::None).await, clause)?;
    refused(replace(b"5", &second).await, &absent, clause)?;
    refused(store.head(&name).await, &[StoreErrorKind::Missing], clause)?;
    let clause = "a mark from before a deletion does not match the object created after it";
    done(put(store, &name, b"4").await, clause)?;
    refused(replace(b"6", &second).await, &stale, clause)
}

async fn delete(store: &dyn Store) -> Result<(), Broken> {
    let name = key("state")?;
    let delete = |etag: &ETag| store.delete(&name, Condition::IfMatch(etag.clone()));
    let first = done(put(store, &name, b"1").await, "write")?;
    let second = done(put(store, &name, b"2").await, "write")?;
    let clause = "a deletion with IfMatch is Changed when the version is another";
    refused(delete(&first).await, &[StoreErrorKind::Changed], clause)?;
    done(store.head(&name).await, clause)?;
    let clause = "a deletion with IfMatch works when the version is the same";
    done(delete(&second).await, clause)?;
    refused(store.head(&name).await, &[StoreErrorKind::Missing], clause)?;
    let clause = "a deletion with IfMatch is Missing when nothing is there";
    refused(delete(&second).await, &[StoreErrorKind::Missing], clause)
}

/// Runs one write per racer at once; each has a body of its own.
async fn race(
    store: &Arc<dyn Store>,
    name: &str,
    condition: Condition,
) -> Result<Vec<Result<ETag, StoreError>>, Broken> {
    let name = key(name)?;
    let racers = (0..RACERS).map(|racer| {
        let (store, name) = (Arc::clone(store), name.clone());
        let options = PutOptions {
            condition: condition.clone(),
            ..PutOptions::default()
        };
        tokio::spawn(async move {
            store
                .put(&name, Bytes::from(vec![racer; 9_999]), options)
                .await
        })
    });
    let ended = join_all(racers).await;
    let results: Result<Vec<_>, _> = ended.into_iter().collect();
    results.map_err(|error| broken("racing writers end", error.to_string()))
}

/// Exactly one racer won and its body is there.
async fn one_winner(
    store: &dyn Store,
    name: &str,
    results: Vec<Result<ETag, StoreError>>,
    losing: &[StoreErrorKind],
    clause: &str,
) -> Result<(), Broken> {
    let object = store.get(&key(name)?, GetOptions::default()).await;
    let object = done(object, clause)?;
    let mut winners = Vec::new();
    for (racer, result) in (0..RACERS).zip(results) {
        match result {
            Ok(etag) => winners.push((racer, etag)),
            Err(error) => refused(Err::<(), _>(error), losing, clause)?,
        }
    }
    let is_one = matches!(winners.as_slice(), [(racer, etag)]
        if object.body == vec![*racer; 9_999] && object.info.etag == *etag);
    check(is_one, clause, || {
        format!("{winners:?} won and {:?} is there", object.body.first())
    })
}

async fn racing_creates(store: Arc<dyn Store>) -> Result<(), Broken> {
    let clause = "of racing creates exactly one succeeds";
    let losing = [StoreErrorKind::AlreadyExists, StoreErrorKind::Conflict];
    for round in 0..8 {
        let name = format!("race/{round}");
        let results = race(&store, &name, Condition::IfAbsent).await?;
        one_winner(store.as_ref(), &name, results, &losing, clause).await?;
    }
    Ok(())
}

async fn racing_replaces(store: Arc<dyn Store>) -> Result<(), Broken> {
    let clause = "of racing replacements of one version exactly one succeeds";
    let losing = [StoreErrorKind::Changed, StoreErrorKind::Conflict];
    let name = "race/state";
    for _ in 0..8 {
        let etag = done(put(store.as_ref(), &key(name)?, b"start").await, clause)?;
        let results = race(&store, name, Condition::IfMatch(etag)).await?;
        one_winner(store.as_ref(), name, results, &losing, clause).await?;
    }
    Ok(())
}
