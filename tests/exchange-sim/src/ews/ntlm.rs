//! The server's side of NTLM version 2, bound to one connection.

use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Unicode, NTLM, target type server, extended session security, target information, 128 bits, version.
const FLAGS: u32 = 0x2289_8205;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;

/// A handshake that waits for its last message.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    nonce: [u8; 8],
}

/// The last message, taken apart.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) domain: String,
    pub(crate) user: String,
    response: Vec<u8>,
    message: Vec<u8>,
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn code(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let Ok(mut mac) = <Hmac<Md5> as Mac>::new_from_slice(key) else {
        return [0; 16];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn pair(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend(kind.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend(value);
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn field(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(short(bytes, at)?);
    let offset = usize::try_from(long(bytes, at + 4)?).ok()?;
    bytes.get(offset..offset.checked_add(length)?)
}

fn text(bytes: &[u8]) -> Option<String> {
    let units: Option<Vec<u16>> = bytes.chunks(2).map(|unit| short(unit, 0)).collect();
    String::from_utf16(&units?).ok()
}

/// The number of an NTLM message; `None` for what is none.
pub(crate) fn kind(message: &[u8]) -> Option<u32> {
    (message.get(..8)? == SIGNATURE).then(|| long(message, 8))?
}

impl Handshake {
    /// Answers the first message. `seed` makes the challenge.
    pub(crate) fn begin(negotiate: &[u8], seed: u64, unix_millis: i64) -> Self {
        let nonce = crate::numbers::mix(&[seed, 0x6e74_6c6d]).to_be_bytes();
        let ticks = (unix_millis + 11_644_473_600_000) * 10_000;
        let mut info = vec![];
        pair(2, &wide("SIM"), &mut info);
        pair(1, &wide("EX01"), &mut info);
        pair(4, &wide("sim.example"), &mut info);
        pair(3, &wide("ex01.sim.example"), &mut info);
        pair(AV_TIMESTAMP, &ticks.to_le_bytes(), &mut info);
        pair(0, &[], &mut info);
        let target = wide("SIM");
        let target_at = 56_u32;
        let mut out = SIGNATURE.to_vec();
        out.extend(2_u32.to_le_bytes());
        let part = |length: usize, at: u32| {
            let length = u16::try_from(length).unwrap_or(0).to_le_bytes();
            [&length[..], &length[..], &at.to_le_bytes()[..]].concat()
        };
        out.extend(part(target.len(), target_at));
        out.extend(FLAGS.to_le_bytes());
        out.extend(nonce);
        out.extend([0; 8]);
        let info_at = target_at + u32::try_from(target.len()).unwrap_or(0);
        out.extend(part(info.len(), info_at));
        out.extend([10, 0, 0x63, 0x45, 0, 0, 0, 15]);
        out.extend(target);
        out.extend(info);
        Self {
            negotiate: negotiate.to_vec(),
            challenge: out,
            nonce,
        }
    }

    /// The second message.
    pub(crate) fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    /// Whether the last message proves this password.
    pub(crate) fn verify(&self, proof: &Proof, password: &str) -> bool {
        self.check(proof, password).unwrap_or(false)
    }

    fn check(&self, proof: &Proof, password: &str) -> Option<bool> {
        let hash = Md4::digest(wide(password));
        let upper: String = proof.user.chars().map(upper).collect();
        let key = code(&hash, &[&wide(&upper), &wide(&proof.domain)]);
        let (given, blob) = proof.response.split_at_checked(16)?;
        let expected = code(&key, &[&self.nonce, blob]);
        if given != expected || short(blob, 0)? != 0x0101 {
            return Some(false);
        }
        let mut pairs = blob.get(28..)?;
        let mut has_code = false;
        let mut has_time = false;
        while let Some(kind) = short(pairs, 0).filter(|kind| *kind != 0) {
            let length = usize::from(short(pairs, 2)?);
            let value = pairs.get(4..4 + length)?;
            has_code |= kind == AV_FLAGS && long(value, 0)? & 2 != 0;
            has_time |= kind == AV_TIMESTAMP;
            pairs = pairs.get(4 + length..)?;
        }
        // Windows refuses a client that drops the time, and checks the code where one is announced.
        if !has_time {
            return Some(false);
        }
        if !has_code {
            return Some(true);
        }
        let session = code(&key, &[&expected]);
        let mut message = proof.message.clone();
        let place = message.get_mut(72..88)?;
        let found: Vec<u8> = place.to_vec();
        place.fill(0);
        let wanted = code(&session, &[&self.negotiate, &self.challenge, &message]);
        Some(found == wanted)
    }
}

fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

impl Proof {
    /// Reads the last message.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        Some(Self {
            response: field(message, 20)?.to_vec(),
            domain: text(field(message, 28)?)?,
            user: text(field(message, 36)?)?,
            message: message.to_vec(),
        })
    }
}
