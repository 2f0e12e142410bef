//! Failing on purpose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::store::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreError, StoreErrorKind,
};

/// What happens at one call that changes something (put, delete, extend retention).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call has an effect: this and every later call fails.
    DieBefore,
    /// The process dies after the call had its effect: this and every later call fails.
    DieAfter,
    /// The call has its effect but its answer is lost.
    AnswerLost,
    /// The call gets lost; the caller cannot tell this from [`Fault::AnswerLost`].
    RequestLost,
    /// The call fails with this kind and has no effect.
    Fail(StoreErrorKind),
}

/// How often things fail by chance, in calls out of 1,000. All start at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Any call is told to slow down, half of them with a time to wait.
    pub busy: u32,
    /// A conditional write meets a racing one (409).
    pub conflict: u32,
    /// A changing call has its effect but its answer is lost.
    pub answer_lost: u32,
    /// Any call gets lost.
    pub request_lost: u32,
    /// A read ends early, although the answer says that it worked.
    pub truncated: u32,
    /// Any call is denied. Nothing retries that.
    pub denied: u32,
}

/// How the store treats conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conditions {
    /// Right.
    #[default]
    Honoured,
    /// As if there were none: a conditional create overwrites.
    Ignored,
    /// Every conditional call is `Invalid` ("not implemented").
    Refused,
    /// Looked at before the write instead of together with it: racing writers all succeed.
    Raced,
    /// Honoured, but a write that happened is reported as refused.
    Misreported,
    /// Honoured, but a write that was refused is reported as done.
    Blind,
}

/// Wraps a store and makes it fail: at chosen calls, by chance from a seed, or in how it treats
/// conditions. The same seed and order of calls give the same faults.
pub struct FaultStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

struct State {
    scripted: BTreeMap<u64, Fault>,
    rates: FaultRates,
    chance: ChaCha20Rng,
    conditions: Conditions,
    changing_calls: u64,
    faults: u64,
    is_dead: bool,
}

/// What a changing call is to do.
enum Effect {
    Normal,
    ThenLoseAnswer,
}

impl FaultStore {
    /// Wraps a store; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            state: Mutex::new(State {
                scripted: BTreeMap::new(),
                rates: FaultRates::default(),
                chance: ChaCha20Rng::seed_from_u64(0),
                conditions: Conditions::default(),
                changing_calls: 0,
                faults: 0,
                is_dead: false,
            }),
        }
    }

    /// Makes the `number`-th changing call (1 is the first, counted from the beginning) fail.
    #[must_use]
    pub fn at(self, number: u64, fault: Fault) -> Self {
        self.lock().scripted.insert(number, fault);
        self
    }

    /// Makes calls fail by chance.
    #[must_use]
    pub fn by_chance(self, seed: u64, rates: FaultRates) -> Self {
        {
            let mut state = self.lock();
            state.chance = ChaCha20Rng::seed_from_u64(seed);
            state.rates = rates;
        }
        self
    }

    /// Treats conditions in this way.
    #[must_use]
    pub fn with_conditions(self, conditions: Conditions) -> Self {
        self.lock().conditions = conditions;
        self
    }

    /// Treats conditions in this way from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// How many changing calls there were.
    #[must_use]
    pub fn changing_calls(&self) -> u64 {
        self.lock().changing_calls
    }

    /// How many calls were made to fail.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.lock().faults
    }

    /// True once a fault ended the process.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// From now on nothing fails any more: the network is well again, the process started again.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.scripted.clear();
        state.rates = FaultRates::default();
        state.conditions = Conditions::Honoured;
        state.is_dead = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before_read(&self, name: &str) -> Result<(), StoreError> {
        self.lock().by_chance(name)
    }

    fn before_change(&self, name: &str, is_conditional: bool) -> Result<Effect, StoreError> {
        let mut state = self.lock();
        state.changing_calls += 1;
        let number = state.changing_calls;
        if !state.is_dead
            && let Some(fault) = state.scripted.remove(&number)
        {
            state.faults += 1;
            let kind = match fault {
                Fault::DieAfter | Fault::AnswerLost => {
                    state.is_dead = fault == Fault::DieAfter;
                    return Ok(Effect::ThenLoseAnswer);
                }
                Fault::DieBefore => {
                    state.is_dead = true;
                    StoreErrorKind::Unavailable
                }
                Fault::RequestLost => StoreErrorKind::Unavailable,
                Fault::Fail(kind) => kind,
            };
            return Err(injected(kind, name));
        }
        state.by_chance(name)?;
        if is_conditional && state.happens(|rates| rates.conflict) {
            return Err(injected(StoreErrorKind::Conflict, name));
        }
        if state.happens(|rates| rates.answer_lost) {
            return Ok(Effect::ThenLoseAnswer);
        }
        Ok(Effect::Normal)
    }

    /// Truncates what was read, if chance wants it.
    fn after_read(&self, mut object: Object) -> Object {
        let mut state = self.lock();
        if !object.body.is_empty() && state.happens(|rates| rates.truncated) {
            let length = state.chance.random_range(0..object.body.len());
            object.body.truncate(length);
        }
        object
    }

    async fn put_on_condition(
        &self,
        key: &Key,
        body: Bytes,
        options: PutOptions,
    ) -> Result<ETag, StoreError> {
        let behaviour = self.lock().conditions;
        let unconditional = PutOptions {
            condition: Condition::None,
            ..options.clone()
        };
        match behaviour {
            Conditions::Honoured => self.inner.put(key, body, options).await,
            Conditions::Ignored => self.inner.put(key, body, unconditional).await,
            Conditions::Refused => Err(not_implemented(key)),
            Conditions::Raced => {
                self.look(key, &options.condition).await?;
                // Others look now, before this one writes.
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
                self.inner.put(key, body, unconditional).await
            }
            Conditions::Blind => match self.inner.put(key, body, options).await {
                Err(error)
                    if matches!(
                        error.kind,
                        StoreErrorKind::AlreadyExists | StoreErrorKind::Changed
                    ) =>
                {
                    Ok(self.inner.head(key).await?.etag)
                }
                other => other,
            },
            Conditions::Misreported => {
                let kind = match options.condition {
                    Condition::IfMatch(_) => StoreErrorKind::Changed,
                    Condition::IfAbsent | Condition::None => StoreErrorKind::AlreadyExists,
                };
                self.inner.put(key, body, options).await?;
                Err(injected(kind, key.as_str()))
            }
        }
    }

    async fn look(&self, key: &Key, condition: &Condition) -> Result<(), StoreError> {
        match (condition, self.inner.head(key).await) {
            (Condition::IfAbsent, Ok(_)) => {
                Err(injected(StoreErrorKind::AlreadyExists, key.as_str()))
            }
            (Condition::IfAbsent, Err(error)) if error.kind == StoreErrorKind::Missing => Ok(()),
            (Condition::IfMatch(etag), Ok(head)) if head.etag != *etag => {
                Err(injected(StoreErrorKind::Changed, key.as_str()))
            }
            (_, Err(error)) => Err(error),
            (_, Ok(_)) => Ok(()),
        }
    }
}

impl State {
    fn happens(&mut self, rate: impl Fn(&FaultRates) -> u32) -> bool {
        let rate = rate(&self.rates);
        let happens = rate > 0 && self.chance.random_range(0..1_000) < rate;
        self.faults += u64::from(happens);
        happens
    }

    fn by_chance(&mut self, name: &str) -> Result<(), StoreError> {
        if self.is_dead {
            let cause = "the process is dead";
            return Err(StoreError::new(StoreErrorKind::Unavailable, name, cause));
        }
        if self.happens(|rates| rates.busy) {
            let mut error = injected(StoreErrorKind::Busy, name);
            let wait = self.chance.random_range(1..5_000);
            error.retry_after = (wait % 2 == 0).then(|| Duration::from_millis(wait));
            return Err(error);
        }
        if self.happens(|rates| rates.request_lost) {
            return Err(injected(StoreErrorKind::Unavailable, name));
        }
        if self.happens(|rates| rates.denied) {
            return Err(injected(StoreErrorKind::Denied, name));
        }
        Ok(())
    }
}

fn injected(kind: StoreErrorKind, name: &str) -> StoreError {
    StoreError::new(kind, name, "injected fault")
}

fn not_implemented(key: &Key) -> StoreError {
    let cause = "this store does not implement conditions";
    StoreError::new(StoreErrorKind::Invalid, key.as_str(), cause)
}

fn answer<T>(effect: Effect, name: &str, result: Result<T, StoreError>) -> Result<T, StoreError> {
    match effect {
        Effect::Normal => result,
        Effect::ThenLoseAnswer => Err(injected(StoreErrorKind::Unavailable, name)),
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let is_conditional = options.condition != Condition::None;
        let effect = self.before_change(key.as_str(), is_conditional)?;
        let result = if is_conditional {
            self.put_on_condition(key, body, options).await
        } else {
            self.inner.put(key, body, options).await
        };
        answer(effect, key.as_str(), result)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.before_read(key.as_str())?;
        let object = self.inner.get(key, options).await?;
        Ok(self.after_read(object))
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.before_read(key.as_str())?;
        self.inner.head(key).await
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.before_read(&options.prefix)?;
        self.inner.list(options).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let is_conditional = condition != Condition::None;
        let effect = self.before_change(key.as_str(), is_conditional)?;
        let behaviour = self.lock().conditions;
        let result = match behaviour {
            Conditions::Refused if is_conditional => Err(not_implemented(key)),
            Conditions::Ignored if matches!(condition, Condition::IfMatch(_)) => {
                self.inner.delete(key, Condition::None).await
            }
            _ => self.inner.delete(key, condition).await,
        };
        answer(effect, key.as_str(), result)
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        let effect = self.before_change(key.as_str(), false)?;
        let result = self.inner.extend_retention(key, retention).await;
        answer(effect, key.as_str(), result)
    }
}
