//! The suite of [`Table`].

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use futures::future::join_all;

use super::{Broken, broken, check, equal};
use crate::table::{
    Expect, ItemKey, MAX_ITEM_BYTES, MAX_KEY_BYTES, MAX_TRANSACTION_WRITES, Query, Table,
    TableError, TableErrorKind as Kind, Write,
};

/// Makes an empty table, one that shares nothing with those made before.
pub type FreshTable<'a> = &'a (dyn Fn() -> Arc<dyn Table> + Send + Sync);

/// Every clause of the contract of [`Table`]. Needs a Tokio runtime, best one with several threads.
///
/// # Errors
/// The first clause that does not hold.
pub async fn table(fresh: FreshTable<'_>) -> Result<(), Broken> {
    single(fresh().as_ref()).await?;
    bounds(fresh().as_ref()).await?;
    transactions(fresh().as_ref()).await?;
    queries(fresh().as_ref()).await?;
    pages_by_size(fresh().as_ref()).await?;
    racing_creates(fresh()).await?;
    racing_sums(fresh()).await
}

fn done<T>(result: Result<T, TableError>, clause: &str) -> Result<T, Broken> {
    result.map_err(|error| broken(clause, format!("{:?}: {error}", error.kind)))
}

fn refused<T>(result: Result<T, TableError>, kinds: &[Kind], clause: &str) -> Result<(), Broken> {
    match result {
        Ok(_) => Err(broken(clause, format!("expected {kinds:?}, it succeeded"))),
        Err(error) => check(kinds.contains(&error.kind), clause, || {
            format!("expected {kinds:?}, got {:?}: {error}", error.kind)
        }),
    }
}

fn key(sort: &str) -> Result<ItemKey, Broken> {
    done(ItemKey::new("p", sort), "valid keys are accepted")
}

fn put(key: &ItemKey, expect: Expect, body: &[u8]) -> Write {
    Write::Put {
        key: key.clone(),
        expect,
        body: Bytes::copy_from_slice(body),
        expires_at: None,
    }
}

async fn holds(
    table: &dyn Table,
    key: &ItemKey,
    expected: Option<(u64, &[u8])>,
    clause: &str,
) -> Result<(), Broken> {
    let item = done(table.get(key).await, clause)?;
    let there = item.as_ref().map(|item| (item.version, item.body.as_ref()));
    equal(&there, &expected, clause)
}

async fn single(table: &dyn Table) -> Result<(), Broken> {
    let name = key("job/\u{1f600} a")?;
    let clause = "what was never written is not there";
    holds(table, &name, None, clause).await?;
    let clause = "an item that must have a version is not created";
    let write = put(&name, Expect::Version(1), b"x");
    refused(table.write(write).await, &[Kind::Conflict], clause)?;
    holds(table, &name, None, clause).await?;

    let clause = "a new item has version 1";
    let create = put(&name, Expect::Absent, b"\x00one\xff");
    equal(
        &done(table.write(create.clone()).await, clause)?,
        &1,
        clause,
    )?;
    holds(table, &name, Some((1, b"\x00one\xff")), clause).await?;
    let clause = "an item that must be absent is not overwritten";
    refused(table.write(create.clone()).await, &[Kind::Conflict], clause)?;
    let clause = "each write raises the version by one";
    let replace = put(&name, Expect::Version(1), b"");
    equal(
        &done(table.write(replace.clone()).await, clause)?,
        &2,
        clause,
    )?;
    holds(table, &name, Some((2, b"")), clause).await?;
    let clause = "a write with an old version changes nothing";
    refused(table.write(replace).await, &[Kind::Conflict], clause)?;
    let old = Write::Delete {
        key: name.clone(),
        version: 1,
    };
    refused(table.write(old).await, &[Kind::Conflict], clause)?;
    holds(table, &name, Some((2, b"")), clause).await?;

    let clause = "expiry is kept to the second, and what has expired is there until it is removed";
    let at = DateTime::from_timestamp(4_000_000_000, 900_000_000).unwrap_or_default();
    let expiring = Write::Put {
        key: name.clone(),
        expect: Expect::Version(2),
        body: Bytes::from_static(b"z"),
        expires_at: Some(at),
    };
    done(table.write(expiring).await, clause)?;
    let item = done(table.get(&name).await, clause)?;
    let expires = item.and_then(|item| item.expires_at);
    equal(
        &expires,
        &DateTime::from_timestamp(4_000_000_000, 0),
        clause,
    )?;
    let clause = "a write without expiry takes it away";
    done(
        table.write(put(&name, Expect::Version(3), b"y")).await,
        clause,
    )?;
    let item = done(table.get(&name).await, clause)?;
    equal(&item.and_then(|item| item.expires_at), &None, clause)?;

    let clause = "a deletion with the right version removes the item";
    let delete = Write::Delete {
        key: name.clone(),
        version: 4,
    };
    done(table.write(delete.clone()).await, clause)?;
    holds(table, &name, None, clause).await?;
    let clause = "what is not there cannot be deleted";
    refused(table.write(delete).await, &[Kind::Conflict], clause)?;
    let clause = "after a deletion an item is created anew, from version 1";
    equal(&done(table.write(create).await, clause)?, &1, clause)
}

async fn bounds(table: &dyn Table) -> Result<(), Broken> {
    let clause = "keys are 1 to 1,000 bytes of text without control characters";
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    for wrong in ["", "a\nb", "a\0", &long] {
        refused(ItemKey::new(wrong, "s"), &[Kind::Invalid], clause)?;
        refused(ItemKey::new("p", wrong), &[Kind::Invalid], clause)?;
    }
    let longest = "k".repeat(MAX_KEY_BYTES);
    let longest = done(ItemKey::new(&*longest, &*longest), clause)?;
    done(
        table.write(put(&longest, Expect::Absent, b"1")).await,
        clause,
    )?;
    holds(table, &longest, Some((1, b"1")), clause).await?;

    let clause = "an item may have 400,000 bytes with its key, and no more";
    let name = key("x")?;
    let largest = vec![7; MAX_ITEM_BYTES - 2];
    done(
        table.write(put(&name, Expect::Absent, &largest)).await,
        clause,
    )?;
    holds(table, &name, Some((1, &largest)), clause).await?;
    let too_large = put(&name, Expect::Version(1), &vec![7; MAX_ITEM_BYTES - 1]);
    refused(table.write(too_large).await, &[Kind::TooLarge], clause)?;

    let clause = "a transaction may have 25 writes of 4,000,000 bytes, and no more";
    let many = |count: usize, bytes: usize| -> Result<Vec<Write>, Broken> {
        (0..count)
            .map(|n| {
                Ok(put(
                    &key(&format!("{bytes}/{n:02}"))?,
                    Expect::Absent,
                    &vec![1; bytes],
                ))
            })
            .collect()
    };
    done(
        table.transact(many(MAX_TRANSACTION_WRITES, 10)?).await,
        clause,
    )?;
    let one_more = many(MAX_TRANSACTION_WRITES + 1, 20)?;
    refused(table.transact(one_more).await, &[Kind::TooLarge], clause)?;
    refused(
        table.transact(many(11, 370_000)?).await,
        &[Kind::TooLarge],
        clause,
    )?;
    let clause = "a transaction names each item once, and at least one";
    refused(table.transact(vec![]).await, &[Kind::Invalid], clause)?;
    let twice = vec![
        put(&key("twice")?, Expect::Absent, b"1"),
        put(&key("twice")?, Expect::Version(1), b"2"),
    ];
    refused(table.transact(twice).await, &[Kind::Invalid], clause)
}

async fn transactions(table: &dyn Table) -> Result<(), Broken> {
    let (a, b, c) = (key("a")?, key("b")?, key("c")?);
    let other = done(
        ItemKey::new("another partition", "a"),
        "valid keys are accepted",
    )?;
    let clause = "a transaction makes all its writes, in several partitions too";
    let writes = vec![
        put(&a, Expect::Absent, b"a1"),
        put(&b, Expect::Absent, b"b1"),
        put(&other, Expect::Absent, b"o1"),
    ];
    done(table.transact(writes).await, clause)?;
    for (name, body) in [(&a, b"a1"), (&b, b"b1"), (&other, b"o1")] {
        holds(table, name, Some((1, body)), clause).await?;
    }
    let clause = "a transaction with one wrong expectation makes none of its writes";
    let good = || put(&a, Expect::Version(1), b"a2");
    let delete = |version| Write::Delete {
        key: b.clone(),
        version,
    };
    let checked = |key: &ItemKey, expect| Write::Check {
        key: key.clone(),
        expect,
    };
    for wrong in [
        put(&b, Expect::Absent, b"b2"),
        put(&b, Expect::Version(2), b"b2"),
        delete(7),
        checked(&b, Expect::Absent),
        checked(&b, Expect::Version(2)),
        checked(&c, Expect::Version(1)),
    ] {
        let writes = vec![good(), put(&c, Expect::Absent, b"c1"), wrong.clone()];
        if wrong.key() == &c {
            let writes = vec![good(), wrong];
            let result = table.transact(writes).await;
            refused(result, &[Kind::Conflict], clause)?;
        } else {
            let result = table.transact(writes).await;
            let place = result.as_ref().err().and_then(|error| error.conflict_at);
            check(place.is_none_or(|place| place == 2), clause, || {
                format!("write 2 is wrong, the error says {place:?}")
            })?;
            refused(result, &[Kind::Conflict], clause)?;
        }
        holds(table, &a, Some((1, b"a1")), clause).await?;
        holds(table, &b, Some((1, b"b1")), clause).await?;
        holds(table, &c, None, clause).await?;
    }
    let clause = "checks that hold write nothing";
    let writes = vec![
        good(),
        delete(1),
        checked(&c, Expect::Absent),
        checked(&other, Expect::Version(1)),
    ];
    done(table.transact(writes).await, clause)?;
    holds(table, &a, Some((2, b"a2")), clause).await?;
    holds(table, &b, None, clause).await?;
    holds(table, &c, None, clause).await?;
    holds(table, &other, Some((1, b"o1")), clause).await
}

async fn all(table: &dyn Table, mut query: Query, clause: &str) -> Result<Vec<String>, Broken> {
    let mut sorts = vec![];
    for _ in 0..100 {
        let page = done(table.query(&query).await, clause)?;
        check(page.items.len() <= query.page_limit(), clause, || {
            format!("{} items on a page", page.items.len())
        })?;
        sorts.extend(page.items.iter().map(|item| item.key.sort().to_owned()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(sorts),
        }
    }
    Err(broken(clause, "it does not end"))
}

async fn queries(table: &dyn Table) -> Result<(), Broken> {
    // In the order of their bytes.
    let sorts = [
        "A",
        "a",
        "run",
        "run%",
        "run/",
        "run/01",
        "run/02",
        "run/\u{e4}",
        "run/\u{10000}",
        "run0",
        "s",
        "\u{e4}",
    ];
    for sort in sorts.iter().rev() {
        let write = put(&key(sort)?, Expect::Absent, sort.as_bytes());
        done(table.write(write).await, "write")?;
    }
    let elsewhere = done(ItemKey::new("p2", "run/03"), "valid keys are accepted")?;
    done(
        table.write(put(&elsewhere, Expect::Absent, b"")).await,
        "write",
    )?;
    let clause = "a query gives the items of its partition and prefix in the order of their bytes";
    for (prefix, expected) in [
        ("", &sorts[..]),
        ("run", sorts.get(2..10).unwrap_or_default()),
        ("run/", sorts.get(4..9).unwrap_or_default()),
        ("run%", sorts.get(3..4).unwrap_or_default()),
        ("x", &[]),
    ] {
        for limit in [0, 1, 2, 3, 100] {
            let query = Query::prefix("p", prefix).limited(limit);
            let found = all(table, query.clone(), clause).await?;
            equal(
                &found,
                &expected.iter().map(|s| (*s).to_owned()).collect(),
                clause,
            )?;
            let found = all(table, query.descending(), clause).await?;
            equal(
                &found,
                &expected.iter().rev().map(|s| (*s).to_owned()).collect(),
                clause,
            )?;
        }
    }
    let clause = "a query goes on after a sort key that is not there, in both directions";
    let mut query = Query::prefix("p", "run/");
    query.after = Some("run/015".to_owned());
    equal(&all(table, query.clone(), clause).await?.len(), &3, clause)?;
    equal(
        &all(table, query.clone().descending(), clause).await?.len(),
        &2,
        clause,
    )?;
    for (after, up, down) in [("a", 5, 0), ("z", 0, 5)] {
        query.after = Some(after.to_owned());
        equal(&all(table, query.clone(), clause).await?.len(), &up, clause)?;
        let descending = query.clone().descending();
        equal(&all(table, descending, clause).await?.len(), &down, clause)?;
    }
    let clause = "a query of a partition that is not there is empty";
    equal(
        &all(table, Query::prefix("p3", ""), clause).await?.len(),
        &0,
        clause,
    )?;
    let clause = "a query gives versions and bodies";
    let page = done(table.query(&Query::prefix("p", "run/01")).await, clause)?;
    let found: Vec<_> = page
        .items
        .iter()
        .map(|i| (i.version, i.body.as_ref()))
        .collect();
    equal(&found, &vec![(1, b"run/01".as_ref())], clause)
}

async fn pages_by_size(table: &dyn Table) -> Result<(), Broken> {
    let clause = "a page of large items ends early and goes on";
    for number in 0..8 {
        let write = put(
            &key(&format!("large/{number}"))?,
            Expect::Absent,
            &[5; 390_000],
        );
        done(table.write(write).await, clause)?;
    }
    let page = done(table.query(&Query::prefix("p", "large/")).await, clause)?;
    check(page.items.len() < 8, clause, || {
        format!("{} items", page.items.len())
    })?;
    let found = all(table, Query::prefix("p", "large/"), clause).await?;
    equal(&found.len(), &8, clause)
}

async fn racing_creates(table: Arc<dyn Table>) -> Result<(), Broken> {
    let clause = "of racing creates exactly one succeeds";
    for round in 0..8 {
        let name = key(&format!("race/{round}"))?;
        let racers = (0..8_u8).map(|racer| {
            let (table, write) = (table.clone(), put(&name, Expect::Absent, &[racer]));
            tokio::spawn(async move { table.write(write).await })
        });
        let mut winners = vec![];
        for (racer, result) in (0..8_u8).zip(join_all(racers).await) {
            match result.map_err(|error| broken(clause, error.to_string()))? {
                Ok(_) => winners.push(racer),
                Err(error) => {
                    refused(Err::<(), _>(error), &[Kind::Conflict, Kind::Busy], clause)?;
                }
            }
        }
        let there = done(table.get(&name).await, clause)?.map(|item| item.body.to_vec());
        check(
            winners.len() == 1 && there.as_ref() == Some(&winners),
            clause,
            || format!("{winners:?} won and {there:?} is there"),
        )?;
    }
    Ok(())
}

async fn add_many(table: Arc<dyn Table>, names: [ItemKey; 2]) -> Result<(), Broken> {
    let clause = "racing transactions lose no write";
    for _ in 0..10 {
        loop {
            let mut writes = vec![];
            for name in &names {
                let item = done(table.get(name).await, clause)?;
                let item = item.ok_or_else(|| broken(clause, "the counter is gone"))?;
                let text = String::from_utf8_lossy(&item.body).into_owned();
                let value: u64 = text.parse().unwrap_or_default();
                let next = (value + 1).to_string();
                writes.push(put(name, Expect::Version(item.version), next.as_bytes()));
            }
            match table.transact(writes).await {
                Ok(()) => break,
                Err(error) => refused(Err::<(), _>(error), &[Kind::Conflict, Kind::Busy], clause)?,
            }
        }
    }
    Ok(())
}

async fn racing_sums(table: Arc<dyn Table>) -> Result<(), Broken> {
    let clause = "racing transactions lose no write";
    let names = [key("sum/1")?, key("sum/2")?];
    for name in &names {
        done(table.write(put(name, Expect::Absent, b"0")).await, clause)?;
    }
    let racers = (0..4).map(|_| tokio::spawn(add_many(table.clone(), names.clone())));
    for result in join_all(racers).await {
        result.map_err(|error| broken(clause, error.to_string()))??;
    }
    for name in &names {
        holds(table.as_ref(), name, Some((41, b"40")), clause).await?;
    }
    Ok(())
}
