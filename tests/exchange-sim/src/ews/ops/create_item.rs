//! `CreateItem`.

use super::Answer;
use crate::content::people::Person;
use crate::ews::context::{Context, data};
use crate::ews::error::{EwsError, Fault};
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::write::{Draft, creatable};
use crate::ews::xml::Node;
use crate::numbers::{locked, mix};
use crate::store::mailbox::{Mailbox, bits};
use crate::store::users::Account;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let items = super::list(request, "m:Items");
    let target = request
        .child("m:SavedItemFolderId")
        .and_then(|target| target.children.first());
    for item in items {
        check_disposition(request, item)?;
    }
    Ok(super::each(context, items, "m:Items", |item| {
        create(context, request, target, item)
    }))
}

/// What is missing fails the whole request, as nothing may be sent by accident.
fn check_disposition(request: &Node, item: &Node) -> Result<(), Fault> {
    let is_message = matches!(item.name.as_str(), "t:Message");
    if is_message && request.attribute("MessageDisposition").is_none() {
        return Err(Fault::new(
            "ErrorMessageDispositionRequired",
            "Message disposition is required.",
        ));
    }
    if item.name == "t:CalendarItem" && request.attribute("SendMeetingInvitations").is_none() {
        return Err(Fault::new(
            "ErrorSendMeetingInvitationsRequired",
            "The SendMeetingInvitations attribute is required for calendar items.",
        ));
    }
    Ok(())
}

/// The owner of a mailbox.
pub(super) fn owner(account: &Account) -> Person {
    Person {
        name: account.name.clone(),
        address: account.mail.clone().unwrap_or_default(),
    }
}

/// Checks that the folder takes such items and that there is room.
pub(super) fn check_target(mailbox: &Mailbox, folder: u32, element: &str) -> Result<(), EwsError> {
    if mailbox.is_full {
        return Err(EwsError::new(
            "ErrorQuotaExceeded",
            "The mailbox has exceeded its storage quota.",
        ));
    }
    let folder = mailbox
        .folder(folder)
        .ok_or_else(EwsError::folder_not_found)?;
    let is = |class: &str| folder.class.starts_with(class);
    let code = match element {
        _ if folder.is_search => "ErrorInvalidFolderTypeForOperation",
        "CalendarItem" if !is("IPF.Appointment") => {
            "ErrorCannotCreateCalendarItemInNonCalendarFolder"
        }
        "Contact" | "DistributionList" if !is("IPF.Contact") => {
            "ErrorCannotCreateContactInNonContactFolder"
        }
        "Task" if !is("IPF.Task") => "ErrorCannotCreateTaskInNonTaskFolder",
        "PostItem" if is("IPF.Appointment") || is("IPF.Contact") || is("IPF.Task") => {
            "ErrorCannotCreatePostItemInNonMailFolder"
        }
        _ => return Ok(()),
    };
    Err(EwsError::new(code, "The folder does not take such items."))
}

fn create(
    context: &Context,
    request: &Node,
    target: Option<&Node>,
    item: &Node,
) -> Result<Out, EwsError> {
    let element = creatable(&item.name).ok_or_else(|| {
        EwsError::new(
            "ErrorInvalidItemForOperationCreateItem",
            "Items of this type cannot be created.",
        )
    })?;
    let (account, folder) = match target {
        Some(target) => context.folder(target)?,
        None => {
            let account = context.own()?;
            let known = match element {
                "CalendarItem" => "calendar",
                "Contact" | "DistributionList" => "contacts",
                "Task" => "tasks",
                _ => "drafts",
            };
            let folder = data(&account)?.well_known(known);
            (account, folder.ok_or_else(EwsError::folder_not_found)?)
        }
    };
    let tenant = &context.tenant;
    let mut mailbox = data(&account)?;
    check_target(&mailbox, folder, element)?;
    let seed = mix(&[mailbox.key, mailbox.sequence, 0x6577_7321]);
    let mut draft = Draft::new(element, tenant.clock.unix_seconds(), seed);
    // Attachments follow what decides where they go.
    let (late, early): (Vec<&Node>, Vec<&Node>) = item
        .children
        .iter()
        .partition(|child| child.name == "t:Attachments");
    for child in early.into_iter().chain(late) {
        draft.set(child)?;
    }
    if note_sending(context, request, &account, item) {
        draft.state &= !bits::DRAFT;
    }
    let (overlay, state, _) = draft.finish(&owner(&account), seed)?;
    let number = mailbox.add(folder, state, overlay, tenant.elapsed());
    let made = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
    let mut out = context.out();
    out.start("m:Items", &[])
        .node(&Node::with(made.kind().0, vec![made.id_node()]))
        .end();
    Ok(out)
}

/// Notes what the real server would send. A backup or restore must never send.
fn note_sending(context: &Context, request: &Node, account: &Account, item: &Node) -> bool {
    let is_sent = match item.name.as_str() {
        "t:Message" => request.attribute("MessageDisposition") != Some("SaveOnly"),
        "t:CalendarItem" => {
            let has_attendees = item.children.iter().any(|child| {
                matches!(
                    child.local(),
                    "RequiredAttendees" | "OptionalAttendees" | "Resources"
                )
            });
            has_attendees && request.attribute("SendMeetingInvitations") != Some("SendToNone")
        }
        _ => false,
    };
    if is_sent {
        sent(context, account, "CreateItem", item.text_of("t:Subject"));
    }
    is_sent
}

/// Notes that something was sent.
pub(super) fn sent(context: &Context, account: &Account, operation: &str, subject: Option<&str>) {
    locked(&context.tenant.journal)
        .sent
        .push(crate::journal::SentMail {
            mailbox: account.id.clone(),
            template: format!("/EWS/{operation}"),
            body: serde_json::json!({"subject": subject}),
        });
}
