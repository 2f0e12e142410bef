//! From the outbox to those who are told.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::{Expect, Item, ItemKey, Notify, NotifyError, NotifyErrorKind, Write};

use super::list::Undelivered;
use super::records::{Envelope, KEPT, Lease, TargetState, To, decode, encode, failure_code};
use super::{Desk, NewsError, Worked, records};

/// How long a delivery may take before somebody else may deliver.
const LEASE: TimeDelta = TimeDelta::minutes(15);
/// Nothing is collected for longer than a day, so what is due later was written by a clock that was
/// wrong.
const LATEST: TimeDelta = TimeDelta::hours(25);
/// Deliveries that fail are repeated for so long, and at least so often, whatever the clock does.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
const LEAST_ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What was learned in one round of deliveries.
#[derive(Default)]
pub(super) struct Round {
    /// The mail server does not take mail now: the others need not try.
    is_mail_down: bool,
}

impl Desk {
    /// Delivers a message to everybody who does not have it yet, if it is due and nobody else does.
    pub(super) async fn send(
        &self,
        notify: &dyn Notify,
        item: &Item,
        round: &mut Round,
        worked: &mut Worked,
    ) -> Result<(), NewsError> {
        let mut envelope: Envelope = decode(item)?;
        let now = self.clock.now();
        if !self.may_send(&envelope, now) {
            return Ok(());
        }
        let message = envelope.message()?;
        let mut version = item.version;
        let mut asked = Duration::ZERO;
        self.hold(&item.key, &mut version, &mut envelope).await?;
        for index in 0..envelope.targets.len() {
            let Some(target) = envelope.targets.get(index).filter(|it| it.is_waiting()) else {
                continue;
            };
            let (to, is_mail) = (target.recipient(), matches!(target.to, To::Mail(_)));
            if is_mail && round.is_mail_down {
                worked.postponed += 1;
                continue;
            }
            let state = match notify.deliver(&to, &message).await {
                Ok(()) => {
                    worked.delivered += 1;
                    TargetState::Delivered
                }
                Err(error) => {
                    round.is_mail_down |= is_mail && is_of_server(&error);
                    asked = asked.max(error.retry_after.unwrap_or_default());
                    let is_late = envelope.attempts >= LEAST_ATTEMPTS
                        && now - envelope.first_due_at >= PATIENCE;
                    failed(&error, is_late, worked)
                }
            };
            if let Some(target) = envelope.targets.get_mut(index) {
                target.state = state;
            }
            self.hold(&item.key, &mut version, &mut envelope).await?;
        }
        self.put_down(&item.key, version, envelope, asked).await
    }

    fn may_send(&self, envelope: &Envelope, now: DateTime<Utc>) -> bool {
        let is_due = envelope.due_at <= now || envelope.due_at > now + LATEST;
        let is_held = envelope.lease.as_ref().is_some_and(|lease| {
            lease.by != self.name && lease.until > now && lease.until <= now + LEASE
        });
        is_due && !is_held
    }

    /// Keeps what was delivered, and others from delivering.
    async fn hold(
        &self,
        key: &ItemKey,
        version: &mut u64,
        envelope: &mut Envelope,
    ) -> Result<(), NewsError> {
        envelope.lease = Some(Lease {
            by: self.name.clone(),
            until: self.clock.now() + LEASE,
        });
        let write = Write::replace(key.clone(), *version, encode(envelope)?);
        *version = self.table.write(write).await?;
        Ok(())
    }

    /// After a round: to be tried again, or done.
    async fn put_down(
        &self,
        key: &ItemKey,
        version: u64,
        mut envelope: Envelope,
        asked: Duration,
    ) -> Result<(), NewsError> {
        let now = self.clock.now();
        if envelope.targets.iter().any(|target| target.is_waiting()) {
            let doublings = envelope.attempts.min(6);
            let wait = FIRST_WAIT * 2_u32.pow(doublings);
            let wait = wait.max(asked).min(LONGEST_WAIT);
            envelope.attempts += 1;
            envelope.lease = None;
            envelope.due_at = now + TimeDelta::from_std(wait).unwrap_or(PATIENCE);
            let write = Write::replace(key.clone(), version, encode(&envelope)?);
            self.table.write(write).await?;
            return Ok(());
        }
        let mut writes = vec![Write::Delete {
            key: key.clone(),
            version,
        }];
        if let Some(undelivered) = Undelivered::of(&envelope, now) {
            writes.push(Write::Put {
                key: records::undelivered(now, &envelope.id)?,
                expect: Expect::Absent,
                body: encode(&undelivered)?.into(),
                expires_at: now.checked_add_signed(KEPT),
            });
        }
        Ok(self.table.transact(writes).await?)
    }
}

/// True when the server is the cause, not the recipient.
fn is_of_server(error: &NotifyError) -> bool {
    matches!(
        error.kind,
        NotifyErrorKind::Unreachable | NotifyErrorKind::Denied
    )
}

/// What becomes of a recipient after a failure. A server that lets nobody in is tried again, too:
/// bad news should not be lost because a password has expired.
fn failed(error: &NotifyError, is_late: bool, worked: &mut Worked) -> TargetState {
    let code = failure_code(error.kind);
    let words = format!("{code}: {error}");
    let may_pass = error.is_retryable() || error.kind == NotifyErrorKind::Denied;
    if may_pass && !is_late {
        worked.postponed += 1;
        return TargetState::Waiting(Some(words));
    }
    worked.failed += 1;
    tracing::error!(code, "news could not be delivered: {error}");
    TargetState::Failed(words)
}
