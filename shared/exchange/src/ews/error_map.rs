//! From an answer of Exchange to one failure class: one table.

use std::time::Duration;

use mailkeep_model::FailureClass;

use super::xml::Element;
use crate::SourceError;

use FailureClass as C;

/// What a call was about: the same code means different things for an item and for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A mailbox as a whole.
    Mailbox,
    /// One folder.
    Folder,
    /// Items.
    Item,
}

/// A kind of call: what it is called in errors and what it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) asked: Asked,
}

impl Operation {
    pub(crate) const fn new(name: &'static str, asked: Asked) -> Self {
        Self { name, asked }
    }

    /// An error of this operation.
    pub(crate) fn error(&self, class: FailureClass, code: &str, message: &str) -> SourceError {
        SourceError::new(class, self.name, code, message)
    }

    /// The error that a response code stands for.
    pub(crate) fn refused(&self, code: &str, wait: Option<Duration>) -> SourceError {
        let (class, words) = classify(self.asked, code);
        SourceError {
            retry_after: wait,
            ..self.error(class, &safe(code), words)
        }
    }
}

/// A code without anything that could be personal, should a server put a sentence there.
fn safe(code: &str) -> String {
    let is_code = !code.is_empty()
        && code.len() <= 80
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_code {
        code.into()
    } else {
        "unknown_code".into()
    }
}

struct Rule {
    codes: &'static [&'static str],
    asked: Option<Asked>,
    class: FailureClass,
    words: &'static str,
}

const fn rule(
    codes: &'static [&'static str],
    asked: Option<Asked>,
    class: FailureClass,
    words: &'static str,
) -> Rule {
    Rule {
        codes,
        asked,
        class,
        words,
    }
}

/// The first rule that fits counts.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(&["ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened", "ErrorExceededFindCountLimit", "ErrorClientIntentInvalidStateDefinition"], None, C::Throttled, "the server asks to wait"),
    rule(&["ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorMailboxMoveInProgress"], None, C::MailboxBusy, "the mailbox is being moved or its store is busy"),
    rule(&["ErrorBatchProcessingStopped", "ErrorInternalServerTransientError", "ErrorTimeoutExpired", "ErrorConnectionFailed", "ErrorADUnavailable", "ErrorADOperation", "ErrorInsufficientResources", "ErrorNotEnoughMemory", "ErrorNoRespondingCASInDestinationSite", "ErrorProxyRequestProcessingFailed", "ErrorInternalServerError"], None, C::Transient, "the server failed for a moment"),
    rule(&["ErrorPublicFolderSyncException", "ErrorNoPublicFolderServerAvailable", "ErrorNoPublicFolderReplicaAvailable", "ErrorPublicFolderMailboxDiscoveryFailed"], None, C::Transient, "the server of the public folder could not be reached"),
    rule(&["ErrorPublicFolderOperationFailed", "ErrorOperationNotAllowedWithPublicFolderRoot"], None, C::ItemPermanent, "the mailbox that was asked does not serve the public folder"),
    rule(&["ErrorInvalidSyncStateData"], None, C::SyncReset, "the server forgot how far changes were followed"),
    rule(&["ErrorSyncFolderNotFound", "ErrorFolderNotFound", "ErrorParentFolderNotFound", "ErrorParentFolderIdRequired", "ErrorArchiveMailboxNotEnabled"], None, C::FolderGone, "the folder is gone"),
    rule(&["ErrorItemNotFound"], Some(Asked::Folder), C::FolderGone, "the folder is gone"),
    rule(&["ErrorItemNotFound", "ErrorObjectTypeChanged", "ErrorCannotFindFileAttachment", "ErrorInvalidAttachmentId", "ErrorAttachmentNotFound"], None, C::ItemGone, "the item is gone"),
    rule(&["ErrorNonExistentMailbox", "ErrorAccountDisabled", "ErrorInvalidUserPrincipalName", "ErrorInvalidUserSid", "ErrorInvalidSmtpAddress"], None, C::MailboxGone, "there is no mailbox by this address"),
    rule(&["ErrorNameResolutionNoResults", "ErrorNameResolutionNoMailbox"], None, C::Configuration, "the directory has no group by this address; correct the job's scope"),
    rule(&["ErrorNonPrimarySmtpAddress"], None, C::MailboxUnavailable, "the address is not the mailbox's primary one; put the primary one into the list"),
    rule(&["ErrorMailboxConfiguration", "ErrorWrongServerVersion", "ErrorWrongServerVersionDelegate", "ErrorCrossSiteRequest", "ErrorMissingEmailAddress", "ErrorMailboxHoldNotFound"], None, C::MailboxUnavailable, "this server does not serve the mailbox"),
    rule(&["ErrorImpersonateUserDenied", "ErrorImpersonationFailed", "ErrorImpersonationRequired"], None, C::AuthScope, "the service account may not open this mailbox"),
    rule(&["ErrorImpersonationDenied"], None, C::AuthConsent, "the service account lacks the role ApplicationImpersonation"),
    rule(&["ErrorPasswordExpired", "ErrorPasswordChangeRequired"], None, C::AuthCredential, "the service account's password has expired"),
    rule(&["ErrorAccessDenied"], Some(Asked::Item), C::ItemPermanent, "the item may not be read or written"),
    rule(&["ErrorAccessDenied"], Some(Asked::Folder), C::ItemPermanent, "the folder may not be read or written"),
    rule(&["ErrorAccessDenied"], None, C::AuthScope, "the service account may not open this mailbox"),
    rule(&["ErrorQuotaExceeded", "ErrorMessagePerFolderCountReceiveQuotaExceeded"], None, C::TargetFull, "the mailbox is full"),
    rule(&["ErrorFolderExists", "ErrorIrresolvableConflict", "ErrorStaleObject"], None, C::Conflict, "something by that name or version exists already"),
    rule(&["ErrorSchemaValidation", "ErrorInvalidRequest", "ErrorIncorrectSchemaVersion", "ErrorInvalidServerVersion", "ErrorInvalidIdMalformed", "ErrorInvalidId", "ErrorInvalidIdEmpty", "ErrorInvalidPropertyRequest", "ErrorInvalidPropertyForOperation", "ErrorInvalidOperation"], None, C::RequestBug, "the server refused the request as malformed"),
    rule(&["ErrorItemCorrupt", "ErrorCorruptData", "ErrorContentConversionFailed", "ErrorMimeContentConversionFailed", "ErrorMimeContentInvalid", "ErrorMimeContentInvalidBase64String", "ErrorUnsupportedMimeConversion", "ErrorVirusDetected", "ErrorVirusMessageDeleted", "ErrorMessageSizeExceeded", "ErrorDataSizeLimitExceeded", "ErrorInvalidChangeKey", "ErrorPropertyValidationFailure", "ErrorItemSave", "ErrorItemSavePropertyError", "ErrorItemPropertyRequestFailed", "ErrorCannotOpenFileAttachment", "ErrorAttachmentSizeLimitExceeded", "ErrorInvalidItemForOperationCreateItem", "ErrorCannotCreateCalendarItemInNonCalendarFolder", "ErrorCannotCreateContactInNonContactFolder", "ErrorCannotCreateTaskInNonTaskFolder", "ErrorCannotCreatePostItemInNonMailFolder", "ErrorUnsupportedCulture", "ErrorInvalidRecipients", "ErrorFolderCorrupt"], None, C::ItemPermanent, "the server cannot give out or take this item"),
];

/// The class of a response code, with words. What is unknown counts as passing: it is tried again
/// within bounds and then told as it is.
fn classify(asked: Asked, code: &str) -> (FailureClass, &'static str) {
    RULES
        .iter()
        .find(|rule| rule.codes.contains(&code) && rule.asked.is_none_or(|only| only == asked))
        .map_or((C::Transient, "the server refused"), |rule| {
            (rule.class, rule.words)
        })
}

/// The longest wait that is believed.
const LONGEST_ADVICE: Duration = Duration::from_secs(3600);

/// The error that a fault or a response message tells of.
pub(crate) fn told(operation: &Operation, message: &Element, code: &str) -> SourceError {
    let value = |name: &str| {
        let xml = message.find("MessageXml")?;
        let value = xml
            .all("Value")
            .find(|value| value.attribute("Name") == Some(name))?;
        Some(value.text.trim().to_owned())
    };
    let wait = value("BackOffMilliseconds").and_then(|text| text.parse().ok());
    let wait = wait.map(|wait| Duration::from_millis(wait).min(LONGEST_ADVICE));
    // A busy server may hide behind a general code.
    match value("InnerErrorResponseCode") {
        Some(inner) if code == "ErrorInternalServerError" && inner == "ErrorServerBusy" => {
            operation.refused(&inner, wait)
        }
        _ => operation.refused(code, wait),
    }
}

/// The error of a response message; `None` when it went well.
pub(crate) fn message_error(operation: &Operation, message: &Element) -> Option<SourceError> {
    let code = message.text_of("ResponseCode").unwrap_or("NoError");
    let is_error = match message.attribute("ResponseClass") {
        Some("Success") => false,
        // Warnings are about what else was done, but for items that were never looked at.
        Some("Warning") => code == "ErrorBatchProcessingStopped",
        _ => code != "NoError" || message.attribute("ResponseClass") == Some("Error"),
    };
    is_error.then(|| told(operation, message, code))
}

/// The error of a SOAP fault.
pub(crate) fn fault_error(operation: &Operation, fault: &Element) -> SourceError {
    let inside = fault
        .child("detail")
        .or_else(|| fault.child("Detail"))
        .and_then(|detail| detail.find("ResponseCode"))
        .map(|code| code.text.trim().to_owned());
    let outside = fault
        .text_of("faultcode")
        .map(|code| code.rsplit(':').next().unwrap_or_default().to_owned());
    let code = inside.filter(|code| !code.is_empty()).or(outside);
    told(operation, fault, &code.unwrap_or_else(|| "fault".into()))
}

/// The error of an answer that is not XML.
pub(crate) fn http_error(
    operation: &Operation,
    status: u16,
    wait: Option<Duration>,
) -> SourceError {
    let (class, words) = match status {
        200..=299 => (
            C::Configuration,
            "the answer is no EWS answer; is the address right?",
        ),
        300..=399 => (
            C::Configuration,
            "the server leads elsewhere; give the address of EWS itself",
        ),
        403 => (
            C::Configuration,
            "the server does not let this account use EWS",
        ),
        404 | 405 => (C::Configuration, "there is no EWS at this address"),
        429 => (C::Throttled, "the server asks to wait"),
        503 if wait.is_some() => (C::Throttled, "the server asks to wait"),
        400 | 411 | 413 | 414 | 431 => (C::RequestBug, "the server refused the request"),
        _ => (C::Transient, "the server failed for a moment"),
    };
    SourceError {
        retry_after: wait,
        ..operation.error(class, &format!("http_{status}"), words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Operation = Operation::new("read item", Asked::Item);

    #[test]
    fn no_code_is_in_two_rules_for_the_same_thing() {
        for (index, rule) in RULES.iter().enumerate() {
            for code in rule.codes {
                let before = RULES.get(..index).unwrap().iter();
                let hidden = before
                    .filter(|other| other.asked.is_none())
                    .any(|other| other.codes.contains(code));
                assert!(!hidden, "{code} is never reached");
            }
        }
    }

    #[test]
    fn the_same_code_for_item_and_folder() {
        assert_eq!(classify(Asked::Item, "ErrorItemNotFound").0, C::ItemGone);
        assert_eq!(
            classify(Asked::Folder, "ErrorItemNotFound").0,
            C::FolderGone
        );
        assert_eq!(
            classify(Asked::Item, "ErrorAccessDenied").0,
            C::ItemPermanent
        );
        assert_eq!(
            classify(Asked::Mailbox, "ErrorAccessDenied").0,
            C::AuthScope
        );
        assert_eq!(classify(Asked::Item, "ErrorBrandNew").0, C::Transient);
    }

    #[test]
    fn a_code_that_is_a_sentence_is_not_repeated() {
        let error = READ.refused("no such user ann@corp.example", None);
        assert_eq!(error.code, "unknown_code");
    }

    #[test]
    fn pages_that_are_no_ews() {
        assert_eq!(http_error(&READ, 200, None).class, C::Configuration);
        assert_eq!(http_error(&READ, 302, None).class, C::Configuration);
        assert_eq!(http_error(&READ, 503, None).class, C::Transient);
        let wait = Some(Duration::from_secs(3));
        assert_eq!(http_error(&READ, 503, wait).class, C::Throttled);
    }
}
