//! Writing, reading, ranges, sizes, names.

use std::sync::Arc;

use bytes::Bytes;

use super::store::StoreUnderTest;
use super::{Broken, broken, check, done, equal, key, refused};
use crate::store::{
    ByteRange, Condition, GetOptions, Key, MAX_BODY_BYTES, PutOptions, Store, StoreErrorKind,
    sha256,
};

pub(super) async fn all(test: &StoreUnderTest) -> Result<(), Broken> {
    names()?;
    write_and_read((test.fresh)().as_ref(), test.ways.marks_tell_rewrites).await?;
    missing((test.fresh)().as_ref()).await?;
    ranges((test.fresh)().as_ref()).await?;
    if test.ways.refuses_nesting {
        nesting((test.fresh)().as_ref()).await?;
    }
    checksums((test.fresh)().as_ref(), test.capabilities.checksums).await?;
    big_bodies((test.fresh)().as_ref()).await?;
    replacing_is_all_or_nothing((test.fresh)()).await
}

fn names() -> Result<(), Broken> {
    let clause = "names that could leave the vault or mean something to a file system are refused";
    let too_long = "a".repeat(513);
    for name in [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a b", "a\\b", "ä", "a\0b", "a~",
        "a:b", "a*b", &too_long,
    ] {
        refused(Key::new(name), &[StoreErrorKind::Invalid], clause)?;
    }
    key(&"a".repeat(200))?;
    key("m/..a/b..c/-_.Z9")?;
    Ok(())
}

async fn write_and_read(store: &dyn Store, marks_tell_rewrites: bool) -> Result<(), Broken> {
    let clause = "what was written is read back";
    let (name, other_case) = (key("m/Ab/log/0001")?, key("m/ab/log/0001")?);
    let first = done(put(store, &name, b"first").await, clause)?;
    let object = done(store.get(&name, GetOptions::default()).await, clause)?;
    equal(&object.body.as_ref(), &b"first".as_ref(), clause)?;
    equal(&object.offset, &0, clause)?;
    equal(&object.info.key, &name, clause)?;
    equal(&object.info.size_bytes, &5, clause)?;
    equal(
        &object.info.etag,
        &first,
        "get and put agree on the version mark",
    )?;
    let head = done(store.head(&name).await, clause)?;
    equal(&head.etag, &first, "head and put agree on the version mark")?;
    equal(&head.size_bytes, &5, "head knows the size")?;
    let case = "names are case-sensitive";
    refused(
        store.head(&other_case).await,
        &[StoreErrorKind::Missing],
        case,
    )?;

    let clause = "an object is replaced, also by one of the same size";
    let second = done(put(store, &name, b"secon").await, clause)?;
    check(second != first, "another version has another mark", || {
        format!("both have {first:?}")
    })?;
    let body = read(store, &name, clause).await?;
    equal(&body.as_ref(), &b"secon".as_ref(), clause)?;

    let clause = "an object may be empty";
    done(put(store, &name, b"").await, clause)?;
    let head = done(store.head(&name).await, clause)?;
    equal(&head.size_bytes, &0, clause)?;
    equal(&read(store, &name, clause).await?.len(), &0, clause)?;

    let clause = "a deleted object is gone";
    done(store.delete(&name, Condition::None).await, clause)?;
    refused(store.head(&name).await, &[StoreErrorKind::Missing], clause)?;
    let clause = "an object deleted and written again has another mark";
    let again = done(put(store, &name, b"first").await, clause)?;
    check(again != first || !marks_tell_rewrites, clause, || {
        format!("both have {first:?}")
    })
}

async fn missing(store: &dyn Store) -> Result<(), Broken> {
    let name = key("no/such")?;
    let clause = "reading what is not there is Missing";
    let get = store.get(&name, GetOptions::default()).await;
    refused(get, &[StoreErrorKind::Missing], clause)?;
    let part = GetOptions::range(ByteRange::Suffix(8));
    let get = store.get(&name, part).await;
    refused(get, &[StoreErrorKind::Missing], clause)?;
    refused(store.head(&name).await, &[StoreErrorKind::Missing], clause)?;
    let clause = "deleting what is not there succeeds";
    done(store.delete(&name, Condition::None).await, clause)?;
    let clause = "a deletion on condition of absence is Invalid";
    let delete = store.delete(&name, Condition::IfAbsent).await;
    refused(delete, &[StoreErrorKind::Invalid], clause)
}

async fn ranges(store: &dyn Store) -> Result<(), Broken> {
    let (name, empty) = (key("a/ten")?, key("a/none")?);
    done(put(store, &name, b"0123456789").await, "write")?;
    done(put(store, &empty, b"").await, "write")?;
    let range = |start, end| ByteRange::Range(start..end);
    for (name, part, offset, expected) in [
        (&name, range(0, 10), 0, "0123456789"),
        (&name, range(0, 1), 0, "0"),
        (&name, range(3, 7), 3, "3456"),
        (&name, range(9, 10), 9, "9"),
        (&name, range(8, 1_000), 8, "89"),
        (&name, range(8, u64::MAX), 8, "89"),
        (&name, range(4, 4), 4, ""),
        (&name, range(10, 20), 10, ""),
        (&name, range(11, 20), 10, ""),
        (&name, ByteRange::Suffix(0), 10, ""),
        (&name, ByteRange::Suffix(3), 7, "789"),
        (&name, ByteRange::Suffix(10), 0, "0123456789"),
        (&name, ByteRange::Suffix(u64::MAX), 0, "0123456789"),
        (&empty, range(0, 5), 0, ""),
        (&empty, ByteRange::Suffix(5), 0, ""),
    ] {
        let clause = format!("the part {part:?} of {name}");
        let object = done(store.get(name, GetOptions::range(part)).await, &clause)?;
        equal(&object.body.as_ref(), &expected.as_bytes(), &clause)?;
        equal(&object.offset, &offset, &clause)?;
        let size = if name == &empty { 0 } else { 10 };
        let whole = "a part comes with the size of the whole object";
        equal(&object.info.size_bytes, &size, whole)?;
    }
    let clause = "a range that ends before it starts is Invalid";
    let get = store.get(&name, GetOptions::range(range(5, 4))).await;
    refused(get, &[StoreErrorKind::Invalid], clause)
}

async fn nesting(store: &dyn Store) -> Result<(), Broken> {
    let clause = "a name cannot also be a folder";
    done(put(store, &key("a/b")?, b"x").await, clause)?;
    for name in ["a", "a/b/c", "a/b/c/d"] {
        refused(
            put(store, &key(name)?, b"").await,
            &[StoreErrorKind::Invalid],
            clause,
        )?;
        let clause = "nothing is under a name that is only part of others";
        let head = store.head(&key(name)?).await;
        refused(head, &[StoreErrorKind::Missing], clause)?;
    }
    let clause = "a name whose objects are all gone is free again";
    done(store.delete(&key("a/b")?, Condition::None).await, clause)?;
    let name = key("a")?;
    done(put(store, &name, b"").await, clause).map(drop)
}

async fn checksums(store: &dyn Store, has_checksums: bool) -> Result<(), Broken> {
    let name = key("sum")?;
    let with = |sha256| PutOptions {
        sha256: Some(sha256),
        ..PutOptions::default()
    };
    let body = Bytes::from_static(b"body");
    let clause = "a right SHA-256 is accepted";
    let put = store.put(&name, body.clone(), with(sha256(&body))).await;
    done(put, clause)?;
    if has_checksums {
        let clause = "a wrong SHA-256 is Corrupt and nothing is written";
        let put = store.put(&name, body, with(sha256(b"other"))).await;
        refused(put, &[StoreErrorKind::Corrupt], clause)?;
        equal(
            &read(store, &name, clause).await?.as_ref(),
            &b"body".as_ref(),
            clause,
        )?;
    }
    Ok(())
}

async fn big_bodies(store: &dyn Store) -> Result<(), Broken> {
    let clause = "a body of 20 MiB comes back whole";
    let name = key("big/one")?;
    let body: Vec<u8> = (0_u32..5 << 20).flat_map(u32::to_le_bytes).collect();
    let body = Bytes::from(body);
    let options = PutOptions {
        sha256: Some(sha256(&body)),
        ..PutOptions::default()
    };
    done(store.put(&name, body.clone(), options).await, clause)?;
    let back = read(store, &name, clause).await?;
    check(back == body, clause, || {
        format!("got {} other bytes", back.len())
    })?;
    let clause = "a part in the middle of 20 MiB";
    let part = ByteRange::Range(10_000_001..10_000_101);
    let part = done(store.get(&name, GetOptions::range(part)).await, clause)?;
    check(
        part.body == body.slice(10_000_001..10_000_101),
        clause,
        || "it has other bytes".to_owned(),
    )?;
    let clause = "a body above 64 MiB is Invalid";
    let length = usize::try_from(MAX_BODY_BYTES + 1).unwrap_or(usize::MAX);
    let put = store.put(&name, Bytes::from(vec![0; length]), PutOptions::default());
    refused(put.await, &[StoreErrorKind::Invalid], clause)
}

/// Readers see the old or the new object, never a mix and never nothing.
async fn replacing_is_all_or_nothing(store: Arc<dyn Store>) -> Result<(), Broken> {
    let clause = "a reader sees one version whole while another is written";
    let name = key("hot/object")?;
    // Each version has its own size and is filled with its own number.
    let version = |number: u8| Bytes::from(vec![number; 200_000 + usize::from(number) * 1_000]);
    done(
        store.put(&name, version(0), PutOptions::default()).await,
        clause,
    )?;
    let writer = {
        let (store, name) = (Arc::clone(&store), name.clone());
        tokio::spawn(async move {
            for number in 1..=24 {
                done(
                    store
                        .put(&name, version(number), PutOptions::default())
                        .await,
                    clause,
                )?;
            }
            Ok(())
        })
    };
    loop {
        let is_over = writer.is_finished();
        let object = done(store.get(&name, GetOptions::default()).await, clause)?;
        let number = object.body.first().copied().unwrap_or(u8::MAX);
        check(object.body == version(number), clause, || {
            format!("a mix that starts with version {number}")
        })?;
        if is_over {
            break;
        }
        tokio::task::yield_now().await;
    }
    let written = writer.await;
    written.map_err(|error| broken(clause, error.to_string()))?
}

pub(super) async fn put(
    store: &dyn Store,
    key: &Key,
    body: &[u8],
) -> Result<crate::store::ETag, crate::store::StoreError> {
    let body = Bytes::copy_from_slice(body);
    store.put(key, body, PutOptions::default()).await
}

pub(super) async fn read(store: &dyn Store, key: &Key, clause: &str) -> Result<Bytes, Broken> {
    let object = store.get(key, GetOptions::default()).await;
    done(object, clause).map(|object| object.body)
}
