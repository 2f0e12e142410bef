//! The frame around the few objects that must be read before any key is known: `vault` and key
//! records. A checksum tells damage from a wrong key.

use prost::Message;

use crate::error::VaultError;
use crate::format::FORMAT;
use crate::format::header::check_reader;

const MAGIC: [u8; 4] = *b"MKR1";

/// Magic, format, least reader, CRC-32C of the message, message.
pub(crate) fn encode(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut bytes = Vec::with_capacity(body.len() + 12);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<M: Message + Default>(object: &str, bytes: &[u8]) -> Result<M, VaultError> {
    let bad = |what: &str| VaultError::corrupt(object, what);
    let (min_reader, crc, body) = fields(bytes).ok_or_else(|| bad("it is not a vault record"))?;
    check_reader(object, min_reader)?;
    if crc32c::crc32c(body) != crc {
        return Err(bad("its checksum does not fit"));
    }
    M::decode(body).map_err(|error| bad(&error.to_string()))
}

fn fields(bytes: &[u8]) -> Option<(u16, u32, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (_format, rest) = rest.split_first_chunk::<2>()?;
    let (min_reader, rest) = rest.split_first_chunk()?;
    let (crc, body) = rest.split_first_chunk()?;
    (*magic == MAGIC).then(|| {
        (
            u16::from_le_bytes(*min_reader),
            u32::from_le_bytes(*crc),
            body,
        )
    })
}
