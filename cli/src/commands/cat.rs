//! `mailkeep cat`.

use futures::StreamExt;
use mailkeep_engine::browse;
use mailkeep_vault::ItemReader;
use serde::Serialize;

use super::folders::FolderNames;
use super::snapshot_selector;
use crate::args::CatArgs;
use crate::output::{Output, human};
use crate::session::Session;
use crate::view::items::ItemObject;
use crate::{CliError, Exit};

/// Headers longer than this are cut off.
const LONGEST_HEADERS: usize = 1 << 20;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    item: ItemObject<'a>,
    content_bytes: Option<u64>,
    representation: Option<mailkeep_model::Representation>,
    export_stream_bytes: Option<u64>,
    export_stream_server: Option<&'a str>,
    versions: Vec<VersionLine>,
}

#[derive(Serialize)]
struct VersionLine {
    from_sequence: u64,
    to_sequence: Option<u64>,
}

/// Carries out the verb.
///
/// # Errors
/// When there is no such item, or its content is missing or damaged.
pub(super) async fn run(session: &Session, args: &CatArgs) -> Result<Exit, CliError> {
    if args.headers && session.global.json {
        return Err(CliError::Usage(
            "--headers prints text; --json prints metadata: choose one".to_owned(),
        ));
    }
    let engine = session.engine(&args.unlock).await?;
    let mailbox = browse::find_mailbox(&engine, &args.mailbox).await?;
    let selector = snapshot_selector(&args.snapshot, session.clock.now());
    let view = browse::open(&mailbox, &selector).await?;
    let version = browse::item(&view, &args.item).await?;
    let mut output = session.output();
    if output.is_json() {
        let folder = FolderNames::of(&view).path(&version.item.folder);
        let reader = match version.content {
            Some(_) => Some(view.content(&version).await?),
            None => None,
        };
        let versions = view.versions(version.key).await?;
        output.object(&Line {
            item: ItemObject::of(&mailbox.profile().address, &folder, &version),
            content_bytes: reader.as_ref().map(ItemReader::size_bytes),
            representation: reader.as_ref().map(ItemReader::representation),
            export_stream_bytes: reader.as_ref().and_then(ItemReader::export_bytes),
            export_stream_server: reader.as_ref().and_then(ItemReader::export_server_version),
            versions: versions
                .iter()
                .map(|version| VersionLine {
                    from_sequence: version.from_sequence,
                    to_sequence: version.to_sequence,
                })
                .collect(),
        })?;
    } else {
        let reader = view.content(&version).await?;
        write_message(&mut output, &reader, args.headers).await?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Writes the bytes as they are to a file or pipe, and made harmless to a terminal.
async fn write_message(
    output: &mut Output,
    reader: &ItemReader,
    headers_only: bool,
) -> Result<(), CliError> {
    let mut mime = std::pin::pin!(reader.mime());
    let mut head = HeadFinder::default();
    while let Some(bytes) = mime.next().await {
        let bytes = bytes?;
        let wanted = if headers_only {
            head.take(&bytes)
        } else {
            &bytes[..]
        };
        if output.is_terminal() {
            output.bytes(human::printable_message(wanted).as_bytes())?;
        } else {
            output.bytes(wanted)?;
        }
        if headers_only && head.is_done {
            break;
        }
    }
    Ok(())
}

/// Finds the empty line that ends the headers.
#[derive(Default)]
struct HeadFinder {
    line_is_empty: bool,
    taken: usize,
    is_done: bool,
}

impl HeadFinder {
    /// The part of `bytes` that belongs to the headers.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (index, byte) in bytes.iter().enumerate() {
            self.taken += 1;
            match byte {
                b'\n' if self.line_is_empty => self.is_done = true,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
            self.is_done |= self.taken >= LONGEST_HEADERS;
            if self.is_done {
                return bytes.get(..=index).unwrap_or(bytes);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_empty_line_however_the_bytes_are_cut() {
        for message in [
            &b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n"[..],
            b"A: 1\nB: 2\n\nbody",
        ] {
            for size in 1..message.len() {
                let mut head = HeadFinder::default();
                let mut taken = vec![];
                for piece in message.chunks(size) {
                    taken.extend_from_slice(head.take(piece));
                    if head.is_done {
                        break;
                    }
                }
                let text = String::from_utf8(taken).unwrap();
                assert_eq!(text.replace('\r', ""), "A: 1\nB: 2\n\n", "{size}");
            }
        }
    }

    #[test]
    fn a_message_without_a_body_is_all_headers() {
        let mut head = HeadFinder::default();
        assert_eq!(head.take(b"A: 1\r\nB: 2"), b"A: 1\r\nB: 2");
        assert!(!head.is_done);
    }
}
