//! From an answer of Graph to one failure class: own parser, one table.

use mailkeep_model::FailureClass;
use serde_json::Value;

use crate::SourceError;

use FailureClass as C;

/// What a call was about: the same code means different things for an item and for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Users and other objects of the directory.
    Directory,
    /// A mailbox as a whole.
    Mailbox,
    /// One folder.
    Folder,
    /// One item.
    Item,
}

/// A kind of call: what it is called in errors, what it is about and which permission it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) asked: Asked,
    pub(crate) permission: &'static str,
}

impl Operation {
    pub(crate) const fn new(name: &'static str, asked: Asked, permission: &'static str) -> Self {
        Self {
            name,
            asked,
            permission,
        }
    }

    /// An error of this operation that no answer of the service stands behind.
    pub(crate) fn error(&self, class: FailureClass, code: &str, message: &str) -> SourceError {
        SourceError::new(class, self.name, code, message)
    }
}

/// What an error body says. May be empty: bodies are sometimes missing or HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    /// Codes from the outside in.
    pub(crate) codes: Vec<String>,
    /// The service's request id.
    pub(crate) request_id: Option<String>,
    /// The service's text. Only looked at, never shown: it may name people.
    pub(crate) text: String,
}

/// Nested errors beyond this are not looked at.
const DEEPEST_ERROR: usize = 8;

impl ErrorBody {
    /// Reads an error body, whatever it is.
    pub(crate) fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).map_or_else(|_| Self::default(), |json| Self::from_json(&json))
    }

    /// Reads an error body that is JSON already.
    pub(crate) fn from_json(json: &Value) -> Self {
        let mut found = Self::default();
        let mut level = field(json, &["error"]).or(Some(json));
        for _ in 0..DEEPEST_ERROR {
            let Some(error) = level else { break };
            if let Some(code) = field(error, &["code"]).and_then(Value::as_str) {
                found.codes.push(code.chars().take(100).collect());
            }
            if found.text.is_empty() {
                let text = field(error, &["message"]).and_then(Value::as_str);
                found.text = text.unwrap_or_default().to_ascii_lowercase();
            }
            if let Some(id) = field(error, &["request-id"]).and_then(Value::as_str) {
                found.request_id = Some(id.chars().take(100).collect());
            }
            level = field(error, &["innererror"]);
        }
        found
    }

    fn has(&self, codes: &[&str]) -> bool {
        self.codes
            .iter()
            .any(|have| codes.iter().any(|code| have.eq_ignore_ascii_case(code)))
    }
}

fn field<'a>(json: &'a Value, names: &[&str]) -> Option<&'a Value> {
    json.as_object()?
        .iter()
        .find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

/// One line of the table: the first that fits decides. An empty list or `None` fits everything.
struct Rule {
    status: &'static [u16],
    codes: &'static [&'static str],
    asked: Option<Asked>,
    class: FailureClass,
    words: &'static str,
}

const fn rule(
    status: &'static [u16],
    codes: &'static [&'static str],
    asked: Option<Asked>,
    class: FailureClass,
    words: &'static str,
) -> Rule {
    Rule {
        status,
        codes,
        asked,
        class,
        words,
    }
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(&[429], &[], None, C::Throttled, "the service asks to wait"),
    rule(&[], &["ApplicationThrottled", "TooManyRequests", "activityLimitReached", "throttledRequest", "ErrorTooManyObjectsOpened"], None, C::Throttled, "the service asks to wait"),
    rule(&[401], &[], None, C::AuthToken, "the access token was refused"),
    rule(&[], &["InvalidAuthenticationToken", "CompactToken"], None, C::AuthToken, "the access token was refused"),
    rule(&[], &["syncStateNotFound", "resyncRequired", "SyncStateInvalid", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences"], None, C::SyncReset, "the service forgot how far changes were followed"),
    rule(&[410], &[], None, C::SyncReset, "the service forgot how far changes were followed"),
    rule(&[], &["ErrorQuotaExceeded"], None, C::TargetFull, "the mailbox is full"),
    rule(&[507], &[], None, C::TargetFull, "the mailbox is full"),
    rule(&[], &["MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "MailboxNotHostedInExchangeOnline", "extensionError"], None, C::MailboxUnavailable, "there is no Exchange Online mailbox behind this account"),
    rule(&[], &["Request_ResourceNotFound", "ResourceNotFound", "ErrorNonExistentMailbox", "ErrorInvalidUser"], None, C::MailboxGone, "the account does not exist or is no mailbox"),
    rule(&[], &["ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover"], None, C::MailboxBusy, "the mailbox is being moved or its store is busy"),
    rule(&[], &["resourceLocked", "notAllowed"], None, C::MailboxUnavailable, "the mailbox is locked"),
    rule(&[], &["Authorization_RequestDenied"], None, C::AuthConsent, "a permission was not granted to the application"),
    rule(&[403], &["accessDenied"], None, C::AuthConsent, "a permission was not granted to the application"),
    rule(&[403], &[], Some(Asked::Directory), C::AuthConsent, "a permission was not granted to the application"),
    rule(&[], &["ErrorAccessDenied"], None, C::AuthScope, "the application may not open this mailbox"),
    rule(&[403], &[], None, C::AuthScope, "the application may not open this mailbox"),
    rule(&[], &["ErrorSyncFolderNotFound", "ErrorFolderNotFound"], None, C::FolderGone, "the folder is gone"),
    rule(&[404], &["ErrorItemNotFound", "itemNotFound"], Some(Asked::Folder), C::FolderGone, "the folder is gone"),
    rule(&[404], &["ErrorItemNotFound", "itemNotFound"], Some(Asked::Item), C::ItemGone, "the item is gone"),
    rule(&[], &["ErrorCorruptData", "ErrorContentConversionFailed", "ErrorMimeContentConversionFailed", "ErrorCannotOpenFileAttachment", "ErrorMessageSizeExceeded", "malwareDetected", "ErrorInvalidRecipients", "ErrorPropertyValidationFailure"], None, C::ItemPermanent, "the service cannot give out or take this item"),
    rule(&[413], &[], None, C::ItemPermanent, "too large for the service"),
    rule(&[], &["ErrorFolderExists", "ErrorIrresolvableConflict", "nameAlreadyExists"], None, C::Conflict, "something by that name or version is there already"),
    rule(&[409, 412], &[], None, C::Conflict, "something by that name or version is there already"),
    rule(&[], &["ErrorServerBusy", "ErrorInternalServerTransientError", "ErrorTimeoutExpired", "ErrorBatchProcessingStopped", "ErrorConnectionFailed"], None, C::Transient, "the service is busy"),
    rule(&[503], &[], None, C::MailboxBusy, "the service is not available for a moment"),
    rule(&[408, 424, 500, 502, 504, 509], &[], None, C::Transient, "the service failed"),
    rule(&[300, 301, 302, 303, 307, 308], &[], None, C::Configuration, "the service points elsewhere; check the hosts"),
];

/// The error that an answer stands for. `operation` names what was tried.
pub(crate) fn classify(operation: &Operation, status: u16, body: &ErrorBody) -> SourceError {
    let code = body
        .codes
        .iter()
        .rev()
        .find(|code| !code.is_empty() && !code.eq_ignore_ascii_case("UnknownError"))
        .cloned()
        .unwrap_or_else(|| format!("http_{status}"));
    let (class, words) = decide(operation, status, body);
    let mut error = SourceError::new(class, operation.name, code, words);
    if matches!(class, C::AuthConsent | C::AuthScope) {
        error.message = format!("{words}; this call needs {}", operation.permission);
    }
    error.request_id.clone_from(&body.request_id);
    error
}

fn decide(operation: &Operation, status: u16, body: &ErrorBody) -> (FailureClass, &'static str) {
    // A real 404 has a code. Without one it is a passing fault (seen on items and attachments).
    if status == 404 && body.codes.is_empty() {
        return (
            C::Transient,
            "not found, but without an error code: a passing fault",
        );
    }
    if body.text.contains("io error during request payload read") {
        return (C::Transient, "the service lost our request on the way");
    }
    if status == 400 && body.text.contains("deltatoken") && body.text.contains("not supported") {
        return (
            C::SyncReset,
            "the service does not follow changes from here",
        );
    }
    for rule in RULES {
        if (rule.status.is_empty() || rule.status.contains(&status))
            && (rule.codes.is_empty() || body.has(rule.codes))
            && rule.asked.is_none_or(|asked| asked == operation.asked)
        {
            return (rule.class, rule.words);
        }
    }
    if status == 404 {
        return match operation.asked {
            Asked::Directory | Asked::Mailbox => (C::MailboxGone, "the mailbox is gone"),
            Asked::Folder => (C::FolderGone, "the folder is gone"),
            Asked::Item => (C::ItemGone, "the item is gone"),
        };
    }
    if status >= 500 {
        return (C::Transient, "the service failed");
    }
    (C::RequestBug, "the service refused our request")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn class(asked: Asked, status: u16, body: &str) -> FailureClass {
        let operation = Operation::new("try", asked, "Mail.Read");
        classify(&operation, status, &ErrorBody::parse(body.as_bytes())).class
    }

    fn coded(code: &str) -> String {
        format!(r#"{{"error":{{"code":"{code}","message":"…"}}}}"#)
    }

    #[test]
    fn table() {
        use Asked::{Directory, Folder, Item, Mailbox};
        for (asked, status, code, expected) in [
            (Item, 429, "ApplicationThrottled", C::Throttled),
            (Item, 200, "ApplicationThrottled", C::Throttled),
            (Mailbox, 401, "InvalidAuthenticationToken", C::AuthToken),
            (
                Directory,
                403,
                "Authorization_RequestDenied",
                C::AuthConsent,
            ),
            (Mailbox, 403, "ErrorAccessDenied", C::AuthScope),
            (Folder, 410, "SyncStateNotFound", C::SyncReset),
            (Folder, 400, "SyncStateInvalid", C::SyncReset),
            (Folder, 410, "anything", C::SyncReset),
            (
                Mailbox,
                404,
                "MailboxNotEnabledForRESTAPI",
                C::MailboxUnavailable,
            ),
            (Mailbox, 404, "Request_ResourceNotFound", C::MailboxGone),
            (Mailbox, 404, "ErrorInvalidUser", C::MailboxGone),
            (Mailbox, 503, "ErrorMailboxMoveInProgress", C::MailboxBusy),
            (Folder, 404, "ErrorItemNotFound", C::FolderGone),
            (Folder, 404, "ErrorSyncFolderNotFound", C::FolderGone),
            (Item, 404, "ErrorItemNotFound", C::ItemGone),
            (Item, 500, "ErrorCorruptData", C::ItemPermanent),
            (
                Item,
                500,
                "ErrorMimeContentConversionFailed",
                C::ItemPermanent,
            ),
            (Item, 400, "ErrorInvalidRecipients", C::ItemPermanent),
            (Item, 507, "ErrorQuotaExceeded", C::TargetFull),
            (Folder, 409, "ErrorFolderExists", C::Conflict),
            (Item, 412, "ErrorIrresolvableConflict", C::Conflict),
            (Item, 503, "ErrorServerBusy", C::Transient),
            (Item, 500, "InternalServerError", C::Transient),
            (Item, 504, "UnknownError", C::Transient),
            (Item, 400, "ErrorInvalidIdMalformed", C::RequestBug),
            (Item, 405, "ErrorInvalidRequest", C::RequestBug),
            (Item, 415, "x", C::RequestBug),
            (Item, 308, "x", C::Configuration),
            (Item, 599, "brand new", C::Transient),
        ] {
            assert_eq!(
                class(asked, status, &coded(code)),
                expected,
                "{status} {code}"
            );
            let lower = coded(&code.to_lowercase());
            assert_eq!(
                class(asked, status, &lower),
                expected,
                "{status} {code} in lower case"
            );
        }
    }

    #[test]
    fn odd_bodies() {
        assert_eq!(class(Asked::Item, 404, ""), C::Transient);
        assert_eq!(class(Asked::Item, 503, "<html>busy</html>"), C::MailboxBusy);
        assert_eq!(class(Asked::Item, 502, ""), C::Transient);
        assert_eq!(class(Asked::Item, 403, ""), C::AuthScope);
        assert_eq!(class(Asked::Item, 200, "[1]"), C::RequestBug);
    }

    #[test]
    fn inner_codes_count_and_ids_are_found() {
        let body = ErrorBody::parse(
            br#"{"error":{"code":"UnknownError","message":"Of ann@x.example","innerError":
                {"code":"ErrorCorruptData","request-id":"r-1","innererror":{"code":"Deep"}}}}"#,
        );
        assert_eq!(body.codes, ["UnknownError", "ErrorCorruptData", "Deep"]);
        let operation = Operation::new("try", Asked::Item, "Mail.Read");
        let error = classify(&operation, 500, &body);
        assert_eq!(error.class, C::ItemPermanent);
        assert_eq!(error.request_id.as_deref(), Some("r-1"));
        assert!(!format!("{error:?}").contains("ann@"));
    }

    proptest! {
        #[test]
        fn any_answer_has_a_class(status in 0u16..1000, body in ".{0,200}") {
            let _ = class(Asked::Item, status, &body);
        }
    }
}
