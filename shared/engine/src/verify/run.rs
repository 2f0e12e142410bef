//! Verifying mailboxes one after another.

use std::sync::Arc;

use mailkeep_model::{FailureClass, Gap};
use mailkeep_vault::{MailboxId, VaultError};

use super::items::ItemCheck;
use super::locks;
use super::objects::ObjectCheck;
use super::rebuild;
use super::rest;
use super::{Finding, FindingKind, VerifyLevel, VerifyReport, VerifyRequest};
use crate::{Engine, EngineError, Event, Observer, StopSignal};

/// Findings kept in a report.
const MAX_FINDINGS: usize = 10_000;

/// Verifies. Damage is a finding, not an error, and never hides what else is wrong.
///
/// # Errors
/// When the vault cannot be listed at all.
pub async fn run(
    engine: &Engine,
    request: &VerifyRequest,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<VerifyReport, EngineError> {
    let mut report = VerifyReport::default();
    for listing in engine.vault().mailboxes().await? {
        if !request.mailboxes.is_empty() && !request.mailboxes.contains(&listing.id) {
            continue;
        }
        if stop.is_stopped() {
            report.is_stopped = true;
            break;
        }
        report.mailboxes += 1;
        let place = Place {
            mailbox: listing.id.clone(),
            address: listing
                .details
                .as_ref()
                .ok()
                .map(|d| d.profile.address.clone()),
        };
        if let Err(VaultError::Erased {
            is_finished: true, ..
        }) = &listing.details
        {
            // Nothing is promised about it any more.
            continue;
        }
        if let Err(error) = &listing.details {
            report.add_error(&place, None, None, error);
            continue;
        }
        let mut check = MailboxCheck {
            engine,
            request,
            observer: &*observer,
            stop: &stop,
            place: &place,
            report: &mut report,
        };
        if let Err(error) = check.mailbox(&listing.id).await {
            report.add_error(&place, None, None, &error);
        }
    }
    if request.mailboxes.is_empty() && !report.is_stopped {
        locks::check(engine.vault(), &mut report).await?;
        if request.level == VerifyLevel::Full {
            rest::check(engine.vault(), &mut report).await?;
        }
    }
    Ok(report)
}

/// Whose findings these are.
pub(super) struct Place {
    pub(super) mailbox: MailboxId,
    pub(super) address: Option<String>,
}

struct MailboxCheck<'a> {
    engine: &'a Engine,
    request: &'a VerifyRequest,
    observer: &'a dyn Observer,
    stop: &'a StopSignal,
    place: &'a Place,
    report: &'a mut VerifyReport,
}

impl MailboxCheck<'_> {
    async fn mailbox(&mut self, id: &MailboxId) -> Result<(), VaultError> {
        let mailbox = self.engine.vault().mailbox(id).await?;
        let view = mailbox.view().await?;
        let mut objects = ObjectCheck {
            engine: self.engine,
            mailbox: id,
            view: &view,
            place: self.place,
            level: self.request.level,
            limit: self.request.concurrent_items.max(1),
            stop: self.stop,
            report: self.report,
        };
        objects.all().await?;
        for sequence in view.rebuilt_commits() {
            self.report.add(Finding {
                mailbox: id.to_string(),
                address: self.place.address.clone(),
                item: None,
                folder: None,
                kind: FindingKind::Gap,
                message: format!(
                    "commit {sequence} was lost to damage and rebuilt from what was left; what only it held is missing at that point in time"
                ),
            });
        }
        for gap in view.gaps() {
            let folder = view.folder(&gap.folder);
            self.report.add(Finding {
                mailbox: id.to_string(),
                address: self.place.address.clone(),
                item: None,
                folder: folder.map(|folder| folder.path.to_string()),
                kind: FindingKind::Gap,
                message: gap_message(&gap),
            });
        }
        self.report.items_known += view.counts().versions;
        let (percent, some) = match self.request.level {
            VerifyLevel::Listing | VerifyLevel::Quick | VerifyLevel::Part { .. } => return Ok(()),
            VerifyLevel::Rebuild => {
                return rebuild::check(&view, self.place, self.report).await;
            }
            VerifyLevel::Full => (100, None),
            VerifyLevel::Sample(percent) => (percent.clamp(1, 100), None),
            VerifyLevel::RestoreTest(number) => (100, usize::try_from(number).ok()),
        };
        let mut check = ItemCheck {
            view: &view,
            place: self.place,
            percent,
            seed: self.engine.rng().next_u64(),
            limit: self.request.concurrent_items.max(1),
            stop: self.stop,
            report: self.report,
            checked: 0,
        };
        if let Some(number) = some {
            return check.some(number, &**self.engine.rng()).await;
        }
        let observer = self.observer;
        let expected = view.counts().items;
        check
            .all(&mut |checked| {
                observer.event(&Event::VerifyProgress {
                    mailbox: id.to_string(),
                    checked,
                    expected: Some(expected),
                });
            })
            .await
    }
}

/// A gap in words.
fn gap_message(gap: &Gap) -> String {
    let since = gap.first_failed_at.format("%Y-%m-%d");
    if gap.failure.class == FailureClass::Vault {
        return format!(
            "the vault lost an item's content to damage, which is known since {since}; the next backup fetches it again"
        );
    }
    format!(
        "an item could not be read at the source ({}, tried {} times since {since}); every run tries it again",
        gap.failure.code, gap.attempts,
    )
}

impl VerifyReport {
    pub(super) fn add(&mut self, finding: Finding) {
        if finding.kind.is_damage() {
            self.damaged += 1;
        } else {
            self.notes += 1;
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub(super) fn add_error(
        &mut self,
        place: &Place,
        item: Option<&str>,
        folder: Option<String>,
        error: &VaultError,
    ) {
        self.add(Finding {
            mailbox: place.mailbox.to_string(),
            address: place.address.clone(),
            item: item.map(ToOwned::to_owned),
            folder,
            kind: match error {
                VaultError::Missing { .. } => FindingKind::Missing,
                VaultError::Lost { .. } => FindingKind::Gap,
                VaultError::NewerThanMe { .. } => FindingKind::TooNew,
                VaultError::Corrupt { .. } | VaultError::WrongKey { .. } => FindingKind::Corrupt,
                _ => FindingKind::Unreadable,
            },
            message: error.to_string(),
        });
    }
}
