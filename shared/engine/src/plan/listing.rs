//! Finding the mailboxes of a cycle, page by page, and making a task for each.

use std::collections::BTreeSet;

use mailkeep_exchange::SourceError;
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{MailboxHealth, Reason, TaskEnd};
use mailkeep_model::{FailureClass, LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use mailkeep_ports::Write;

use super::Planner;
use super::agenda::Agenda;
use super::wanted::Wanted;
use crate::job::MailboxRecord;
use crate::ledger::{EventRecord, JobError, JobEvent, Made, Tries, Versioned, create, replace};
use crate::run::{RunRecord, RunScope, TaskRecord, stillborn};
use crate::work::ScopePage;

/// Mailboxes per transaction: two writes each, and the cycle.
const CHUNK: usize = 10;

impl Planner {
    /// Lists further mailboxes if there are any; `true` when the cycle was changed.
    pub(super) async fn list(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        agenda: &mut Agenda,
    ) -> Result<bool, JobError> {
        let listing = &run.value.listing;
        if listing.is_done {
            return Ok(false);
        }
        if let Some(not_before) = listing.not_before.filter(|at| *at > agenda.now) {
            agenda.at(not_before);
            return Ok(false);
        }
        let mut cursor = listing.cursor.clone();
        for _ in 0..self.settings.pages.max(1) {
            let page = match self.site.page(definition, cursor.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    self.listing_failed(run, definition, &error).await?;
                    return Ok(true);
                }
            };
            self.take_page(run, definition, &page).await?;
            if page.next.is_none() {
                return Ok(true);
            }
            if page.next == cursor {
                let error = SourceError::new(
                    FailureClass::RequestBug,
                    "list mailboxes",
                    "endless_pages",
                    "the source's pages do not come to an end",
                );
                let current = self.ledger().run(&run.value.key).await?;
                if let Some(current) = current {
                    self.listing_failed(&current, definition, &error).await?;
                }
                return Ok(true);
            }
            cursor = page.next;
        }
        // The rest is for the next tick; tasks of these pages may be handed out meanwhile.
        agenda.at(agenda.now);
        Ok(false)
    }

    async fn take_page(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        page: &ScopePage,
    ) -> Result<(), JobError> {
        let key = &run.value.key;
        let wanted = Wanted::of(&run.value.scope, definition);
        let mut chosen = vec![];
        let mut found = BTreeSet::new();
        for mailbox in &page.mailboxes {
            let Some(place) = wanted.place(mailbox) else {
                continue;
            };
            found.extend(place);
            if run.value.scope == RunScope::Failed && !self.has_failed(run, &mailbox.id).await? {
                continue;
            }
            chosen.push(mailbox);
        }
        for chunk in chosen.chunks(CHUNK) {
            self.make_tasks(run, &page.realm, chunk).await?;
        }
        let mut tries = Tries::new();
        loop {
            let Some(current) = self.ledger().run(key).await? else {
                return Ok(());
            };
            let mut next = current.value.clone();
            next.listing.found.extend(found.iter().copied());
            next.listing.failures = 0;
            next.listing.not_before = None;
            next.listing.cursor.clone_from(&page.next);
            let mut writes = vec![];
            if page.next.is_none() {
                next.listing.is_done = true;
                for name in wanted.missing(&next.listing.found).into_iter().take(CHUNK) {
                    writes.extend(self.not_listed(&mut next, definition, page, name).await?);
                }
                next.listing.found.clear();
            }
            if next.listing == current.value.listing {
                return Ok(());
            }
            writes.push(replace(key.run()?, current.version, &next)?);
            if self.ledger().transact(writes, &mut tries).await? == Made::Yes {
                return Ok(());
            }
        }
    }

    /// Makes the tasks that are not there yet.
    async fn make_tasks(
        &self,
        run: &Versioned<RunRecord>,
        realm: &str,
        mailboxes: &[&MailboxProfile],
    ) -> Result<(), JobError> {
        let key = &run.value.key;
        let mut tries = Tries::new();
        loop {
            let Some(current) = self.ledger().run(key).await? else {
                return Ok(());
            };
            let mut next = current.value;
            let mut writes = vec![];
            for mailbox in mailboxes {
                let task = key.task(&mailbox.id);
                if self.ledger().task(&task).await?.is_some() {
                    continue;
                }
                // All are due from the opening on, in the order of their names: the same whoever lists.
                let at = next.opened_at;
                let record = TaskRecord::new(task.clone(), realm, (*mailbox).clone(), at);
                writes.push(create(task.task()?, &record)?);
                writes.push(Write::create(task.wait(at.timestamp_millis())?, ""));
                next.waiting += 1;
            }
            if writes.is_empty() {
                return Ok(());
            }
            writes.push(replace(key.run()?, current.version, &next)?);
            if self.ledger().transact(writes, &mut tries).await? == Made::Yes {
                return Ok(());
            }
        }
    }

    /// A mailbox that the scope names and the source does not list: a task that failed.
    async fn not_listed(
        &self,
        run: &mut RunRecord,
        definition: &JobDefinition,
        page: &ScopePage,
        name: &str,
    ) -> Result<Vec<Write>, JobError> {
        let now = self.ledger().clock().now();
        let mailbox = MailboxProfile {
            id: SourceMailboxId(name.to_owned()),
            address: name.to_owned(),
            display_name: String::new(),
            kind: MailboxKind::Other,
            license: LicenseState::Unknown,
            account_enabled: true,
        };
        let key = run.key.task(&mailbox.id);
        if self.ledger().task(&key).await?.is_some() {
            return Ok(vec![]);
        }
        let end = TaskEnd::Failed(Reason::Failure(FailureClass::MailboxGone));
        let mut task = TaskRecord::new(key, &page.realm, mailbox, now);
        "the source lists no mailbox by this address or id".clone_into(&mut task.message);
        run.tally.add(end);
        let event = EventRecord {
            at: now,
            job: run.key.job.clone(),
            name: definition.name.clone(),
            cycle: Some(run.key.cycle),
            event: JobEvent::NotListed {
                mailbox: name.to_owned(),
            },
        };
        let cause = format!("absent-{}-{}", run.key.cycle, task.key.name);
        Ok(vec![stillborn(task, end, now)?, event.write(&cause)?])
    }

    async fn has_failed(
        &self,
        run: &Versioned<RunRecord>,
        mailbox: &SourceMailboxId,
    ) -> Result<bool, JobError> {
        let key = run.value.key.job.mailbox(mailbox)?;
        let record: Option<Versioned<MailboxRecord>> = self.ledger().read(&key).await?;
        Ok(record.is_some_and(|record| record.value.health == MailboxHealth::Error))
    }
}
