//! The built-in dictionary for text.

/// Number of the built-in dictionary, as in a frame's method byte and in `dict/<number>`.
pub(crate) const BUILT_IN_NUMBER: u8 = 1;

/// The built-in dictionary. Never changes: a better one gets another number.
pub(crate) const BUILT_IN: &[u8] =
    b"Received: from Content-Type: text/html; charset=\"utf-8\"\r\nMIME-Version: 1.0\r\nMessage-ID: <";
