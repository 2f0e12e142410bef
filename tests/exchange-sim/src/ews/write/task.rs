//! What the server adds to tasks.

use super::defaults::{Fields, put, put_missing, text};
use crate::ews::error::EwsError;

/// Completes a task.
pub(super) fn complete(fields: &mut Fields, owner: &str, now: i64) -> Result<(), EwsError> {
    if let Some(date) = fields.get("CompleteDate") {
        let at = chrono::DateTime::parse_from_rfc3339(&date.text);
        if at.is_ok_and(|at| at.timestamp() > now + 86_400) {
            return Err(EwsError::new(
                "ErrorInvalidPropertySet",
                "CompleteDate must not be in the future.",
            ));
        }
    }
    put_missing(fields, "Status", "NotStarted");
    let is_done = text(fields, "Status") == "Completed";
    if is_done {
        put(fields, "PercentComplete", "100");
        put_missing(fields, "CompleteDate", &crate::clock::stamp(now));
    }
    put_missing(fields, "PercentComplete", "0");
    put(fields, "IsComplete", is_done.to_string());
    let is_recurring = fields.contains_key("Recurrence");
    put(fields, "IsRecurring", is_recurring.to_string());
    put_missing(fields, "ActualWork", "0");
    put_missing(fields, "TotalWork", "0");
    put_missing(fields, "ChangeCount", "1");
    put_missing(fields, "DelegationState", "NoMatch");
    put_missing(fields, "IsAssignmentEditable", "5");
    put_missing(fields, "IsTeamTask", "false");
    put_missing(fields, "Owner", owner);
    let description = match text(fields, "Status") {
        "InProgress" => "In Progress",
        "Completed" => "Completed",
        "WaitingOnOthers" => "Waiting on someone else",
        "Deferred" => "Deferred",
        _ => "Not Started",
    };
    put(fields, "StatusDescription", description);
    Ok(())
}
