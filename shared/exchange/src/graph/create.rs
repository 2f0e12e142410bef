//! Creating one restored item.
//!
//! Order: the item with a mark that says "pending" and with what fits into one call; then each
//! further attachment; then the mark that says "done". When everything fits into the first call it
//! says "done" at once. An answer that got lost is cleared up by looking for the mark, so that no
//! attempt makes a second item.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_model::{FailureClass, FolderId, ItemId, SourceMailboxId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{self, Object};
use super::properties::{self, property};
use super::restore_json::{Allowed, finished, message, pending};
use super::upload::{self, Holder, LARGEST};
use crate::retry::is_retryable;
use crate::{
    AttachmentContent, ByteStream, CreateOutcome, RestoreAttachment, RestoreItem, SourceError,
};

const CREATE: Operation = Operation::new("create item", Asked::Folder, "Mail.ReadWrite");
const FIND: Operation = Operation::new("look for a restored item", Asked::Folder, "Mail.Read");
const FINISH: Operation = Operation::new("mark item as restored", Asked::Item, "Mail.ReadWrite");
const CLEAN_UP: Operation =
    Operation::new("remove an unfinished item", Asked::Item, "Mail.ReadWrite");

/// A creating call takes 4 MB; so much of it is filled.
const FILL: u64 = 3_400_000;
/// A longer body goes into an attachment.
const LONGEST_BODY: usize = 2_500_000;

#[derive(Deserialize)]
struct Found {
    value: Vec<Object>,
}

/// Text that became an attachment.
struct Held(Bytes);

impl AttachmentContent for Held {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self, offset: u64) -> ByteStream {
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.0.len());
        Box::pin(stream::iter([Ok(self.0.slice(offset..))]))
    }
}

/// How an item is carried over.
struct Plan {
    body: String,
    is_html: bool,
    /// Attachments in the creating call.
    inside: Vec<Value>,
    /// Attachments in calls of their own.
    apart: Vec<RestoreAttachment>,
    losses: Vec<String>,
}

impl GraphClient {
    /// Creates an item.
    pub(crate) async fn create(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let plan = plan(item).await?;
        let mark = if plan.apart.is_empty() {
            finished(&item.marker)
        } else {
            pending(&item.marker)
        };
        let (id, mut losses) = self
            .create_first(mailbox, folder, item, &plan, &mark)
            .await?;
        losses.extend(plan.losses);
        if !plan.apart.is_empty() {
            let mut present = plan.inside.len();
            for attachment in &plan.apart {
                let holder = Holder::message(&id);
                match self
                    .add_attachment(mailbox, holder, attachment, present)
                    .await
                {
                    Ok(()) => present += 1,
                    Err(error) if error.class == FailureClass::ItemPermanent => {
                        losses.push(format!(
                            "an attachment of {} bytes was refused ({})",
                            attachment.content.size_bytes(),
                            error.code
                        ))
                    }
                    Err(error) => return Err(self.clean_up(mailbox, &id, error).await),
                }
            }
            if let Err(error) = self.finish(mailbox, &id, &item.marker).await {
                return Err(self.clean_up(mailbox, &id, error).await);
            }
        }
        Ok(CreateOutcome { id, losses })
    }

    /// The creating call. Gives up extras, then odd recipients, when the service refuses them.
    async fn create_first(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
        plan: &Plan,
        mark: &str,
    ) -> Result<(ItemId, Vec<String>), SourceError> {
        let path = ["mailFolders", folder.as_str(), "messages"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let mut allowed = Allowed {
            extras: true,
            odd_recipients: true,
        };
        let mut backoff = self.backoff(None);
        loop {
            let (mut json, losses) = message(item, &plan.body, plan.is_html, mark, allowed);
            if !plan.inside.is_empty() {
                json.insert("attachments".into(), Value::Array(plan.inside.clone()));
            }
            let body = Value::Object(json);
            let call = Call::write(&CREATE, mailbox, Method::POST, url.clone(), &body);
            let error = match self.json::<Object>(&call).await {
                Ok(created) => match message_json::id(&created) {
                    Some(id) => return Ok((id, losses)),
                    None => CREATE.error(
                        FailureClass::Transient,
                        "unreadable_answer",
                        "the service did not name the new item",
                    ),
                },
                Err(error) => error,
            };
            if error.code.eq_ignore_ascii_case("ErrorInvalidRecipients") && allowed.odd_recipients {
                allowed.odd_recipients = false;
            } else if error.class == FailureClass::RequestBug && allowed.extras {
                allowed.extras = false;
            } else if is_retryable(error.class) {
                if let Some(id) = self.find(mailbox, folder, mark).await? {
                    return Ok((id, losses));
                }
                backoff.wait(error, &*self.clock, &*self.rng).await?;
            } else {
                return Err(error);
            }
        }
    }

    /// The item in a folder that bears this mark.
    async fn find(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        mark: &str,
    ) -> Result<Option<ItemId>, SourceError> {
        let filter = format!(
            "singleValueExtendedProperties/any(ep:ep/id eq '{}' and ep/value eq '{}')",
            properties::MARKER,
            mark.replace('\'', "''")
        );
        let path = ["mailFolders", folder.as_str(), "messages"];
        let query = [("$filter", filter.as_str()), ("$select", "id")];
        let url = self.links.user(mailbox.as_str(), &path, &query);
        let found: Found = self.json(&Call::get(&FIND, Some(mailbox), url)).await?;
        Ok(found.value.first().and_then(message_json::id))
    }

    async fn finish(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        marker: &str,
    ) -> Result<(), SourceError> {
        let url = self
            .links
            .user(mailbox.as_str(), &["messages", item.as_str()], &[]);
        let mark = property(properties::MARKER, finished(marker));
        let body = json!({ "singleValueExtendedProperties": [mark] });
        let call = Call::write(&FINISH, mailbox, Method::PATCH, url, &body).replayable();
        self.send(&call).await.map(|_| ())
    }

    /// Removes an item that could not be finished; it bears our pending mark, so the next restore
    /// knows it should it stay. Gives the error back.
    async fn clean_up(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        error: SourceError,
    ) -> SourceError {
        let url = self
            .links
            .user(mailbox.as_str(), &["messages", item.as_str()], &[]);
        let call = Call {
            method: Method::DELETE,
            ..Call::get(&CLEAN_UP, Some(mailbox), url)
        };
        if let Err(second) = self.send(&call.attempts(3)).await {
            tracing::warn!(
                code = second.code,
                request_id = second.request_id,
                "an unfinished item stays behind; repeating the restore replaces it"
            );
        }
        error
    }
}

/// Decides what goes into the creating call.
async fn plan(item: &RestoreItem) -> Result<Plan, SourceError> {
    let mut plan = Plan {
        body: item.body.clone(),
        is_html: item.body_is_html,
        inside: vec![],
        apart: vec![],
        losses: vec![],
    };
    let mut attachments = item.attachments.clone();
    if plan.body.len() > LONGEST_BODY {
        let (name, kind) = match plan.is_html {
            true => ("body.html", "text/html; charset=utf-8"),
            false => ("body.txt", "text/plain; charset=utf-8"),
        };
        let body = std::mem::take(&mut plan.body);
        attachments.insert(
            0,
            RestoreAttachment {
                name: name.into(),
                content_type: kind.into(),
                content_id: None,
                is_inline: false,
                content: Arc::new(Held(Bytes::from(body))),
            },
        );
        plan.body =
            "The text of this message is too long for the service; see the attachment.".into();
        plan.is_html = false;
        plan.losses.push(format!(
            "the body is too long for the service and became the attachment {name}"
        ));
    }
    let mut room = FILL.saturating_sub(plan.body.len() as u64 * 5 / 4);
    for attachment in attachments {
        let size = attachment.content.size_bytes();
        if size > LARGEST {
            plan.losses.push(format!(
                "an attachment of {size} bytes is larger than the service takes (150 MB)"
            ));
            continue;
        }
        if attachment
            .content_type
            .eq_ignore_ascii_case("message/rfc822")
        {
            plan.losses
                .push("an attached message was restored as an .eml file".into());
        }
        let cost = size.div_ceil(3) * 4 + 1_000;
        // Order is kept: what follows one that goes apart goes apart, too.
        if plan.apart.is_empty() && cost <= room {
            room -= cost;
            let bytes = upload::read_all(&attachment.content).await?;
            plan.inside.push(upload::file_json(&attachment, &bytes));
        } else {
            plan.apart.push(attachment);
        }
    }
    Ok(plan)
}
