//! Changing bytes by chance from a seed: the same seed gives the same changes.

/// A small generator of numbers (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// Numbers that depend on the seed only.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        self.number().checked_rem(bound as u64).unwrap_or(0) as usize
    }
}

/// Bytes that decoders stumble over: ends of ranges, lengths, tags of messages.
const SPECIAL: [u8; 12] = [0, 1, 2, 7, 8, 10, 0x12, 0x7f, 0x80, 0x81, 0xfe, 0xff];

/// Makes one to six changes. `others` are samples that pieces are taken from.
pub fn mutate(chance: &mut Chance, bytes: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(6) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + 1 + chance.below(16)).min(bytes.len());
        match chance.below(9) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = SPECIAL[chance.below(SPECIAL.len())];
                }
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let count = 1 + chance.below(8);
                let piece: Vec<u8> = (0..count).map(|_| chance.number() as u8).collect();
                bytes.splice(at..at, piece);
            }
            // A number of any length, as messages have it.
            6 => {
                let wide = chance.number() >> chance.below(64);
                bytes.splice(at..end.max(at), varint(wide));
            }
            7 => {
                let number = (chance.number() >> chance.below(64)).to_le_bytes();
                for (slot, byte) in bytes.iter_mut().skip(at).zip(number) {
                    *slot = byte;
                }
            }
            _ => {
                if let Some(other) = others.get(chance.below(others.len())) {
                    let from = chance.below(other.len() + 1);
                    let to = (from + chance.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
    bytes
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
