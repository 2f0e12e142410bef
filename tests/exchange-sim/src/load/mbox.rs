//! mbox files. Quoted lines (`>From `) are unquoted; a message ends before the empty line in front of
//! the next `From ` line with a date.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::{Found, LoadError, UNFLAGGED, modified, read_error};
use crate::content::blob::Blob;
use crate::numbers::wide;

/// Reads all messages of an mbox file.
pub(crate) fn read(
    path: &Path,
    folders: Vec<String>,
    add: &mut impl FnMut(Found),
) -> Result<(), LoadError> {
    let failed = |cause| read_error(path, cause);
    let file = std::fs::File::open(path).map_err(failed)?;
    let date = modified(&file.metadata().map_err(failed)?);
    let mut reader = BufReader::new(file);
    let mut state = State {
        path,
        start: None,
        end: 0,
        quoted: None,
        blank: 0,
    };
    let mut offset = 0_u64;
    let mut line = Vec::new();
    let mut is_after_blank = true;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        if is_after_blank && is_separator(&line) {
            state.finish(&folders, date, add)?;
            state.start = Some(offset + wide(length));
            state.end = offset + wide(length);
        } else if state.start.is_some() {
            state.line(&line, offset)?;
        }
        is_after_blank = line == b"\n" || line == b"\r\n";
        state.blank = if is_after_blank { length } else { 0 };
        offset += wide(length);
    }
    state.finish(&folders, date, add)
}

/// Whether a line behind an empty line starts a message: `From sender`, usually with a date.
/// Sentences that happen to start with "From" do not.
fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else {
        return false;
    };
    let mut words = rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let has_sender_only = words.clone().count() == 1 && rest.contains(&b'@');
    has_sender_only
        || words.any(|word| {
            matches!(word, [a, b, b':', c, d, ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
        })
}

/// The message that is being read.
struct State<'a> {
    path: &'a Path,
    start: Option<u64>,
    end: u64,
    /// The unquoted bytes, for messages with quoted lines; others are read from the file.
    quoted: Option<Vec<u8>>,
    /// Length of the line before, if it was empty.
    blank: usize,
}

impl State<'_> {
    fn line(&mut self, line: &[u8], offset: u64) -> Result<(), LoadError> {
        let unquoted = line
            .strip_prefix(b">")
            .filter(|rest| rest.trim_ascii_start_matches(b'>').starts_with(b"From "));
        if unquoted.is_some() && self.quoted.is_none() {
            let start = self.start.unwrap_or(offset);
            let blob = Blob::Path {
                path: self.path.to_owned(),
                offset: start,
                bytes: offset - start,
            };
            self.quoted = Some(blob.whole().to_vec());
        }
        if let Some(bytes) = &mut self.quoted {
            bytes.extend_from_slice(unquoted.unwrap_or(line));
        }
        self.end = offset + wide(line.len());
        Ok(())
    }

    fn finish(
        &mut self,
        folders: &[String],
        date: i64,
        add: &mut impl FnMut(Found),
    ) -> Result<(), LoadError> {
        let Some(start) = self.start.take() else {
            return Ok(());
        };
        let separator = self.blank;
        let bytes = match self.quoted.take() {
            Some(mut bytes) => {
                bytes.truncate(bytes.len().saturating_sub(separator));
                Blob::from(bytes)
            }
            None => Blob::Path {
                path: self.path.to_owned(),
                offset: start,
                bytes: (self.end - start).saturating_sub(wide(separator)),
            },
        };
        add(Found {
            folders: folders.to_vec(),
            bytes,
            state: UNFLAGGED,
            date,
        });
        Ok(())
    }
}

/// Leading bytes of one kind removed.
trait TrimStart {
    fn trim_ascii_start_matches(&self, byte: u8) -> &[u8];
}

impl TrimStart for [u8] {
    fn trim_ascii_start_matches(&self, byte: u8) -> &[u8] {
        let count = self.iter().take_while(|one| **one == byte).count();
        self.get(count..).unwrap_or_default()
    }
}
