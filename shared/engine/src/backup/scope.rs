//! Which mailboxes a run works on, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use mailkeep_exchange::{Cursor, Source, SourceError};
use mailkeep_model::MailboxProfile;

use super::MailboxScope;

/// Pages in a row without any mailbox: a loop.
const MAX_EMPTY_PAGES: u32 = 1000;

/// The mailboxes in scope, one after another; holds one page of them.
pub(super) struct MailboxList {
    source: Arc<dyn Source>,
    /// What is still looked for; `None` takes every mailbox.
    wanted: Option<Vec<String>>,
    page: VecDeque<MailboxProfile>,
    next: Option<Cursor>,
    is_started: bool,
    empty_pages: u32,
}

impl MailboxList {
    pub(super) fn new(source: Arc<dyn Source>, scope: &MailboxScope) -> Self {
        Self {
            source,
            wanted: match scope {
                MailboxScope::All => None,
                MailboxScope::Only(wanted) => Some(wanted.clone()),
            },
            page: VecDeque::new(),
            next: None,
            is_started: false,
            empty_pages: 0,
        }
    }

    /// The next mailbox in scope.
    pub(super) async fn next(&mut self) -> Result<Option<MailboxProfile>, SourceError> {
        loop {
            while let Some(profile) = self.page.pop_front() {
                if self.wants(&profile) {
                    return Ok(Some(profile));
                }
            }
            let has_found_all = self.wanted.as_ref().is_some_and(Vec::is_empty);
            let is_at_end = self.is_started && self.next.is_none();
            if has_found_all || is_at_end || self.empty_pages > MAX_EMPTY_PAGES {
                return Ok(None);
            }
            let page = self.source.mailboxes(self.next.as_ref()).await?;
            self.is_started = true;
            self.empty_pages = if page.mailboxes.is_empty() {
                self.empty_pages + 1
            } else {
                0
            };
            self.next = page.next;
            self.page = page.mailboxes.into();
        }
    }

    fn wants(&mut self, profile: &MailboxProfile) -> bool {
        let Some(wanted) = &mut self.wanted else {
            return true;
        };
        let before = wanted.len();
        wanted.retain(|text| !is_named(profile, text));
        wanted.len() < before
    }

    /// What was asked for and did not turn up.
    pub(super) fn not_found(self) -> Vec<String> {
        self.wanted.unwrap_or_default()
    }
}

/// Addresses are compared without regard to letter case; ids exactly.
fn is_named(profile: &MailboxProfile, text: &str) -> bool {
    profile.id.as_str() == text || profile.address.to_lowercase() == text.to_lowercase()
}
