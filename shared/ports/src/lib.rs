//! The small traits at the edges of mailkeep: [`Store`], [`Clock`], [`Rng`], [`Secrets`]; the
//! wrappers around them and one conformance suite per trait that every adapter runs.
//!
//! Architecture invariant: nothing outside the adapters of these traits touches a disk, a network,
//! the clock, a timer or the system's randomness.

pub mod clock;
pub mod rng;
pub mod secrets;
pub mod store;

pub use clock::Clock;
pub use rng::Rng;
pub use secrets::{SecretError, Secrets};
pub use store::{
    ByteRange, Condition, ETag, GetOptions, Key, ListOptions, ListPage, LockMode, Object,
    ObjectInfo, PutOptions, Retention, StorageClass, Store, StoreCapabilities, StoreError,
    StoreErrorKind,
};
