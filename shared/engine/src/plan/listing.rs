//! Finding the mailboxes of a cycle, page by page, and making a task for each.

use std::collections::BTreeSet;

use mailkeep_exchange::SourceError;
use mailkeep_model::job::{JobDefinition, Mailboxes};
use mailkeep_model::state::{Event, MailboxHealth, Reason, Retry, TaskEnd};
use mailkeep_model::{FailureClass, LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use mailkeep_ports::Write;

use super::Planner;
use super::agenda::{Agenda, later};
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
            if page.next.is_none() || page.next == cursor {
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

    /// A page could not be read: tried again later, or up to a person, or given up.
    async fn listing_failed(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        error: &SourceError,
    ) -> Result<(), JobError> {
        let now = self.ledger().clock().now();
        let mut next = run.value.clone();
        next.listing.failures += 1;
        let jitter = u16::try_from(self.ledger().rng().next_u64() >> 48).unwrap_or_default();
        let retry = definition.retry.after(
            next.listing.failures,
            error.class,
            error.retry_after,
            jitter,
        );
        let whole = "(the list of mailboxes)".to_owned();
        let mut writes = vec![];
        let (event, cause) = match retry {
            Retry::After(wait) => {
                let not_before = later(now, wait);
                next.listing.not_before = Some(not_before);
                let event = JobEvent::AttemptFailed {
                    mailbox: whole,
                    reason: Reason::Failure(error.class),
                    next: not_before,
                };
                (
                    event,
                    format!("list-{}-{}", run.value.key.cycle, run.version),
                )
            }
            Retry::WaitForPerson(reason) => {
                let step = next.step(Event::NeedPerson(reason), now, &definition.name)?;
                writes.push(replace(run.value.key.run()?, run.version, &step.run)?);
                writes.push(step.event.write(&step.cause)?);
                writes.extend(step.news(None)?);
                let mut tries = Tries::new();
                let _: Made = self.ledger().transact(writes, &mut tries).await?;
                return Ok(());
            }
            Retry::GiveUp(_) | Retry::End(_) => {
                // What was listed is backed up; the rest counts as one that failed.
                next.listing.is_done = true;
                let end = TaskEnd::Failed(Reason::Failure(error.class));
                next.tally.add(end);
                let event = JobEvent::MailboxEnded {
                    mailbox: whole,
                    end,
                    message: error.to_string(),
                };
                (
                    event,
                    format!("list-{}-{}", run.value.key.cycle, run.version),
                )
            }
        };
        let event = EventRecord {
            at: now,
            job: next.key.job.clone(),
            name: definition.name.clone(),
            cycle: Some(next.key.cycle),
            event,
        };
        writes.push(event.write(&cause)?);
        writes.push(replace(run.value.key.run()?, run.version, &next)?);
        let mut tries = Tries::new();
        let _: Made = self.ledger().transact(writes, &mut tries).await?;
        Ok(())
    }
}

/// Which mailboxes of a page are wanted.
struct Wanted<'a> {
    definition: &'a JobDefinition,
    /// Named one by one: by the job, by the person who started the cycle, or both.
    by_job: Option<&'a [String]>,
    by_person: Option<&'a [String]>,
}

impl<'a> Wanted<'a> {
    fn of(scope: &'a RunScope, definition: &'a JobDefinition) -> Self {
        Self {
            definition,
            by_job: match &definition.scope.mailboxes {
                Mailboxes::Chosen(list) => Some(list),
                _ => None,
            },
            by_person: match scope {
                RunScope::Chosen(list) => Some(list),
                RunScope::All | RunScope::Failed => None,
            },
        }
    }

    /// The list whose names must all turn up.
    fn names(&self) -> &'a [String] {
        self.by_person.or(self.by_job).unwrap_or_default()
    }

    /// `None` for one that is not wanted; else its place among the names, if it is named.
    fn place(&self, mailbox: &MailboxProfile) -> Option<Option<u32>> {
        let scope = &self.definition.scope;
        let named = |list: &[String]| list.iter().position(|name| is_named(mailbox, name));
        if named(&scope.exclude).is_some() {
            return None;
        }
        let is_chosen = match self.by_job {
            Some(list) => named(list).is_some(),
            None => match mailbox.kind {
                MailboxKind::Shared => scope.shared,
                MailboxKind::Room => scope.rooms,
                MailboxKind::Equipment => scope.equipment,
                _ => true,
            },
        };
        if !is_chosen {
            return None;
        }
        match (self.by_person, self.by_job) {
            (Some(list), _) | (None, Some(list)) => {
                named(list).map(|place| u32::try_from(place).ok())
            }
            (None, None) => Some(None),
        }
    }

    fn missing(&self, found: &BTreeSet<u32>) -> Vec<&'a str> {
        let names = self.names().iter().enumerate();
        names
            .filter(|(place, _)| u32::try_from(*place).is_ok_and(|place| !found.contains(&place)))
            .map(|(_, name)| name.as_str())
            .collect()
    }
}

/// Addresses are compared without regard to letter case; ids exactly.
fn is_named(mailbox: &MailboxProfile, name: &str) -> bool {
    let name = name.trim();
    mailbox.id.as_str() == name || mailbox.address.to_lowercase() == name.to_lowercase()
}
