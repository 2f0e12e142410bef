//! Trying out what would be written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Clock;
use crate::store::{
    ByteRange, Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo,
    PutOptions, Retention, Store, StoreError, StoreErrorKind,
};

/// Wraps a store and keeps every change to itself: reads show the changes, the store never sees them. Takes
/// memory for what is written. Listings with a delimiter do not show the changes.
pub struct OverlayStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    /// `None` for what was deleted.
    objects: BTreeMap<Key, Option<(Bytes, ObjectInfo)>>,
    count: u64,
}

impl OverlayStore {
    /// A store without changes over `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            changes: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: &Key) -> Option<Option<(Bytes, ObjectInfo)>> {
        self.lock().objects.get(key).cloned()
    }

    async fn check(&self, key: &Key, condition: &Condition) -> Result<(), StoreError> {
        let found = match condition {
            Condition::None => return Ok(()),
            Condition::IfAbsent | Condition::IfMatch(_) => self.head(key).await,
        };
        let refuse = |kind| Err(StoreError::new(kind, key.as_str(), "the condition fails"));
        match (condition, found) {
            (Condition::IfAbsent, Ok(_)) => refuse(StoreErrorKind::AlreadyExists),
            (Condition::IfAbsent, Err(error)) if error.kind == StoreErrorKind::Missing => Ok(()),
            (Condition::IfMatch(etag), Ok(info)) if info.etag != *etag => {
                refuse(StoreErrorKind::Changed)
            }
            (_, found) => found.map(|_| ()),
        }
    }
}

fn missing(key: &Key) -> StoreError {
    StoreError::new(StoreErrorKind::Missing, key.as_str(), "it was deleted")
}

fn slice(body: &Bytes, range: Option<&ByteRange>) -> (u64, Bytes) {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    let (start, end) = match range {
        None => (0, body.len()),
        Some(ByteRange::Suffix(bytes)) => (body.len().saturating_sub(index(*bytes)), body.len()),
        Some(ByteRange::Range(range)) => {
            let end = index(range.end);
            (index(range.start).min(end), end)
        }
    };
    (
        u64::try_from(start).unwrap_or(u64::MAX),
        body.slice(start..end),
    )
}

#[async_trait]
impl Store for OverlayStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        self.check(key, &options.condition).await?;
        let mut changes = self.lock();
        changes.count += 1;
        let info = ObjectInfo {
            key: key.clone(),
            size_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            etag: ETag(format!("overlay-{}", changes.count)),
            modified_at: self.clock.now(),
            retention: options.retention,
        };
        let etag = info.etag.clone();
        changes.objects.insert(key.clone(), Some((body, info)));
        Ok(etag)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        match self.change(key) {
            None => self.inner.get(key, options).await,
            Some(None) => Err(missing(key)),
            Some(Some((body, info))) => {
                let (offset, body) = slice(&body, options.range.as_ref());
                Ok(Object { info, offset, body })
            }
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        match self.change(key) {
            None => self.inner.head(key).await,
            Some(None) => Err(missing(key)),
            Some(Some((_, info))) => Ok(info),
        }
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        let (prefix, after) = (options.prefix.clone(), options.start_after.clone());
        let is_delimited = options.delimited;
        let mut page = self.inner.list(options).await?;
        if is_delimited {
            return Ok(page);
        }
        // What lies behind this page belongs to a later one.
        let last = page.next.as_ref().and(page.objects.last());
        let last = last.map(|object| object.key.clone());
        let changes = self.lock();
        page.objects
            .retain(|object| !changes.objects.contains_key(&object.key));
        for (key, change) in &changes.objects {
            let name = key.as_str();
            let is_here = name.starts_with(&prefix)
                && after.as_deref().is_none_or(|after| name > after)
                && last.as_ref().is_none_or(|last| key <= last);
            if let (true, Some((_, info))) = (is_here, change) {
                page.objects.push(info.clone());
            }
        }
        page.objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(page)
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        self.check(key, &condition).await?;
        self.lock().objects.insert(key.clone(), None);
        Ok(())
    }

    async fn extend_retention(&self, key: &Key, _: Retention) -> Result<(), StoreError> {
        self.head(key).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, TestClock};

    #[tokio::test]
    async fn changes_are_seen_here_and_nowhere_else() {
        let clock = Arc::new(TestClock::default());
        let inner = Arc::new(MemoryStore::new(clock.clone()));
        let key = |name: &str| Key::new(name).unwrap();
        let put = async |store: &dyn Store, name: &str, options| {
            let body = Bytes::from(format!("body of {name}"));
            store.put(&key(name), body, options).await
        };
        for name in ["a/1", "a/3", "b/1"] {
            put(&*inner, name, PutOptions::default()).await.unwrap();
        }
        let store = OverlayStore::new(inner.clone(), clock);
        put(&store, "a/2", PutOptions::if_absent()).await.unwrap();
        store.delete(&key("a/1"), Condition::None).await.unwrap();
        let again = put(&store, "a/2", PutOptions::if_absent()).await;
        assert_eq!(again.unwrap_err().kind, StoreErrorKind::AlreadyExists);
        let names = async |limit| {
            let mut names = vec![];
            let mut start_after = None;
            loop {
                let options = ListOptions {
                    prefix: "a/".into(),
                    start_after,
                    limit,
                    ..ListOptions::default()
                };
                let page = store.list(options).await.unwrap();
                names.extend(page.objects.iter().map(|object| object.key.to_string()));
                match page.next {
                    Some(next) => start_after = Some(next),
                    None => return names,
                }
            }
        };
        assert_eq!(names(0).await, ["a/2", "a/3"]);
        assert_eq!(names(1).await, ["a/2", "a/3"]);
        let range = Some(ByteRange::Suffix(3));
        let object = store.get(&key("a/2"), GetOptions { range }).await.unwrap();
        assert_eq!((object.offset, &object.body[..]), (8, &b"a/2"[..]));
        assert_eq!(inner.names(), ["a/1", "a/3", "b/1"]);
    }
}
