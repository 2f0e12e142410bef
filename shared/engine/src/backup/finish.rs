//! How a mailbox's backup ends: outcome, counts, the last commit.

use mailkeep_exchange::SourceError;
use mailkeep_model::{FailureClass, MailboxOutcome};
use mailkeep_vault::{EndOfRun, VaultError};

use super::halt::Halt;
use super::session::Session;
use crate::error::vault_code;

impl Session {
    /// Ends the mailbox: commits what is staged and says how it went.
    pub(super) async fn finish(&mut self, result: Result<(), Halt>) -> MailboxOutcome {
        self.count_traffic();
        let outcome = match result {
            Err(Halt::Vault(error)) => return failed_vault(&error),
            Err(Halt::Stopped) => MailboxOutcome::Stopped,
            Err(Halt::Wait(error)) => self.told_to_wait(&error),
            Err(Halt::Source(error)) => failed(&error),
            Ok(()) => {
                self.compare_counts();
                self.reached_the_end()
            }
        };
        let is_news = self.is_substantive || self.last_outcome() != Some(&outcome);
        let is_durable = matches!(
            outcome,
            MailboxOutcome::Complete | MailboxOutcome::WithGaps { .. }
        );
        if self.is_substantive || (is_durable && (is_news || self.are_cursors_old())) {
            let end = EndOfRun {
                outcome: outcome.clone(),
                counters: self.counters.clone(),
            };
            if let Err(halt) = self.commit(Some(end)).await {
                return match halt {
                    Halt::Vault(error) => failed_vault(&error),
                    Halt::Source(error) | Halt::Wait(error) => failed(&error),
                    Halt::Stopped => MailboxOutcome::Stopped,
                };
            }
        }
        outcome
    }

    /// How the run before this one ended here.
    fn last_outcome(&self) -> Option<&MailboxOutcome> {
        Some(&self.newest.as_ref()?.end.as_ref()?.outcome)
    }

    fn reached_the_end(&self) -> MailboxOutcome {
        if let Some((_, error)) = self.incomplete.iter().next()
            && self.incomplete.len() == self.scope.len()
        {
            return failed(error);
        }
        let gaps = u64::try_from(self.ledger.len()).unwrap_or(u64::MAX);
        if gaps == 0 && self.incomplete_folders() == 0 {
            MailboxOutcome::Complete
        } else {
            MailboxOutcome::WithGaps { gaps }
        }
    }

    /// Folders that did not reach their last page; an unread tree counts as one.
    pub(super) fn incomplete_folders(&self) -> u64 {
        let folders = self.incomplete.len() + usize::from(self.tree_failure.is_some());
        u64::try_from(folders).unwrap_or(u64::MAX)
    }

    fn told_to_wait(&mut self, error: &SourceError) -> MailboxOutcome {
        let now = self.context.engine.clock().now();
        let until = self
            .context
            .source
            .throttled_until(&self.mailbox)
            .or_else(|| {
                let wait = chrono::TimeDelta::from_std(error.retry_after?).ok()?;
                now.checked_add_signed(wait)
            });
        self.warnings.push(match until {
            Some(until) => format!(
                "the service asks to wait until {}; what was read is kept and the next run goes on",
                until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ),
            None => {
                "the service asks to wait; what was read is kept and the next run goes on".into()
            }
        });
        MailboxOutcome::Stopped
    }
}

/// The outcome of a mailbox that the source does not let us read.
pub(super) fn failed(error: &SourceError) -> MailboxOutcome {
    MailboxOutcome::Failed {
        class: error.class,
        code: error.code.clone(),
        message: format!("{error}. {}", error.class.advice()),
    }
}

/// The outcome of a mailbox whose vault failed.
pub(super) fn failed_vault(error: &VaultError) -> MailboxOutcome {
    MailboxOutcome::Failed {
        class: FailureClass::Vault,
        code: vault_code(error).into(),
        message: match error {
            VaultError::Corrupt { .. } | VaultError::Missing { .. } => {
                format!("{error}; or run `mailkeep repair`, which keeps what is left")
            }
            _ => error.to_string(),
        },
    }
}
