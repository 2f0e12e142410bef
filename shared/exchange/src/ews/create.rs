//! Creating one restored item.
//!
//! Mail goes in one call, as MIME that is streamed, with our mark "done". What does not fit into
//! one call, and the attachments of items that have no MIME, follow one by one; the mark says
//! "pending" until they are there. An answer that got lost is cleared up by looking for the mark,
//! so that no attempt makes a second item.

use std::sync::Arc;

use bytes::Bytes;
use mailkeep_content::{ComposeAttachment, ComposeMessage};
use mailkeep_model::{Address, FailureClass, FolderId, ItemId, SourceMailboxId};

use super::call::{Call, CallBody, folder_id};
use super::client::EwsClient;
use super::encode::{encoded, encoded_length};
use super::error_map::{Asked, Operation};
use super::extended::{self, write_field, write_property};
use super::public::is_public;
use super::restore_xml::{Allowed, Form, element_name, finished, form, pending, properties};
use super::upload::Uploaded;
use super::xml::{Element, XmlWriter};
use crate::composed::{OpenAttachment, composed, composed_length};
use crate::retry::is_retryable;
use crate::{
    AttachmentContent, ByteStream, CreateOutcome, RestoreAttachment, RestoreItem, SourceError,
};

static CREATE: Operation = Operation::new("create item", Asked::Folder);
static FIND: Operation = Operation::new("look for a restored item", Asked::Folder);
static ATTACH: Operation = Operation::new("add attachment", Asked::Item);
static FINISH: Operation = Operation::new("mark item as restored", Asked::Item);
static DELETE: Operation = Operation::new("delete item", Asked::Item);

/// A request may be 64 MiB long; so much raw content fits.
pub(crate) const LONGEST: u64 = 44_000_000;
/// The server says that a property is not right.
const BAD_PROPERTY: &[&str] = &[
    "ErrorSchemaValidation",
    "ErrorPropertyValidationFailure",
    "ErrorItemSavePropertyError",
    "ErrorItemSave",
    "ErrorInvalidPropertySet",
    "ErrorInvalidPropertyRequest",
    "ErrorInvalidPropertyForOperation",
    "ErrorInvalidExtendedProperty",
    "ErrorInvalidExtendedPropertyValue",
    "ErrorObjectTypeChanged",
    "ErrorInvalidItemForOperationCreateItem",
];

/// How an item is carried over.
struct Plan {
    form: Form,
    /// The message as it was, where it fits: nothing about it is made anew then.
    mime: Option<Arc<dyn AttachmentContent>>,
    /// In the creating call.
    inside: Vec<RestoreAttachment>,
    /// In calls of their own.
    apart: Vec<RestoreAttachment>,
    losses: Vec<String>,
}

impl EwsClient {
    /// Creates an item.
    pub(crate) async fn create(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let mut refused = None;
        // Exchange imports nothing into public folders.
        let export = item.export.as_ref().filter(|_| !is_public(mailbox));
        if let Some(export) = export {
            match self.upload(mailbox, folder, item, export).await? {
                Uploaded::Done(id) => return Ok(CreateOutcome { id, losses: vec![] }),
                Uploaded::Refused(code) => refused = Some(code),
            }
        }
        let plan = plan(item);
        let mark = match plan.apart.is_empty() {
            true => finished(&item.marker),
            false => pending(&item.marker),
        };
        let (id, mut losses) = self
            .create_first(mailbox, folder, item, &plan, &mark)
            .await?;
        losses.extend(plan.losses);
        losses.extend(refused.map(|code| {
            format!("the export stream was refused ({code}); the item comes from its message and properties")
        }));
        for attachment in &plan.apart {
            match self.attach(mailbox, &id, attachment).await {
                Ok(()) => {}
                Err(error) if error.class == FailureClass::ItemPermanent => losses.push(format!(
                    "an attachment of {} bytes was refused ({})",
                    attachment.content.size_bytes(),
                    error.code
                )),
                Err(error) => return Err(self.clean_up(mailbox, &id, error).await),
            }
        }
        if !plan.apart.is_empty()
            && let Err(error) = self.finish(mailbox, &id, item).await
        {
            return Err(self.clean_up(mailbox, &id, error).await);
        }
        Ok(CreateOutcome { id, losses })
    }

    /// The creating call. Gives up kept properties, then the class, when the server refuses them.
    async fn create_first(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
        plan: &Plan,
        mark: &str,
    ) -> Result<(ItemId, Vec<String>), SourceError> {
        let mut allowed = Allowed {
            extras: true,
            class: true,
            flag: self.is_2013(),
        };
        let mut backoff = None;
        loop {
            let (rest, mut losses) = properties(item, plan.form, mark, allowed);
            if !allowed.extras {
                losses.push("properties beside the message were refused".into());
            }
            let body = create_item(folder, item, plan, &rest);
            let call = Call::write(&CREATE, mailbox, body);
            let error = match self.one(&call).await {
                Ok(message) => match created_id(&message) {
                    Some(id) => return Ok((id, losses)),
                    // Some servers name only new mail.
                    None => match self.find(mailbox, folder, mark).await? {
                        Some(id) => return Ok((id, losses)),
                        None => no_id(),
                    },
                },
                Err(error) => error,
            };
            if BAD_PROPERTY.contains(&error.code.as_str()) && allowed.extras {
                allowed.extras = false;
            } else if BAD_PROPERTY.contains(&error.code.as_str()) && allowed.class {
                allowed.class = false;
            } else if is_retryable(error.class) {
                if let Some(id) = self.find(mailbox, folder, mark).await? {
                    return Ok((id, losses));
                }
                let backoff = backoff.get_or_insert_with(|| self.backoff(&call));
                let again = Call {
                    is_replayable: true,
                    ..call
                };
                self.again(&again, backoff, error).await?;
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
        let mut writer = XmlWriter::new();
        writer
            .start("m:FindItem", &[("Traversal", "Shallow")])
            .raw("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>")
            .start("m:Restriction", &[])
            .start("t:IsEqualTo", &[]);
        write_field(&mut writer, extended::MARKER);
        writer
            .start("t:FieldURIOrConstant", &[])
            .empty("t:Constant", &[("Value", mark)])
            .end()
            .end()
            .end()
            .start("m:ParentFolderIds", &[])
            .raw(&folder_id(folder.as_str()));
        let message = self
            .one(&Call::read(&FIND, mailbox, writer.finish()))
            .await?;
        Ok(created_id(&message))
    }

    async fn attach(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        attachment: &RestoreAttachment,
    ) -> Result<(), SourceError> {
        let mut writer = XmlWriter::new();
        writer
            .raw("<m:CreateAttachment>")
            .empty("m:ParentItemId", &[("Id", item.as_str())])
            .raw("<m:Attachments><t:FileAttachment>")
            .text("t:Name", &attachment.name)
            .text("t:ContentType", &attachment.content_type);
        if let Some(id) = &attachment.content_id {
            writer.text("t:ContentId", id);
        }
        writer
            .text(
                "t:IsInline",
                if attachment.is_inline {
                    "true"
                } else {
                    "false"
                },
            )
            .raw("<t:Content>");
        let end = "</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>";
        let content = attachment.content.clone();
        let body = CallBody::Streamed {
            before: writer.finish(),
            length: encoded_length(content.size_bytes()),
            open: Arc::new(move || encoded(content.open(0))),
            after: end.into(),
        };
        self.one(&Call::write(&ATTACH, mailbox, body))
            .await
            .map(|_| ())
    }

    pub(crate) async fn finish(
        &self,
        mailbox: &SourceMailboxId,
        id: &ItemId,
        item: &RestoreItem,
    ) -> Result<(), SourceError> {
        let mut writer = XmlWriter::new();
        writer
            .start(
                "m:UpdateItem",
                &[
                    ("ConflictResolution", "AlwaysOverwrite"),
                    ("MessageDisposition", "SaveOnly"),
                    ("SendMeetingInvitationsOrCancellations", "SendToNone"),
                ],
            )
            .raw("<m:ItemChanges><t:ItemChange>")
            .empty("t:ItemId", &[("Id", id.as_str())])
            .raw("<t:Updates><t:SetItemField>");
        write_field(&mut writer, extended::MARKER);
        writer.start(element_name(item.item.kind), &[]);
        write_property(&mut writer, extended::MARKER, &finished(&item.marker));
        writer
            .end()
            .raw("</t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges>");
        let call = Call::read(&FINISH, mailbox, writer.finish());
        self.one(&call).await.map(|_| ())
    }

    /// Removes an item that could not be finished; it bears our pending mark, so the next restore
    /// knows it should it stay. Gives the error back.
    pub(crate) async fn clean_up(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        error: SourceError,
    ) -> SourceError {
        if let Err(second) = self.delete(mailbox, item, "HardDelete").await {
            tracing::warn!(
                code = second.code,
                request_id = second.request_id,
                "an unfinished item stays behind; repeating the restore replaces it"
            );
        }
        error
    }

    /// Deletes an item; meetings are not called off.
    pub(crate) async fn delete(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        how: &str,
    ) -> Result<(), SourceError> {
        let mut writer = XmlWriter::new();
        writer
            .start(
                "m:DeleteItem",
                &[
                    ("DeleteType", how),
                    ("SendMeetingCancellations", "SendToNone"),
                    ("AffectedTaskOccurrences", "AllOccurrences"),
                ],
            )
            .start("m:ItemIds", &[])
            .empty("t:ItemId", &[("Id", item.as_str())]);
        match self
            .one(&Call::read(&DELETE, mailbox, writer.finish()))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.class == FailureClass::ItemGone => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn no_id() -> SourceError {
    CREATE.error(
        FailureClass::Transient,
        "unreadable_answer",
        "the server did not name the new item",
    )
}

/// The id of the first item in an answer.
pub(crate) fn created_id(message: &Element) -> Option<ItemId> {
    Some(ItemId(message.find("ItemId")?.attribute("Id")?.to_owned()))
}

/// Decides what goes into the creating call.
fn plan(item: &RestoreItem) -> Plan {
    let form = form(item);
    let whole = item.mime.clone();
    let mime = whole.filter(|mime| form == Form::Mail && mime.size_bytes() <= LONGEST);
    let is_whole = mime.is_some();
    let mut plan = Plan {
        form,
        mime,
        inside: vec![],
        apart: vec![],
        losses: vec![],
    };
    if is_whole {
        return plan;
    }
    let mut room = LONGEST.saturating_sub(item.body.len() as u64 * 3 + 100_000);
    for (index, attachment) in item.attachments.iter().enumerate() {
        // As MIME an attachment is base64 already: a third longer.
        let size = attachment.content.size_bytes();
        let cost = size / 3 * 4 + size / 50 + 2_000;
        if form == Form::Event(index) {
            plan.inside.push(attachment.clone());
        } else if size > LONGEST {
            plan.losses.push(format!(
                "an attachment of {size} bytes is larger than the server takes in one request"
            ));
        } else if form == Form::Mail && plan.apart.is_empty() && cost <= room {
            room -= cost;
            plan.inside.push(attachment.clone());
        } else {
            plan.apart.push(attachment.clone());
        }
    }
    plan
}

/// `m:CreateItem`, which saves and never sends.
fn create_item(folder: &FolderId, item: &RestoreItem, plan: &Plan, rest: &str) -> CallBody {
    let name = element_name(item.item.kind);
    let mut writer = XmlWriter::new();
    writer
        .raw("<m:CreateItem MessageDisposition=\"SaveOnly\" SendMeetingInvitations=\"SendToNone\">")
        .start("m:SavedItemFolderId", &[])
        .raw(&folder_id(folder.as_str()))
        .end()
        .raw("<m:Items><")
        .raw(name)
        .raw(">");
    let before = writer.finish();
    let after = format!("{rest}</{name}></m:Items></m:CreateItem>");
    let (length, open) = match plan.form {
        Form::Properties => return CallBody::Whole(before + &after),
        Form::Event(_) => event_content(plan),
        Form::Mail => match &plan.mime {
            Some(mime) => whole_content(mime),
            None => mail_content(item, plan),
        },
    };
    CallBody::Streamed {
        before: before + "<t:MimeContent CharacterSet=\"UTF-8\">",
        length: encoded_length(length),
        open: Arc::new(move || encoded(open())),
        after: format!("</t:MimeContent>{after}"),
    }
}

type Content = (u64, Arc<dyn Fn() -> ByteStream + Send + Sync>);

fn event_content(plan: &Plan) -> Content {
    match plan.inside.first() {
        Some(attachment) => {
            let content = attachment.content.clone();
            (content.size_bytes(), Arc::new(move || content.open(0)))
        }
        None => (0, Arc::new(|| Box::pin(futures::stream::empty()))),
    }
}

fn whole_content(mime: &Arc<dyn AttachmentContent>) -> Content {
    let mime = mime.clone();
    (mime.size_bytes(), Arc::new(move || mime.open(0)))
}

fn mail_content(item: &RestoreItem, plan: &Plan) -> Content {
    let message = message(item, &plan.inside);
    let sizes: Vec<u64> = plan
        .inside
        .iter()
        .map(|attachment| attachment.content.size_bytes())
        .collect();
    let length = composed_length(&message, &sizes);
    let contents: Vec<_> = plan
        .inside
        .iter()
        .map(|attachment| attachment.content.clone())
        .collect();
    let open = move || {
        let contents = contents.clone();
        let attachments: OpenAttachment = Box::new(move |index| {
            let content = contents.get(index).cloned();
            Box::pin(async move {
                Ok(match content {
                    Some(content) => content.open(0),
                    None => Box::pin(futures::stream::iter([Ok(Bytes::new())])) as ByteStream,
                })
            })
        });
        composed(&message, attachments)
    };
    (length, Arc::new(open))
}

fn message(restored: &RestoreItem, inside: &[RestoreAttachment]) -> ComposeMessage {
    let item = &restored.item;
    let body = Some(restored.body.clone());
    ComposeMessage {
        from: Some(item.from.clone()).filter(|from| *from != Address::default()),
        sender: item.sender.clone(),
        reply_to: restored.reply_to.clone(),
        to: item.to.clone(),
        cc: item.cc.clone(),
        bcc: item.bcc.clone(),
        subject: item.subject.clone(),
        date: item.sent_at,
        message_id: item.internet_message_id.clone(),
        headers: restored.headers.clone(),
        text: body.clone().filter(|_| !restored.body_is_html),
        html: body.filter(|_| restored.body_is_html),
        attachments: inside
            .iter()
            .map(|attachment| ComposeAttachment {
                name: attachment.name.clone(),
                content_type: attachment.content_type.clone(),
                content_id: attachment.content_id.clone(),
                is_inline: attachment.is_inline,
            })
            .collect(),
    }
}
