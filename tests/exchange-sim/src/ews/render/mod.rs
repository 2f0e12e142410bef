//! Items and folders as XML.

pub(crate) mod attachment;
pub(crate) mod folder;
pub(crate) mod item;
mod people;
pub(crate) mod shape;

use super::context::Style;
use crate::clock::stamp;

/// An instant as this server writes it.
pub(crate) fn time(style: Style, unix_seconds: i64) -> String {
    let text = stamp(unix_seconds);
    if style.dialect.nanoseconds {
        return text.replace('Z', ".000000100Z");
    }
    text
}
