//! One suite per trait. Every adapter runs the suite of its trait in its tests; a suite returns the
//! first clause of the contract that does not hold.

mod clock;
mod conditions;
mod hooks;
mod key_service;
mod listing;
mod logs;
mod notify;
mod object_lock;
mod objects;
mod queue;
mod rng;
mod secrets;
mod store;
mod table;

pub use clock::clock;
pub use hooks::{KnownHooks, hooks};
pub use key_service::key_service;
pub use logs::logs;
pub use notify::{KnownRecipients, Mailroom, message, notify};
pub use queue::{QueueUnderTest, queue};
pub use rng::rng;
pub use secrets::{KnownSecrets, secrets};
pub use store::{StoreUnderTest, StoreWays, store};
pub use table::{FreshTable, table};

use crate::store::{Key, StoreError, StoreErrorKind};

/// A clause of a contract that an adapter breaks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{clause}: {detail}")]
pub struct Broken {
    /// The clause in words.
    pub clause: String,
    /// What happened instead.
    pub detail: String,
}

fn broken(clause: &str, detail: impl Into<String>) -> Broken {
    Broken {
        clause: clause.to_owned(),
        detail: detail.into(),
    }
}

fn check(holds: bool, clause: &str, detail: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(broken(clause, detail()))
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(
    actual: &T,
    expected: &T,
    clause: &str,
) -> Result<(), Broken> {
    check(actual == expected, clause, || {
        format!("expected {expected:?}, got {actual:?}")
    })
}

/// The call has to succeed.
fn done<T>(result: Result<T, StoreError>, clause: &str) -> Result<T, Broken> {
    result.map_err(|error| broken(clause, format!("{:?}: {error}", error.kind)))
}

/// The call has to fail in one of these ways.
fn refused<T>(
    result: Result<T, StoreError>,
    kinds: &[StoreErrorKind],
    clause: &str,
) -> Result<(), Broken> {
    match result {
        Ok(_) => Err(broken(clause, format!("expected {kinds:?}, it succeeded"))),
        Err(error) => check(kinds.contains(&error.kind), clause, || {
            format!("expected {kinds:?}, got {:?}: {error}", error.kind)
        }),
    }
}

fn key(name: &str) -> Result<Key, Broken> {
    done(Key::new(name), "valid names are accepted")
}
