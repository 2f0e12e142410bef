//! The three messages as bytes (MS-NLMP, section 2.2.1).

use std::ops::Range;

use super::hash::wide;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Unicode, request target, NTLM, always sign, extended session security, target info, 128 and 56
/// bit.
const FLAGS: u32 = 0x1 | 0x4 | 0x200 | 0x8000 | 0x8_0000 | 0x80_0000 | 0x2000_0000 | 0x8000_0000;

/// Kinds of target information.
const END: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;
const AV_TARGET_NAME: u16 = 9;
/// The third message carries a code over all messages.
const HAS_CODE: u32 = 2;

/// The first message: no domain, no workstation.
pub(super) fn negotiate() -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend(1u32.to_le_bytes());
    out.extend(FLAGS.to_le_bytes());
    out.extend([0; 16]);
    out
}

/// The second message.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) flags: u32,
    pub(super) nonce: [u8; 8],
    pairs: Vec<(u16, Vec<u8>)>,
}

impl Challenge {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..8)? != SIGNATURE || u32_at(bytes, 8)? != 2 {
            return None;
        }
        let length = usize::from(u16_at(bytes, 40)?);
        let offset = usize::try_from(u32_at(bytes, 44)?).ok()?;
        let info = bytes.get(offset..offset.checked_add(length)?)?;
        Some(Self {
            flags: u32_at(bytes, 20)? & FLAGS,
            nonce: bytes.get(24..32)?.try_into().ok()?,
            pairs: pairs(info)?,
        })
    }

    /// The server's time, if it tells.
    pub(super) fn timestamp(&self) -> Option<[u8; 8]> {
        let (_, value) = self.pairs.iter().find(|(kind, _)| *kind == AV_TIMESTAMP)?;
        value.as_slice().try_into().ok()
    }

    /// The target information that goes into the response.
    pub(super) fn target_info(&self, host: &str) -> Vec<u8> {
        let mut out = vec![];
        let mut flags = 0;
        for (kind, value) in &self.pairs {
            match *kind {
                AV_FLAGS => flags = u32_at(value, 0).unwrap_or_default(),
                AV_TARGET_NAME => {}
                kind => put(&mut out, kind, value),
            }
        }
        if self.timestamp().is_some() {
            put(&mut out, AV_FLAGS, &(flags | HAS_CODE).to_le_bytes());
        }
        put(&mut out, AV_TARGET_NAME, &wide(&format!("HTTP/{host}")));
        put(&mut out, END, &[]);
        out
    }
}

fn pairs(mut info: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut out = vec![];
    while !info.is_empty() {
        let kind = u16_at(info, 0)?;
        if kind == END {
            break;
        }
        let length = usize::from(u16_at(info, 2)?);
        out.push((kind, info.get(4..4 + length)?.to_vec()));
        info = info.get(4 + length..)?;
    }
    Some(out)
}

fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // A value that is too long for its length field cannot be meant.
    let Ok(length) = u16::try_from(value.len()) else {
        return;
    };
    out.extend(kind.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(value);
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// The third message.
pub(super) struct Authenticate<'a> {
    pub(super) flags: u32,
    pub(super) lm_response: Vec<u8>,
    pub(super) nt_response: Vec<u8>,
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
}

/// Where the payload begins.
const HEADER: usize = 88;

impl Authenticate<'_> {
    /// The message with zeros where the code over all messages goes, and that place.
    pub(super) fn write(&self) -> (Vec<u8>, Range<usize>) {
        let values = [
            self.lm_response.clone(),
            self.nt_response.clone(),
            wide(self.domain),
            wide(self.user),
            vec![],
            vec![],
        ];
        let mut out = SIGNATURE.to_vec();
        out.extend(3u32.to_le_bytes());
        let mut offset = HEADER;
        for value in &values {
            let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes();
            out.extend(length);
            out.extend(length);
            out.extend(u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
            offset += value.len();
        }
        out.extend(self.flags.to_le_bytes());
        out.extend([0; 8]);
        let code_at = out.len()..out.len() + 16;
        out.extend([0; 16]);
        values.iter().for_each(|value| out.extend(value));
        (out, code_at)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A challenge with this target information.
    pub(crate) fn challenge(pairs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut info = vec![];
        for (kind, value) in pairs {
            put(&mut info, *kind, value);
        }
        put(&mut info, END, &[]);
        let mut out = SIGNATURE.to_vec();
        out.extend(2u32.to_le_bytes());
        out.extend([0; 8]);
        out.extend(0xa289_8205u32.to_le_bytes());
        out.extend([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        out.extend([0; 8]);
        let length = u16::try_from(info.len()).unwrap().to_le_bytes();
        out.extend(length);
        out.extend(length);
        out.extend(56u32.to_le_bytes());
        out.extend([0; 8]);
        out.extend(info);
        out
    }

    #[test]
    fn a_challenge_is_read() {
        let time = [9; 8];
        let bytes = challenge(&[
            (2, b"D\0"),
            (AV_TIMESTAMP, &time),
            (AV_FLAGS, &[1, 0, 0, 0]),
        ]);
        let challenge = Challenge::parse(&bytes).unwrap();
        assert_eq!(challenge.timestamp(), Some(time));
        assert_eq!(challenge.nonce[0], 1);
        let info = pairs(&challenge.target_info("h")).unwrap();
        assert!(info.contains(&(AV_FLAGS, vec![3, 0, 0, 0])));
        assert!(info.contains(&(AV_TARGET_NAME, wide("HTTP/h"))));
        assert!(info.contains(&(2, b"D\0".to_vec())));
    }

    #[test]
    fn lengths_and_offsets_agree() {
        let message = Authenticate {
            flags: FLAGS,
            lm_response: vec![1; 24],
            nt_response: vec![2; 50],
            domain: "D",
            user: "u",
        };
        let (bytes, code_at) = message.write();
        assert_eq!(code_at, 72..88);
        assert_eq!(bytes.len(), 88 + 24 + 50 + 2 + 2);
        let offset = usize::try_from(u32_at(&bytes, 24).unwrap()).unwrap();
        assert_eq!(&bytes[offset..offset + 50], &[2; 50]);
    }
}
