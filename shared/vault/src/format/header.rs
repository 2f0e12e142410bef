//! The first 80 bytes of every sealed object; repeated in its trailer.

use crate::error::VaultError;
use crate::format::{FORMAT, SUITE};

/// Marks a sealed object.
pub(crate) const MAGIC: [u8; 4] = *b"MKV1";
/// Bytes of [`ObjectHeader::to_bytes`]: the header without its key commitment.
pub(crate) const PREFIX_BYTES: usize = 48;
/// Bytes of the whole header.
pub(crate) const HEADER_BYTES: usize = 80;

/// What an object is for. Part of its key, so that an object of one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// Items and parts.
    Pack,
    /// One commit, with or without items and parts.
    Segment,
    /// Folded index.
    Checkpoint,
    /// The record of one run.
    Run,
    /// A small document, for example a connection.
    Document,
    /// The floor of a mailbox.
    Floor,
}

impl ObjectKind {
    /// The tag in the header.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Pack => 1,
            Self::Segment => 2,
            Self::Checkpoint => 3,
            Self::Run => 4,
            Self::Document => 5,
            Self::Floor => 6,
        }
    }
}

/// The header's fields without the key commitment. Whoever has these and the mailbox key can open a
/// frame at a known place with one range request; the index keeps them for every pack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectHeader {
    /// Format of the writer.
    pub format: u16,
    /// The oldest format that a reader must know.
    pub min_reader: u16,
    /// Cipher suite.
    pub suite: u16,
    /// Tag of the [`ObjectKind`].
    pub kind: u8,
    /// Epoch of the mailbox key (or root key).
    pub key_epoch: u32,
    /// Fresh for every object.
    pub salt: [u8; 32],
}

impl std::fmt::Debug for ObjectHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectHeader")
            .field("format", &self.format)
            .field("kind", &self.kind)
            .field("key_epoch", &self.key_epoch)
            .finish_non_exhaustive()
    }
}

impl ObjectHeader {
    pub(crate) fn new(kind: ObjectKind, key_epoch: u32, salt: [u8; 32]) -> Self {
        Self {
            format: FORMAT,
            min_reader: FORMAT,
            suite: SUITE,
            kind: kind.tag(),
            key_epoch,
            salt,
        }
    }

    /// The 48 bytes that the index keeps.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PREFIX_BYTES] {
        let mut bytes = [0; PREFIX_BYTES];
        let fields = MAGIC
            .into_iter()
            .chain(self.format.to_le_bytes())
            .chain(self.min_reader.to_le_bytes())
            .chain(self.suite.to_le_bytes())
            .chain([self.kind, 0])
            .chain(self.key_epoch.to_le_bytes())
            .chain(self.salt);
        for (slot, byte) in bytes.iter_mut().zip(fields) {
            *slot = byte;
        }
        bytes
    }

    /// Reads the 48 bytes and checks that this program may read the object.
    ///
    /// # Errors
    /// `NewerThanMe` when a newer reader is asked for; `Corrupt` for anything else that does not fit.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, VaultError> {
        let fields = Fields::read(bytes)
            .ok_or_else(|| VaultError::corrupt(object, "the header is too short"))?;
        if fields.magic != MAGIC {
            return Err(VaultError::corrupt(
                object,
                "it is not a sealed vault object",
            ));
        }
        check_reader(object, fields.header.min_reader)?;
        if fields.header.suite != SUITE {
            return Err(VaultError::corrupt(object, "unknown cipher suite"));
        }
        if fields.reserved != 0 {
            return Err(VaultError::corrupt(object, "a reserved header byte is set"));
        }
        Ok(fields.header)
    }

    /// Checks the kind.
    pub(crate) fn expect(&self, object: &str, kind: ObjectKind) -> Result<(), VaultError> {
        if self.kind == kind.tag() {
            Ok(())
        } else {
            Err(VaultError::corrupt(
                object,
                "it is an object of another kind",
            ))
        }
    }
}

/// `NewerThanMe` when an object asks for a newer reader. The one check that comes before all others.
pub(crate) fn check_reader(object: &str, min_reader: u16) -> Result<(), VaultError> {
    if min_reader > FORMAT {
        return Err(VaultError::NewerThanMe {
            object: object.into(),
            needs: min_reader.into(),
        });
    }
    Ok(())
}

struct Fields {
    magic: [u8; 4],
    reserved: u8,
    header: ObjectHeader,
}

impl Fields {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (format, rest) = rest.split_first_chunk()?;
        let (min_reader, rest) = rest.split_first_chunk()?;
        let (suite, rest) = rest.split_first_chunk()?;
        let ([kind, reserved], rest) = rest.split_first_chunk()?;
        let (key_epoch, rest) = rest.split_first_chunk()?;
        let (salt, _) = rest.split_first_chunk()?;
        Some(Self {
            magic: *magic,
            reserved: *reserved,
            header: ObjectHeader {
                format: u16::from_le_bytes(*format),
                min_reader: u16::from_le_bytes(*min_reader),
                suite: u16::from_le_bytes(*suite),
                kind: *kind,
                key_epoch: u32::from_le_bytes(*key_epoch),
                salt: *salt,
            },
        })
    }
}
