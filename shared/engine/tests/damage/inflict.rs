//! What is done to an object.

use std::sync::Arc;

use mailkeep_ports::{Damage, Key, MemoryStore, Store, damage};

use crate::world::World;

/// Kinds of damage.
pub(crate) const DAMAGES: [&str; 7] = [
    "delete", "truncate", "empty", "flip", "swap", "replay", "newer",
];

/// Damages a copy of the store; `None` when there is no such damage.
pub(crate) async fn damaged(
    world: &World,
    name: &str,
    key: &Key,
    other: &Key,
) -> Option<Arc<MemoryStore>> {
    let store = Arc::new(world.rig.store.fork());
    let size = store.head(key).await.unwrap().size_bytes;
    let kind = match name {
        "delete" => Damage::Delete,
        "truncate" => Damage::Truncate(size / 2),
        "empty" => Damage::Empty,
        // In a content: of a commit with data the first; in a pack a filler comes before.
        "flip" if key.as_str().contains("/pack/") => Damage::FlipBit(5_000),
        "flip" => Damage::FlipBit((size / 2).min(200)),
        "swap" => Damage::ReplaceBy(other.clone()),
        "newer" => {
            let body = store.get(key, Default::default()).await.unwrap().body;
            store
                .put(key, newer(&body)?, Default::default())
                .await
                .unwrap();
            return Some(store);
        }
        _ => {
            let body = world.older.get(key.as_str())?.clone();
            let now = store.get(key, Default::default()).await.unwrap().body;
            if now == body {
                return None;
            }
            store.put(key, body, Default::default()).await.unwrap();
            return Some(store);
        }
    };
    damage(&*store, key, &kind).await.unwrap();
    Some(store)
}

/// The object as a later mailkeep might have written it; `None` when it has no version inside.
pub(crate) fn newer(body: &bytes::Bytes) -> Option<bytes::Bytes> {
    let mut bytes = body.to_vec();
    match &bytes[..4] {
        b"MKR1" => bytes[6] = 9,
        b"MKV1" => {
            let end = bytes.len() - 96;
            bytes[6] = 9;
            bytes[end + 6] = 9;
        }
        _ => return None,
    }
    Some(bytes.into())
}
