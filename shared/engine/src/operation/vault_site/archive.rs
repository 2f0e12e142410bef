//! One archive of an export, in memory until it is complete.

use std::io::{Cursor, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes compressed before others may work.
const STEP_BYTES: usize = 256 << 10;
/// What an entry costs beside its content and its name, which an archive has twice.
const ENTRY_BYTES: u64 = 160;

/// A ZIP archive. The same entries make the same bytes: it holds no time.
pub(super) struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    open: Option<String>,
    size_bytes: u64,
}

impl Archive {
    pub(super) fn new() -> Self {
        Self {
            zip: ZipWriter::new(Cursor::new(vec![])),
            open: None,
            size_bytes: 0,
        }
    }

    /// At most so large it would be if it was complete now, if nothing in it can be compressed.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Appends to an entry: the one that was written last, or a new one.
    pub(super) async fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), ZipError> {
        let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        if self.open.as_deref() != Some(path) {
            let options = SimpleFileOptions::default();
            let options = options.compression_method(CompressionMethod::Deflated);
            self.zip.start_file(path, options)?;
            self.size_bytes += ENTRY_BYTES + 2 * length(path.len());
            self.open = Some(path.to_owned());
        }
        for step in bytes.chunks(STEP_BYTES) {
            self.zip.write_all(step)?;
            tokio::task::yield_now().await;
        }
        self.size_bytes += length(bytes.len());
        Ok(())
    }

    /// The complete archive.
    pub(super) fn finish(self) -> Result<Vec<u8>, ZipError> {
        Ok(self.zip.finish()?.into_inner())
    }
}
