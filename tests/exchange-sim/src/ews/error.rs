//! Errors of one item and of a whole request.

use std::borrow::Cow;

/// A response message that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EwsError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) text: String,
    /// `t:Value` elements of the message XML.
    pub(crate) values: Vec<(&'static str, String)>,
    pub(crate) is_warning: bool,
}

impl EwsError {
    /// An error.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, text: &str) -> Self {
        Self {
            code: code.into(),
            text: text.to_owned(),
            values: vec![],
            is_warning: false,
        }
    }

    pub(crate) fn item_not_found() -> Self {
        Self::new(
            "ErrorItemNotFound",
            "The specified object was not found in the store., The process failed to get the correct properties.",
        )
    }

    pub(crate) fn folder_not_found() -> Self {
        Self::new(
            "ErrorFolderNotFound",
            "The specified folder could not be found in the store.",
        )
    }

    pub(crate) fn denied() -> Self {
        Self::new(
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )
    }

    pub(crate) fn malformed_id() -> Self {
        Self::new("ErrorInvalidIdMalformed", "Id is malformed.")
    }

    pub(crate) fn stopped() -> Self {
        Self {
            is_warning: true,
            ..Self::new(
                "ErrorBatchProcessingStopped",
                "Processing has stopped before this item was reached.",
            )
        }
    }

    pub(crate) fn property(name: &str) -> Self {
        Self::new(
            "ErrorInvalidPropertySet",
            &format!("Set action is invalid for property '{name}'."),
        )
    }
}

/// The whole request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Cow<'static, str>,
    pub(crate) text: String,
    pub(crate) values: Vec<(&'static str, String)>,
}

impl Fault {
    /// A fault.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, text: &str) -> Self {
        Self {
            code: code.into(),
            text: text.to_owned(),
            values: vec![],
        }
    }

    /// The request is not valid against the schema.
    pub(crate) fn schema(document: &[u8], at: usize, why: &str) -> Self {
        let before = document.get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |n| n + 1);
        Self {
            values: vec![
                ("LineNumber", line.to_string()),
                ("LinePosition", (at - start.min(at) + 1).to_string()),
                ("Violation", why.to_owned()),
            ],
            ..Self::new(
                "ErrorSchemaValidation",
                &format!("The request failed schema validation: {why}"),
            )
        }
    }
}

impl From<EwsError> for Fault {
    fn from(error: EwsError) -> Self {
        Self {
            code: error.code,
            text: error.text,
            values: error.values,
        }
    }
}
