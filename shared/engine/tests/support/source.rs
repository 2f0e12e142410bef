//! The tenant as a `Source`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use mailkeep_exchange::{
    ChangePage, Cursor, FolderCursor, ItemContent, MailboxPage, PermissionCheck, Source,
    SourceError, SourceItem, SourceMetrics, SyncRequest, SyncRound,
};
use mailkeep_model::{
    FailureClass, Item, ItemId, LicenseState, MailboxKind, MailboxProfile, Representation,
    SourceMailboxId,
};

use super::fault::{Fault, Op, Rule, Script, error};
use super::model::FakeMailbox;

/// What a call was about, in order.
pub type Call = (Op, String, String);

pub type Hook = Box<dyn FnMut(&Call) + Send>;

#[derive(Default)]
pub struct State {
    pub mailboxes: BTreeMap<String, FakeMailbox>,
    pub script: Script,
    pub calls: Vec<Call>,
    pub throttled_until: Option<DateTime<Utc>>,
    /// Runs after every call; for changes that happen meanwhile, and for stop signals.
    pub hook: Option<Hook>,
    /// At which call that changes a target it goes wrong, and how.
    pub end: Option<(u32, End)>,
    /// Calls that changed a target, or were to.
    pub changing_calls: u32,
    pub is_dead: bool,
}

/// How a call that changes a target goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process dies before the call has its effect.
    DieBefore,
    /// The process dies after the call had its effect.
    DieAfter,
    /// The process dies between creating an item and finishing it.
    DieUnfinished,
    /// The call has its effect, and its answer is lost.
    AnswerLost,
}

/// A tenant.
#[derive(Clone, Default)]
pub struct FakeTenant(pub Arc<Mutex<State>>);

impl FakeTenant {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn add_mailbox(&self, id: &str) {
        let profile = MailboxProfile {
            id: SourceMailboxId(id.into()),
            address: format!("{id}@example.com"),
            display_name: id.into(),
            kind: MailboxKind::User,
            license: LicenseState::Licensed,
            account_enabled: true,
        };
        self.state()
            .mailboxes
            .insert(id.into(), FakeMailbox::new(profile));
    }

    pub fn with<T>(&self, mailbox: &str, f: impl FnOnce(&mut FakeMailbox) -> T) -> T {
        f(self.state().mailboxes.get_mut(mailbox).unwrap())
    }

    pub fn rule(&self, rule: Rule) {
        self.state().script.0.push(rule);
    }

    pub fn clear_rules(&self) {
        self.state().script.0.clear();
    }

    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    pub fn count(&self, op: Op) -> usize {
        self.state().calls.iter().filter(|c| c.0 == op).count()
    }

    pub fn fetches_of(&self, item: &str) -> usize {
        self.state()
            .calls
            .iter()
            .filter(|c| c.0 == Op::Content && c.2 == item)
            .count()
    }

    /// Before a call that changes a target: how it is to go wrong, if it is. An error when the process
    /// ends here or has ended.
    pub fn change(&self, op: Op) -> Result<Option<End>, SourceError> {
        let mut state = self.state();
        state.changing_calls += 1;
        let number = state.changing_calls;
        let end = state.end.filter(|(at, _)| *at == number).map(|it| it.1);
        state.is_dead |= end.is_some_and(|end| end != End::AnswerLost);
        let was_dead = state.is_dead && end.is_none();
        if was_dead || end == Some(End::DieBefore) {
            return Err(error(op, FailureClass::Connection));
        }
        Ok(end)
    }

    pub fn call(&self, op: Op, mailbox: &str, object: &str) -> Option<Fault> {
        let mut state = self.state();
        let call = (op, mailbox.to_owned(), object.to_owned());
        if let Some(mut hook) = state.hook.take() {
            hook(&call);
            state.hook = Some(hook);
        }
        state.calls.push(call);
        state.script.hit(op, mailbox, object)
    }

    pub fn check(&self, op: Op, mailbox: &str, object: &str) -> Result<(), SourceError> {
        match self.call(op, mailbox, object) {
            Some(Fault::Fail(class)) => Err(error(op, class)),
            _ => Ok(()),
        }
    }

    fn mailbox(&self, id: &SourceMailboxId) -> Result<FakeMailboxRef, SourceError> {
        if self.state().mailboxes.contains_key(id.as_str()) {
            Ok(FakeMailboxRef(self.clone(), id.0.clone()))
        } else {
            Err(error(Op::Sync, FailureClass::MailboxGone))
        }
    }
}

struct FakeMailboxRef(FakeTenant, String);

impl FakeMailboxRef {
    fn with<T>(&self, f: impl FnOnce(&mut FakeMailbox) -> T) -> T {
        self.0.with(&self.1, f)
    }
}

#[async_trait]
impl Source for FakeTenant {
    async fn mailboxes(&self, next: Option<&Cursor>) -> Result<MailboxPage, SourceError> {
        self.check(Op::Mailboxes, "", "")?;
        let state = self.state();
        let from: usize = next.map_or(0, |cursor| cursor.0.parse().unwrap());
        let page: Vec<_> = state.mailboxes.values().skip(from).take(2).collect();
        let end = from + page.len();
        Ok(MailboxPage {
            next: (end < state.mailboxes.len()).then(|| Cursor(end.to_string())),
            mailboxes: page.into_iter().map(|m| m.profile.clone()).collect(),
        })
    }

    async fn check_permissions(
        &self,
        _mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError> {
        Ok(vec![])
    }

    async fn sync(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError> {
        tokio::task::yield_now().await;
        self.check(Op::Sync, mailbox.as_str(), "")?;
        let fake = self.mailbox(mailbox)?;
        let tree = fake.with(|m| m.tree(request.tree_cursor.as_ref()));
        let mut pages = vec![];
        for folder in request.folders {
            let page = match self.check(Op::FirstPage, mailbox.as_str(), folder.folder.as_str()) {
                Ok(()) => fake.with(|m| m.page(folder.folder.as_str(), folder.cursor.as_ref())),
                Err(e) => Err(e),
            };
            pages.push((folder.folder, page));
        }
        Ok(SyncRound { tree, pages })
    }

    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        tokio::task::yield_now().await;
        self.check(Op::Changes, mailbox.as_str(), folder.folder.as_str())?;
        self.mailbox(mailbox)?
            .with(|m| m.page(folder.folder.as_str(), folder.cursor.as_ref()))
    }

    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        tokio::task::yield_now().await;
        let fault = self.call(Op::Content, mailbox.as_str(), item.id.as_str());
        let fake = self.mailbox(mailbox)?;
        let content = fake
            .with(|m| m.items.get(item.id.as_str()).map(|i| i.content.clone()))
            .ok_or_else(|| error(Op::Content, FailureClass::ItemGone))?;
        let mut pieces: Vec<Result<Bytes, SourceError>> = vec![];
        let whole = |content: &[u8]| -> Vec<Result<Bytes, SourceError>> {
            content
                .chunks(700)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect()
        };
        match fault {
            Some(Fault::Fail(class)) => return Err(error(Op::Content, class)),
            Some(Fault::Break(at)) => {
                pieces.extend(whole(&content[..at.min(content.len())]));
                pieces.push(Err(error(Op::Content, FailureClass::Connection)));
            }
            Some(Fault::Other(content)) => pieces.extend(whole(&content)),
            _ => pieces.extend(whole(&content)),
        }
        let pieces = futures::stream::iter(pieces).then(|piece| async {
            tokio::task::yield_now().await;
            piece
        });
        Ok(ItemContent {
            representation: Representation::Mime,
            rebuilt_because: None,
            mime: Box::pin(pieces),
        })
    }

    async fn locate(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        tokio::task::yield_now().await;
        self.check(Op::Locate, mailbox.as_str(), "")?;
        let fake = self.mailbox(mailbox)?;
        let mut answers = vec![];
        for id in items {
            let answer = match self.check(Op::LocateItem, mailbox.as_str(), id.as_str()) {
                Ok(()) => Ok(fake.with(|m| m.source_item(id.as_str())).map(Box::new)),
                Err(e) => Err(e),
            };
            answers.push((id.clone(), answer));
        }
        Ok(answers)
    }

    fn metrics(&self, _mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        SourceMetrics {
            requests: self.state().calls.len() as u64,
            ..SourceMetrics::default()
        }
    }

    fn throttled_until(&self, _mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        self.state().throttled_until
    }
}
