//! A folder's cursor as the vault keeps it: the source's own, and what the engine must remember with it.

use mailkeep_exchange::Cursor;

/// Stands before a cursor that leads to the middle of a listing.
const UNFINISHED: &str = "unfinished:";
/// Stands before the number by which the source's count differs, which a colon ends.
const DIFFERS: &str = "differs:";

/// What is stored for a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCursor {
    /// The source's own.
    pub(super) cursor: Cursor,
    /// False when it leads to the middle of a listing.
    pub(super) is_finished: bool,
    /// By how much the source counted more than the vault accounted for, right after the folder was listed
    /// anew because of it.
    pub(super) difference: Option<i128>,
}

impl StoredCursor {
    /// Any text is a cursor.
    pub(super) fn read(text: &str) -> Self {
        let marked = text.strip_prefix(DIFFERS).and_then(|rest| {
            let (number, rest) = rest.split_once(':')?;
            Some((number.parse().ok()?, rest))
        });
        let (difference, rest) = match marked {
            Some((number, rest)) => (Some(number), rest),
            None => (None, text),
        };
        let unfinished = rest.strip_prefix(UNFINISHED);
        Self {
            cursor: Cursor(unfinished.unwrap_or(rest).to_owned()),
            is_finished: unfinished.is_none(),
            difference,
        }
    }

    /// The text to store.
    pub(super) fn write(&self) -> String {
        let mark = self
            .difference
            .map_or_else(String::new, |number| format!("{DIFFERS}{number}:"));
        let unfinished = if self.is_finished { "" } else { UNFINISHED };
        format!("{mark}{unfinished}{}", self.cursor.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for is_finished in [true, false] {
            for difference in [None, Some(0), Some(-3), Some(i128::from(u64::MAX))] {
                let stored = StoredCursor {
                    cursor: Cursor("{\"v\":1}:x".into()),
                    is_finished,
                    difference,
                };
                assert_eq!(StoredCursor::read(&stored.write()), stored);
            }
        }
        for plain in ["", "https://x/y", "differs:", "differs:x:y"] {
            let read = StoredCursor::read(plain);
            assert_eq!((read.cursor.0.as_str(), read.difference), (plain, None));
            assert!(read.is_finished);
        }
    }
}
