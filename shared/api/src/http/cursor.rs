//! Pages and the marks to go on from.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::Problem;

/// Entries on a page unless the sender says otherwise.
const DEFAULT: u16 = 50;
/// Most entries on a page.
pub(crate) const MAX: u16 = 200;
/// Longest cursor that is looked at.
const MAX_CURSOR: usize = 4_000;
const TAG_BYTES: usize = 8;

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    /// The entries.
    pub(crate) data: Vec<T>,
    /// Give it as `cursor` to get the next page; null at the end. A page may have fewer entries than
    /// were asked for, and even none, before the end.
    pub(crate) next_cursor: Option<String>,
}

/// Checks how many entries were asked for.
pub(crate) fn limit(asked: Option<u16>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT) {
        limit @ 1..=MAX => Ok(usize::from(limit)),
        _ => Err(Problem::invalid_request("limit is a number from 1 to 200")),
    }
}

/// Makes and reads marks of one list. A mark of another list, or of the same with other settings, is
/// refused: it would silently show something else.
pub(crate) struct Cursor {
    tag: Vec<u8>,
}

impl Cursor {
    /// For the list that these words name.
    pub(crate) fn of(words: &[&str]) -> Self {
        let mut all = vec![];
        for word in words {
            all.extend_from_slice(&u64::try_from(word.len()).unwrap_or_default().to_le_bytes());
            all.extend_from_slice(word.as_bytes());
        }
        let hash = digest(&SHA256, &all);
        Self {
            tag: hash.as_ref().iter().take(TAG_BYTES).copied().collect(),
        }
    }

    /// A mark.
    pub(crate) fn write(&self, after: &str) -> String {
        let mut bytes = self.tag.clone();
        bytes.extend_from_slice(after.as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// What a mark stands for.
    pub(crate) fn read(&self, text: Option<&str>) -> Result<Option<String>, Problem> {
        let Some(text) = text else {
            return Ok(None);
        };
        let wrong = || {
            Problem::new(
                http::StatusCode::BAD_REQUEST,
                "invalid_cursor",
                "the cursor is not one of this list with these settings; begin again without",
            )
        };
        if text.len() > MAX_CURSOR {
            return Err(wrong());
        }
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| wrong())?;
        let after = bytes.strip_prefix(&*self.tag).ok_or_else(wrong)?;
        let after = std::str::from_utf8(after).map_err(|_| wrong())?;
        if after.is_empty() {
            return Err(wrong());
        }
        Ok(Some(after.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_list_only() {
        let list = Cursor::of(&["runs", "job-1"]);
        let mark = list.write("run/0001");
        assert_eq!(list.read(Some(&mark)).unwrap().unwrap(), "run/0001");
        assert_eq!(list.read(None).unwrap(), None);
        for other in [Cursor::of(&["runs", "job-2"]), Cursor::of(&["runsjob-1"])] {
            assert_eq!(
                other.read(Some(&mark)).unwrap_err().code(),
                "invalid_cursor"
            );
        }
        let long = "A".repeat(5_000);
        for wrong in ["", "***", "AAAA", &mark[..10], &long, &list.write("")] {
            assert!(list.read(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
