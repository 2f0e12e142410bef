//! Items from what requests write.

mod apply;
mod calendar;
mod contact;
mod defaults;
pub(crate) mod ics;
mod people;
mod task;

pub(crate) use apply::{Draft, MailState, check_update, creatable};

use super::error::EwsError;

/// Properties that the server sets and nobody else, by local name.
const READ_ONLY: &[&str] = &[
    "ItemId",
    "ParentFolderId",
    "DateTimeReceived",
    "Size",
    "IsSubmitted",
    "IsDraft",
    "IsFromMe",
    "IsResend",
    "IsUnmodified",
    "DateTimeSent",
    "DateTimeCreated",
    "ResponseObjects",
    "ReminderNextTime",
    "DisplayCc",
    "DisplayTo",
    "HasAttachments",
    "EffectiveRights",
    "LastModifiedName",
    "LastModifiedTime",
    "IsAssociated",
    "WebClientReadFormQueryString",
    "WebClientEditFormQueryString",
    "ConversationId",
    "UniqueBody",
    "StoreEntryId",
    "InstanceKey",
    "NormalizedBody",
    "EntityExtractionResult",
    "Preview",
    "TextBody",
    "ConversationIndex",
    "ConversationTopic",
    "ReceivedBy",
    "ReceivedRepresenting",
    "OriginalStart",
    "IsMeeting",
    "IsCancelled",
    "IsRecurring",
    "MeetingRequestWasSent",
    "CalendarItemType",
    "MyResponseType",
    "Organizer",
    "ConflictingMeetingCount",
    "AdjacentMeetingCount",
    "ConflictingMeetings",
    "AdjacentMeetings",
    "Duration",
    "TimeZone",
    "AppointmentReplyTime",
    "AppointmentSequenceNumber",
    "AppointmentState",
    "FirstOccurrence",
    "LastOccurrence",
    "ModifiedOccurrences",
    "DeletedOccurrences",
    "RecurrenceId",
    "DateTimeStamp",
    "AssignedTime",
    "ChangeCount",
    "DelegationState",
    "Delegator",
    "IsAssignmentEditable",
    "IsComplete",
    "IsTeamTask",
    "Owner",
    "StatusDescription",
    "CompleteName",
    "HasPicture",
    "ContactSource",
    "PostedTime",
];

/// Refuses what only the server sets.
fn check_writable(name: &str) -> Result<(), EwsError> {
    if READ_ONLY.contains(&name) {
        return Err(EwsError::property(name));
    }
    Ok(())
}
