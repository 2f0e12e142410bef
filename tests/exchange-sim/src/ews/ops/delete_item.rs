//! `DeleteItem`.

use super::Answer;
use super::create_item::sent;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let ids = super::list(request, "m:ItemIds");
    Ok(super::each(context, ids, "", |id| {
        delete(context, request, id)
    }))
}

fn delete(context: &Context, request: &Node, id: &Node) -> Result<Out, EwsError> {
    let (account, number) = context.item_node(id)?;
    let is_moved = request.attribute("DeleteType") == Some("MoveToDeletedItems");
    if is_moved && context.is_public(&account) {
        return Err(EwsError::new(
            "ErrorInvalidOperation",
            "Public folders have no Deleted Items folder.",
        ));
    }
    let mut mailbox = data(&account)?;
    let (element, has_attendees) = {
        let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        let has_attendees = item.view.overlay.fields.contains_key("RequiredAttendees");
        (item.kind().0, has_attendees)
    };
    let cancellations = request.attribute("SendMeetingCancellations");
    if element == "t:CalendarItem" && cancellations.is_none() {
        return Err(EwsError::new(
            "ErrorSendMeetingCancellationsRequired",
            "SendMeetingCancellations attribute is required for calendar items.",
        ));
    }
    if element == "t:Task" && request.attribute("AffectedTaskOccurrences").is_none() {
        return Err(EwsError::new(
            "ErrorAffectedTaskOccurrencesRequired",
            "AffectedTaskOccurrences attribute is required for task items.",
        ));
    }
    if has_attendees && cancellations != Some("SendToNone") {
        sent(context, &account, "DeleteItem", None);
    }
    let elapsed = context.tenant.elapsed();
    let folder = match request.attribute("DeleteType") {
        Some("SoftDelete") => mailbox.well_known("recoverableitemsdeletions"),
        Some("MoveToDeletedItems") => mailbox.well_known("deleteditems"),
        _ => None,
    };
    match folder {
        Some(folder) => mailbox.move_item(number, folder, elapsed),
        None => mailbox.purge(number, elapsed),
    };
    Ok(context.out())
}
