//! A store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::Clock;
use crate::store::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, LockMode, Object, ObjectInfo,
    PutOptions, Retention, Store, StoreError, StoreErrorKind,
};

/// Holds every object in memory, keeps every promise of [`Store`], and, when asked, has Object Lock.
/// For tests, demonstrations and as the reference of what the contract means.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    object_lock: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    writes: u64,
}

struct Stored {
    key: Key,
    body: Bytes,
    version: u64,
    modified_at: DateTime<Utc>,
    retention: Option<Retention>,
}

impl Stored {
    fn etag(&self) -> ETag {
        ETag(format!("v{}", self.version))
    }

    fn info(&self) -> ObjectInfo {
        ObjectInfo {
            key: self.key.clone(),
            size_bytes: u64::try_from(self.body.len()).unwrap_or(u64::MAX),
            etag: self.etag(),
            modified_at: self.modified_at,
            retention: self.retention,
        }
    }

    fn is_locked(&self, now: DateTime<Utc>) -> bool {
        self.retention.is_some_and(|r| r.until > now)
    }
}

impl MemoryStore {
    /// An empty store without Object Lock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            object_lock: false,
            state: Mutex::default(),
        }
    }

    /// Adds Object Lock.
    #[must_use]
    pub fn with_object_lock(mut self) -> Self {
        self.object_lock = true;
        self
    }

    /// A copy with the same objects that changes on its own from now on, for example to look at
    /// what a crash at this moment leaves behind. Bodies are shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.lock();
        let copy = |stored: &Stored| Stored {
            key: stored.key.clone(),
            body: stored.body.clone(),
            version: stored.version,
            modified_at: stored.modified_at,
            retention: stored.retention,
        };
        let objects = state.objects.iter();
        let objects = objects.map(|(name, stored)| (name.clone(), copy(stored)));
        Self {
            clock: Arc::clone(&self.clock),
            object_lock: self.object_lock,
            state: Mutex::new(State {
                objects: objects.collect(),
                writes: state.writes,
            }),
        }
    }

    /// Names of all objects, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Size of all bodies together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let state = self.lock();
        let sizes = state.objects.values().map(|s| s.info().size_bytes);
        sizes.fold(0, u64::saturating_add)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_retention(&self, key: &Key, retention: &Retention) -> Result<(), StoreError> {
        let cause = if !self.object_lock {
            "this store has no Object Lock"
        } else if retention.until <= self.clock.now() {
            "the end of the retention is not in the future"
        } else {
            return Ok(());
        };
        Err(StoreError::new(
            StoreErrorKind::Invalid,
            key.as_str(),
            cause,
        ))
    }
}

fn check_condition(
    key: &Key,
    condition: &Condition,
    present: Option<&Stored>,
) -> Result<(), StoreError> {
    let (kind, cause) = match (condition, present) {
        (Condition::None, _) | (Condition::IfAbsent, None) => return Ok(()),
        (Condition::IfAbsent, Some(_)) => {
            (StoreErrorKind::AlreadyExists, "an object has this name")
        }
        (Condition::IfMatch(_), None) => return Err(key.missing()),
        (Condition::IfMatch(etag), Some(stored)) if stored.etag() == *etag => return Ok(()),
        (Condition::IfMatch(_), Some(_)) => (StoreErrorKind::Changed, "it has another version"),
    };
    Err(StoreError::new(kind, key.as_str(), cause))
}

fn refuse_locked(key: &Key) -> StoreError {
    let cause = "Object Lock still holds it";
    StoreError::new(StoreErrorKind::Locked, key.as_str(), cause)
}

/// A name must not be the folder of another.
fn check_nesting(state: &State, key: &Key) -> Result<(), StoreError> {
    let name = key.as_str();
    let parents = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
    let above = parents
        .filter(|parent| state.objects.contains_key(*parent))
        .map(str::to_owned)
        .next();
    let folder = format!("{name}/");
    let below = state.objects.range(folder.clone()..).next();
    let below = below.filter(|(other, _)| other.starts_with(&folder));
    match above.or_else(|| below.map(|(other, _)| other.clone())) {
        None => Ok(()),
        Some(other) => Err(StoreError::new(
            StoreErrorKind::Invalid,
            name,
            format!("object {other} is there: a name cannot also be a folder"),
        )),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        options.check_body(key, &body)?;
        if let Some(retention) = &options.retention {
            self.check_retention(key, retention)?;
        }
        let now = self.clock.now();
        let mut state = self.lock();
        check_nesting(&state, key)?;
        let present = state.objects.get(key.as_str());
        check_condition(key, &options.condition, present)?;
        if present.is_some_and(|stored| stored.is_locked(now)) {
            return Err(refuse_locked(key));
        }
        state.writes += 1;
        let stored = Stored {
            key: key.clone(),
            // A caller's slice may keep a much larger buffer alive.
            body: Bytes::copy_from_slice(&body),
            version: state.writes,
            modified_at: now,
            retention: options.retention,
        };
        let etag = stored.etag();
        state.objects.insert(key.as_str().to_owned(), stored);
        Ok(etag)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let state = self.lock();
        let stored = state
            .objects
            .get(key.as_str())
            .ok_or_else(|| key.missing())?;
        let info = ObjectInfo {
            retention: None,
            ..stored.info()
        };
        let range = options.resolve(key, info.size_bytes)?;
        let to_index = |at| usize::try_from(at).unwrap_or(usize::MAX);
        Ok(Object {
            info,
            offset: range.start,
            body: stored
                .body
                .slice(to_index(range.start)..to_index(range.end)),
        })
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let state = self.lock();
        let stored = state.objects.get(key.as_str());
        stored.map(Stored::info).ok_or_else(|| key.missing())
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        let state = self.lock();
        let limit = options.page_limit();
        let mut page = ListPage::default();
        let mut last = String::new();
        let mut from = Bound::Included(options.prefix.clone());
        if let Some(after) = &options.start_after
            && *after >= options.prefix
        {
            from = Bound::Excluded(after.clone());
        }
        loop {
            let mut rest = state.objects.range((from, Bound::Unbounded));
            let Some((name, stored)) = rest.next() else {
                break;
            };
            let Some(tail) = name.strip_prefix(&options.prefix) else {
                break;
            };
            let folder = tail.find('/').filter(|_| options.delimited);
            let folder = folder.and_then(|at| name.get(..=options.prefix.len() + at));
            // A rolled-up prefix counts as an entry of its own name, before all names inside it.
            let after = options.start_after.as_deref();
            let is_passed = folder.is_some_and(|folder| after.is_some_and(|a| folder <= a));
            if !is_passed {
                if page.objects.len() + page.prefixes.len() == limit {
                    page.next = Some(last);
                    break;
                }
                match folder {
                    Some(folder) => page.prefixes.push(folder.to_owned()),
                    None => page.objects.push(ObjectInfo {
                        retention: None,
                        ..stored.info()
                    }),
                }
                last = folder.unwrap_or(name).to_owned();
            }
            from = match folder {
                // `0` follows `/`: the first name that cannot be inside the folder.
                Some(folder) => {
                    Bound::Included(format!("{}0", folder.strip_suffix('/').unwrap_or(folder)))
                }
                None => Bound::Excluded(name.clone()),
            };
        }
        Ok(page)
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        if condition == Condition::IfAbsent {
            let cause = "a deletion cannot ask that the object is absent";
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                key.as_str(),
                cause,
            ));
        }
        let now = self.clock.now();
        let mut state = self.lock();
        let present = state.objects.get(key.as_str());
        check_condition(key, &condition, present)?;
        if present.is_some_and(|stored| stored.is_locked(now)) {
            return Err(refuse_locked(key));
        }
        state.objects.remove(key.as_str());
        Ok(())
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.check_retention(key, &retention)?;
        let now = self.clock.now();
        let mut state = self.lock();
        let stored = state.objects.get_mut(key.as_str());
        let stored = stored.ok_or_else(|| key.missing())?;
        if stored.is_locked(now)
            && let Some(old) = stored.retention
            && (retention.until < old.until || weakens(old.mode, retention.mode))
        {
            return Err(refuse_locked(key));
        }
        stored.retention = Some(retention);
        Ok(())
    }
}

fn weakens(old: LockMode, new: LockMode) -> bool {
    old == LockMode::Compliance && new == LockMode::Governance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestClock;
    use crate::conformance::{self, StoreUnderTest, StoreWays};
    use crate::store::StoreCapabilities;

    fn under_test(object_lock: bool) -> StoreUnderTest {
        let clock = Arc::new(TestClock::default());
        let own = Arc::clone(&clock);
        StoreUnderTest {
            fresh: Box::new(move || {
                let store = MemoryStore::new(Arc::clone(&own) as Arc<dyn Clock>);
                if object_lock {
                    Arc::new(store.with_object_lock())
                } else {
                    Arc::new(store)
                }
            }),
            capabilities: StoreCapabilities {
                conditional_create: true,
                conditional_replace: true,
                object_lock,
                checksums: true,
            },
            clock: Some(clock),
            ways: StoreWays::STRICT,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        conformance::store(&under_test(false)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract_with_object_lock() {
        conformance::store(&under_test(true)).await.unwrap();
    }

    #[tokio::test]
    async fn a_fork_changes_on_its_own() {
        let store = MemoryStore::new(Arc::new(TestClock::default()));
        let key = Key::new("a").unwrap();
        let put = |store: MemoryStore| async move {
            let key = Key::new("b").unwrap();
            store
                .put(&key, Bytes::new(), PutOptions::default())
                .await
                .unwrap();
            store
        };
        store
            .put(&key, Bytes::from_static(b"12"), PutOptions::default())
            .await
            .unwrap();
        let fork = put(store.fork()).await;
        assert_eq!(store.names(), ["a"]);
        assert_eq!(fork.names(), ["a", "b"]);
        assert_eq!(fork.total_bytes(), 2);
    }
}
