//! Policies, and the time that is believed.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use mailkeep_model::{RetentionPolicy, TrustedNow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::documents::PutMode;
use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::retain::hold::Hold;
use crate::vault::Vault;

/// Kind of the documents that hold policies.
const POLICY: &str = "policy";
/// Name of the vault's own policy; the others have a mailbox's id.
const DEFAULT: &str = "default";
/// Kind and name of the document that holds the time that a person confirmed last.
const CLOCK: (&str, &str) = ("clock", "confirmed");

/// What a policy is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyScope {
    /// Every mailbox without a policy of its own.
    Default,
    /// One mailbox.
    Mailbox(MailboxId),
}

impl PolicyScope {
    fn name(&self) -> &str {
        match self {
            Self::Default => DEFAULT,
            Self::Mailbox(id) => id.as_str(),
        }
    }
}

/// Everything that decides about retention in a vault, read at one time.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// The policy of mailboxes without one of their own.
    pub default: RetentionPolicy,
    /// Policies of single mailboxes.
    pub overrides: BTreeMap<MailboxId, RetentionPolicy>,
    /// Legal holds.
    pub holds: Vec<Hold>,
    /// The time when a person last confirmed the clock.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// Times of runs, a chain of signs of life.
    pub signs: Vec<DateTime<Utc>>,
    /// The clock.
    pub clock: DateTime<Utc>,
}

impl RetentionSettings {
    /// The policy that counts for a mailbox.
    #[must_use]
    pub fn policy(&self, mailbox: &MailboxId) -> RetentionPolicy {
        self.overrides.get(mailbox).copied().unwrap_or(self.default)
    }

    /// The holds that concern a mailbox.
    pub fn holds_of<'a>(&'a self, mailbox: &'a MailboxId) -> impl Iterator<Item = &'a Hold> {
        self.holds.iter().filter(|hold| hold.concerns(mailbox))
    }

    /// The time to count back from in a mailbox with commits at these times.
    pub(crate) fn now(&self, commits: &[DateTime<Utc>]) -> TrustedNow {
        let first = commits.iter().chain(&self.signs).min().copied();
        let anchor = self.confirmed_at.or(first).unwrap_or(self.clock);
        let signs = commits.iter().chain(&self.signs).copied();
        TrustedNow::follow(anchor, signs, self.clock)
    }
}

impl Vault {
    /// Reads everything that decides about retention.
    ///
    /// # Errors
    /// When a policy or a hold cannot be read: nothing is decided without all of them.
    pub async fn retention_settings(&self) -> Result<RetentionSettings, VaultError> {
        let mut default = RetentionPolicy::default();
        let mut overrides = BTreeMap::new();
        for name in self.documents(POLICY).await? {
            let Some(bytes) = self.document(POLICY, &name).await? else {
                continue;
            };
            let policy = decode("a retention policy", &bytes)?;
            if name == DEFAULT {
                default = policy;
            } else {
                overrides.insert(MailboxId::from_str(&name)?, policy);
            }
        }
        let confirmed_at = match self.document(CLOCK.0, CLOCK.1).await? {
            None => None,
            Some(bytes) => Some(decode("the confirmed time", &bytes)?),
        };
        Ok(RetentionSettings {
            default,
            overrides,
            holds: self.holds().await?,
            confirmed_at,
            signs: self.signs_of_life(confirmed_at).await?,
            clock: self.inner.ctx.clock.now(),
        })
    }

    /// Sets a policy.
    ///
    /// # Errors
    /// A store error.
    pub async fn set_policy(
        &self,
        scope: &PolicyScope,
        policy: &RetentionPolicy,
    ) -> Result<(), VaultError> {
        self.put_document(POLICY, scope.name(), &encode(policy)?, PutMode::Replace)
            .await
    }

    /// Removes a policy: a mailbox has the vault's again, the vault keeps everything.
    ///
    /// # Errors
    /// A store error.
    pub async fn remove_policy(&self, scope: &PolicyScope) -> Result<(), VaultError> {
        self.delete_document(POLICY, scope.name()).await
    }

    /// Notes that a person checked the clock: retention believes it again after a long silence.
    ///
    /// # Errors
    /// A store error.
    pub async fn confirm_clock(&self) -> Result<(), VaultError> {
        let now = encode(&self.inner.ctx.clock.now())?;
        self.put_document(CLOCK.0, CLOCK.1, &now, PutMode::Replace)
            .await
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, VaultError> {
    serde_json::to_vec(value).map_err(|error| VaultError::bug(format!("a document: {error}")))
}

/// Fields that are not known are an error: a rule that is read in part would be another rule.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, VaultError> {
    serde_json::from_slice(bytes).map_err(|error| {
        VaultError::corrupt(
            what,
            format!(
                "line {} column {} is not understood; perhaps a newer mailkeep wrote it",
                error.line(),
                error.column()
            ),
        )
    })
}
