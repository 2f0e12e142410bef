//! When the calls of tables and queues fail: at chosen calls, or by chance from a seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// What happens at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// The process dies before the call has an effect: this and every later call fails.
    DieBefore,
    /// The process dies after the call had its effect: this and every later call fails.
    DieAfter,
    /// The call has its effect but its answer is lost.
    AnswerLost,
    /// The call gets lost; the caller cannot tell this from [`CallFault::AnswerLost`].
    RequestLost,
    /// The call is told to slow down and has no effect.
    Busy,
}

impl CallFault {
    /// Every fault.
    pub const ALL: [Self; 5] = [
        Self::DieBefore,
        Self::DieAfter,
        Self::AnswerLost,
        Self::RequestLost,
        Self::Busy,
    ];
}

/// How often calls fail by chance, in calls out of 1,000. All start at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallFaultRates {
    /// Told to slow down.
    pub busy: u32,
    /// Lost on its way.
    pub request_lost: u32,
    /// Had its effect, its answer is lost.
    pub answer_lost: u32,
    /// A received message stays visible as well: somebody else gets it too. Queues only.
    pub duplicated: u32,
}

/// Decides over the calls of all wrappers that share it, counted together: one enumeration covers
/// the table and the queue of a process. The same seed and order of calls give the same faults.
#[derive(Clone)]
pub struct FaultPlan(Arc<Mutex<State>>);

struct State {
    scripted: BTreeMap<u64, CallFault>,
    rates: CallFaultRates,
    chance: ChaCha20Rng,
    calls: u64,
    faults: u64,
    is_dead: bool,
}

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Happen.
    Normal,
    /// Happen, and then report that nobody answered.
    ThenLoseAnswer,
    /// Not happen, and report that nobody answered.
    Lost,
    /// Not happen, and report that the other side is busy.
    Busy,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            scripted: BTreeMap::new(),
            rates: CallFaultRates::default(),
            chance: ChaCha20Rng::seed_from_u64(0),
            calls: 0,
            faults: 0,
            is_dead: false,
        })))
    }
}

impl FaultPlan {
    /// Nothing fails yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the `number`-th call (1 is the first, counted from the beginning) fail.
    #[must_use]
    pub fn at(self, number: u64, fault: CallFault) -> Self {
        self.lock().scripted.insert(number, fault);
        self
    }

    /// Makes calls fail by chance.
    #[must_use]
    pub fn by_chance(self, seed: u64, rates: CallFaultRates) -> Self {
        {
            let mut state = self.lock();
            state.chance = ChaCha20Rng::seed_from_u64(seed);
            state.rates = rates;
        }
        self
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
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

    /// From now on nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.scripted.clear();
        state.rates = CallFaultRates::default();
        state.is_dead = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_call(&self) -> Effect {
        let mut state = self.lock();
        state.calls += 1;
        if state.is_dead {
            return Effect::Lost;
        }
        let number = state.calls;
        if let Some(fault) = state.scripted.remove(&number) {
            state.faults += 1;
            state.is_dead = matches!(fault, CallFault::DieBefore | CallFault::DieAfter);
            return match fault {
                CallFault::DieBefore | CallFault::RequestLost => Effect::Lost,
                CallFault::DieAfter | CallFault::AnswerLost => Effect::ThenLoseAnswer,
                CallFault::Busy => Effect::Busy,
            };
        }
        let rates = state.rates;
        if state.happens(rates.busy) {
            Effect::Busy
        } else if state.happens(rates.request_lost) {
            Effect::Lost
        } else if state.happens(rates.answer_lost) {
            Effect::ThenLoseAnswer
        } else {
            Effect::Normal
        }
    }

    pub(crate) fn is_duplicated(&self) -> bool {
        let mut state = self.lock();
        let rate = state.rates.duplicated;
        state.happens(rate)
    }
}

impl State {
    fn happens(&mut self, rate: u32) -> bool {
        let happens = rate > 0 && self.chance.random_range(0..1_000) < rate;
        self.faults += u64::from(happens);
        happens
    }
}
