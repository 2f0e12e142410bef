//! Ready-made worlds for tests.

use std::sync::Arc;

use chrono::DateTime;
use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use mailkeep_ports::{Clock, MemoryStore, SeededRng, TestClock};
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::core::MailboxCore;
use crate::ids::MailboxId;
use crate::keys::MailboxKeys;

/// A world in memory, the same for every run.
pub(crate) fn context() -> VaultContext {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    VaultContext {
        store: Arc::new(MemoryStore::new(Arc::clone(&clock))),
        clock,
        rng: Arc::new(SeededRng::new(7)),
    }
}

/// A profile.
pub(crate) fn profile(id: &str) -> MailboxProfile {
    MailboxProfile {
        id: SourceMailboxId(id.into()),
        address: format!("{id}@example.com"),
        display_name: id.to_uppercase(),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    }
}

/// Keys that depend on `seed` only.
pub(crate) fn keys(seed: u8) -> MailboxKeys {
    MailboxKeys::new(&Zeroizing::new([seed; 32]), 1).unwrap()
}

/// A mailbox without a vault around it.
pub(crate) fn mailbox(ctx: &VaultContext, seed: u8) -> MailboxCore {
    MailboxCore {
        ctx: ctx.clone(),
        id: MailboxId::from_digest(&[seed; 16]),
        realm: "tenant".into(),
        profile: profile("ada"),
        keys: keys(seed),
        honours_create: true,
        trusts_copies: true,
    }
}
