//! Damaging objects on purpose, to test what notices.

use bytes::Bytes;

use crate::store::{Condition, GetOptions, Key, PutOptions, Store, StoreError, StoreErrorKind};

/// What happens to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It disappears.
    Delete,
    /// Only this many of its first bytes stay.
    Truncate(u64),
    /// Nothing stays in it.
    Empty,
    /// One bit at this offset changes.
    FlipBit(u64),
    /// The bytes from this offset on become zero, as after a crash of a file system.
    ZeroFrom(u64),
    /// It gets the content of another object.
    ReplaceBy(Key),
    /// It and another one exchange their contents.
    Swap(Key),
    /// Something is written after its end.
    Append(Bytes),
}

/// Damages an object.
///
/// # Errors
/// Those of the store; [`StoreErrorKind::Invalid`] when the damage would change nothing, so that a
/// test cannot pass by accident.
pub async fn damage(store: &dyn Store, key: &Key, damage: &Damage) -> Result<(), StoreError> {
    if *damage == Damage::Delete {
        store.head(key).await?;
        return store.delete(key, Condition::None).await;
    }
    let old = read(store, key).await?;
    let mut new = old.to_vec();
    match damage {
        Damage::Delete | Damage::Empty => new.clear(),
        Damage::Truncate(length) => new.truncate(index(*length)),
        Damage::FlipBit(at) => {
            if let Some(byte) = new.get_mut(index(*at)) {
                *byte ^= 1;
            }
        }
        Damage::ZeroFrom(at) => {
            if let Some(rest) = new.get_mut(index(*at)..) {
                rest.fill(0);
            }
        }
        Damage::ReplaceBy(other) => new = read(store, other).await?.to_vec(),
        Damage::Swap(other) => {
            new = read(store, other).await?.to_vec();
            store.put(other, old.clone(), PutOptions::default()).await?;
        }
        Damage::Append(bytes) => new.extend_from_slice(bytes),
    }
    if new == old {
        let cause = format!("{damage:?} changes nothing");
        return Err(StoreError::new(
            StoreErrorKind::Invalid,
            key.as_str(),
            cause,
        ));
    }
    store
        .put(key, Bytes::from(new), PutOptions::default())
        .await?;
    Ok(())
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

async fn read(store: &dyn Store, key: &Key) -> Result<Bytes, StoreError> {
    Ok(store.get(key, GetOptions::default()).await?.body)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemoryStore, TestClock};

    #[tokio::test]
    async fn each_damage_does_what_it_says() {
        let (a, b) = (Key::new("a").unwrap(), Key::new("b").unwrap());
        for (kind, expected) in [
            (Damage::Delete, None),
            (Damage::Truncate(2), Some(("01", "xyz"))),
            (Damage::Empty, Some(("", "xyz"))),
            (Damage::FlipBit(1), Some(("0023", "xyz"))),
            (Damage::ZeroFrom(3), Some(("012\0", "xyz"))),
            (Damage::ReplaceBy(b.clone()), Some(("xyz", "xyz"))),
            (Damage::Swap(b.clone()), Some(("xyz", "0123"))),
            (
                Damage::Append(Bytes::from_static(b"4")),
                Some(("01234", "xyz")),
            ),
        ] {
            let store = MemoryStore::new(Arc::new(TestClock::default()));
            for (key, body) in [(&a, &b"0123"[..]), (&b, b"xyz")] {
                let body = Bytes::from_static(body);
                store.put(key, body, PutOptions::default()).await.unwrap();
            }
            damage(&store, &a, &kind).await.unwrap();
            match expected {
                None => assert_eq!(store.names(), ["b"]),
                Some((in_a, in_b)) => {
                    assert_eq!(read(&store, &a).await.unwrap(), in_a, "{kind:?}");
                    assert_eq!(read(&store, &b).await.unwrap(), in_b, "{kind:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn damage_without_effect_is_refused() {
        let store = MemoryStore::new(Arc::new(TestClock::default()));
        let key = Key::new("a").unwrap();
        let missing = damage(&store, &key, &Damage::Delete).await.unwrap_err();
        assert_eq!(missing.kind, StoreErrorKind::Missing);
        store
            .put(&key, Bytes::from_static(b"0"), PutOptions::default())
            .await
            .unwrap();
        for kind in [Damage::Truncate(1), Damage::FlipBit(1), Damage::ZeroFrom(9)] {
            let error = damage(&store, &key, &kind).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{kind:?}");
        }
    }
}
