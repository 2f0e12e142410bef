//! `UpdateItem`.

use super::Answer;
use super::create_item::{owner, sent};
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::render::shape::{dictionary, element as element_of};
use crate::ews::write::{Draft, MailState, check_update};
use crate::ews::xml::Node;
use crate::store::ids::change_key;
use crate::store::mailbox::bits;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let changes = super::list(request, "m:ItemChanges");
    Ok(super::each(context, changes, "m:Items", |change| {
        update(context, request, change)
    }))
}

fn update(context: &Context, request: &Node, change: &Node) -> Result<Out, EwsError> {
    let id = change
        .children
        .first()
        .ok_or_else(EwsError::item_not_found)?;
    let (account, number) = context.item_node(id)?;
    let mut mailbox = data(&account)?;
    let (view, element, key, has_attendees) = {
        let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        let element = item.kind().0.trim_start_matches("t:");
        let has_attendees = item.view.overlay.fields.contains_key("RequiredAttendees");
        let key = change_key(mailbox.key, number, item.view.slot.change);
        (item.view, element, key, has_attendees)
    };
    check_request(request, id, element, &key)?;
    if has_attendees
        && request.attribute("SendMeetingInvitationsOrCancellations") != Some("SendToNone")
    {
        sent(context, &account, "UpdateItem", None);
    }
    let tenant = &context.tenant;
    let mut draft = Draft::of(&view, element, tenant.clock.unix_seconds());
    let updates = change.child("t:Updates");
    for one in updates.iter().flat_map(|updates| &updates.children) {
        let path = one
            .children
            .first()
            .ok_or_else(|| EwsError::new("ErrorInvalidPropertyRequest", "No field is named."))?;
        let name = name_of(path);
        if check_update(&name) && element != "CalendarItem" {
            draft.loosen(&view, &tenant.world);
        }
        apply(&mut draft, one, path, &name)?;
    }
    let is_content = !matches!(draft.mail, MailState::Untouched);
    let (overlay, state, _) = draft.finish(&owner(&account), u64::from(number))?;
    let read = bits::READ;
    if (view.slot.bits ^ state) & read != 0 && changes_more(change) {
        // A change of the read state is an event of its own.
        mailbox.touch(number, tenant.elapsed(), |slot, _| slot.bits ^= read);
    }
    mailbox.touch(number, tenant.elapsed(), |slot, kept| {
        slot.bits = state;
        if is_content {
            slot.version += 1;
        }
        *kept = overlay;
    });
    let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
    let mut out = context.out();
    out.start("m:Items", &[])
        .node(&Node::with(item.kind().0, vec![item.id_node()]))
        .end()
        .start("m:ConflictResults", &[])
        .text("t:Count", "0")
        .end();
    Ok(out)
}

/// Whether a change is of more than the read state.
fn changes_more(change: &Node) -> bool {
    let updates = change.child("t:Updates");
    let mut all = updates.iter().flat_map(|updates| &updates.children);
    all.any(|one| {
        one.children
            .first()
            .is_some_and(|path| name_of(path) != "IsRead")
    })
}

fn check_request(request: &Node, id: &Node, element: &str, key: &str) -> Result<(), EwsError> {
    if matches!(element, "Message" | "MeetingRequest" | "MeetingResponse")
        && request.attribute("MessageDisposition").is_none()
    {
        return Err(EwsError::new(
            "ErrorMessageDispositionRequired",
            "Message disposition is required.",
        ));
    }
    if element == "CalendarItem"
        && request
            .attribute("SendMeetingInvitationsOrCancellations")
            .is_none()
    {
        return Err(EwsError::new(
            "ErrorSendMeetingInvitationsOrCancellationsRequired",
            "SendMeetingInvitationsOrCancellations attribute is required for calendar items.",
        ));
    }
    let given = id.attribute("ChangeKey");
    match request.attribute("ConflictResolution") {
        Some("AlwaysOverwrite") => Ok(()),
        _ if given.is_none() => Err(EwsError::new(
            "ErrorChangeKeyRequired",
            "A change key is required.",
        )),
        Some("NeverOverwrite") if given != Some(key) => Err(EwsError::new(
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
        )),
        _ => Ok(()),
    }
}

fn name_of(path: &Node) -> String {
    let uri = path.attribute("FieldURI").unwrap_or_default();
    match path.name.as_str() {
        "t:ExtendedFieldURI" => "ExtendedProperty",
        "t:IndexedFieldURI" => dictionary(uri),
        _ => element_of(uri),
    }
    .to_owned()
}

fn apply(draft: &mut Draft, one: &Node, path: &Node, name: &str) -> Result<(), EwsError> {
    if one.name == "t:DeleteItemField" {
        return match path.name.as_str() {
            "t:ExtendedFieldURI" => draft.clear_extended(path),
            "t:IndexedFieldURI" => {
                let key = path.attribute("FieldIndex");
                if let Some(node) = draft.overlay.fields.get_mut(name) {
                    node.children.retain(|entry| entry.attribute("Key") != key);
                }
                Ok(())
            }
            _ => draft.clear(name),
        };
    }
    let holder = one.children.get(1);
    let property = match holder.map(|holder| holder.children.as_slice()) {
        Some([property]) => property,
        _ => {
            return Err(EwsError::new(
                "ErrorIncorrectUpdatePropertyCount",
                "An object within a change description must contain one and only one property to modify.",
            ));
        }
    };
    let is_named = match path.name.as_str() {
        "t:ExtendedFieldURI" => property
            .child("t:ExtendedFieldURI")
            .is_some_and(|field| field.attributes == path.attributes),
        _ => property.local() == name,
    };
    if !is_named {
        return Err(EwsError::new(
            "ErrorUpdatePropertyMismatch",
            "The property in the change description is not the one that is named.",
        ));
    }
    if path.name == "t:IndexedFieldURI" {
        let kept = draft
            .overlay
            .fields
            .entry(name.to_owned())
            .or_insert_with(|| Node::new(&property.name));
        for entry in &property.children {
            let key = entry.attribute("Key");
            kept.children.retain(|old| old.attribute("Key") != key);
            kept.children.push(entry.clone());
        }
        return Ok(());
    }
    draft.set(property)
}
