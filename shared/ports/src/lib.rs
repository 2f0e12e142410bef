//! The small traits at the edges of mailkeep: [`Store`], [`Table`], [`Queue`], [`Clock`], [`Rng`],
//! [`Secrets`], [`KeyService`], [`Notify`], [`HookRunner`], [`LogSink`]; the wrappers around them and one conformance
//! suite per trait that every adapter runs.
//!
//! Architecture invariant: nothing outside the adapters of these traits touches a disk, a network,
//! the clock, a timer or the system's randomness.

pub mod clock;
pub mod conformance;
pub mod damage;
pub mod fault;
pub mod faults;
pub mod hook;
pub mod key_service;
pub mod links;
pub mod log_sink;
pub mod memory;
pub mod notify;
pub mod overlay;
pub mod probe;
pub mod queue;
pub mod record;
pub mod retry;
pub mod rng;
pub mod secrets;
pub mod seeded_rng;
pub mod store;
pub mod table;
pub mod test_clock;
pub mod usage;

pub use clock::Clock;
pub use damage::{Damage, damage};
pub use fault::{Conditions, Fault, FaultRates, FaultStore};
pub use faults::{CallFault, CallFaultRates, FaultPlan};
pub use hook::{HookCall, HookFault, HookReport, HookRunner, HookTarget, MemoryHooks};
pub use key_service::{
    KeyService, KeyServiceError, KeyServiceErrorKind, MemoryKeyService, ServiceSecret,
};
pub use links::Links;
pub use log_sink::{LogError, LogErrorKind, LogInfo, LogName, LogSink, MemoryLogs};
pub use memory::MemoryStore;
pub use notify::{MemoryNotify, Message, Notify, NotifyError, NotifyErrorKind, Recipient};
pub use overlay::OverlayStore;
pub use probe::probe;
pub use queue::{
    Depth, FaultQueue, MemoryQueue, Outgoing, Queue, QueueError, QueueErrorKind, Receipt, Received,
};
pub use record::{Call, CallCount, RecordStore, Verb};
pub use retry::{RetryPolicy, RetryStore};
pub use rng::Rng;
pub use secrets::{SecretError, Secrets};
pub use seeded_rng::SeededRng;
pub use store::{
    ByteRange, Condition, DEFAULT_LIST_LIMIT, ETag, GetOptions, Key, ListOptions, ListPage,
    LockMode, MAX_BODY_BYTES, MAX_LIST_LIMIT, Object, ObjectInfo, PutOptions, Retention,
    StorageClass, Store, StoreCapabilities, StoreError, StoreErrorKind, sha256,
};
pub use table::{
    Expect, FaultTable, Item, ItemKey, ItemPage, MemoryTable, Query, Table, TableError,
    TableErrorKind, Write,
};
pub use test_clock::TestClock;
pub use usage::{Usage, UsageCounts, UsageQueue, UsageStore, UsageTable};
