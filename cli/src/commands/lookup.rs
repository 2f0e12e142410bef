//! Finding a mailbox at a tenant.

use mailkeep_exchange::{Cursor, Source, SourceError};
use mailkeep_model::{MailboxProfile, PUBLIC_FOLDERS};

use crate::CliError;

/// More pages than any tenant has: a service that never ends a list is not followed for ever.
pub(super) const MOST_PAGES: usize = 100_000;

/// The first mailbox that `fits`; `Ok(None)` when the tenant lists none.
///
/// # Errors
/// When the tenant cannot be listed.
pub(super) async fn first_mailbox(
    source: &dyn Source,
    fits: impl Fn(&MailboxProfile) -> bool + Send,
) -> Result<Option<MailboxProfile>, SourceError> {
    let mut next: Option<Cursor> = None;
    for _ in 0..MOST_PAGES {
        let page = source.mailboxes(next.as_ref()).await?;
        if let Some(found) = page.mailboxes.into_iter().find(|profile| fits(profile)) {
            return Ok(Some(found));
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(None)
}

/// True for the mailbox with this address or id.
pub(super) fn is_named(profile: &MailboxProfile, wanted: &str) -> bool {
    profile.id.as_str() == wanted || profile.address.to_lowercase() == wanted.to_lowercase()
}

/// The mailbox with this address or id.
///
/// # Errors
/// When there is none, or the tenant cannot be listed.
pub(super) async fn named_mailbox(
    source: &dyn Source,
    wanted: &str,
) -> Result<MailboxProfile, CliError> {
    if wanted == PUBLIC_FOLDERS {
        return Ok(source.public_folders().await?);
    }
    let found = first_mailbox(source, |profile| is_named(profile, wanted)).await?;
    found.ok_or_else(|| {
        CliError::NotFound(
            "the tenant lists no mailbox by this address or id; \
             `mailkeep mailbox ls --connection NAME` shows those it does"
                .to_owned(),
        )
    })
}
