//! Compression of frames: zstd at level 3, with the built-in dictionary for text.

use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, DictAttachPref, compress_bound};

use crate::dense;
use crate::dictionary;
use crate::error::VaultError;
use crate::format::FORMAT;

const LEVEL: i32 = 3;
/// Contexts kept for later; each takes about a megabyte.
const POOL: usize = 8;

/// How the writer wants a frame compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// zstd.
    Zstd,
    /// zstd with the built-in dictionary: mail text and small textual parts.
    Text,
}

/// How a payload is compressed: the last byte of every frame's plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Not at all.
    Stored,
    /// zstd.
    Zstd,
    /// zstd with the dictionary of this number.
    Dictionary(u8),
}

impl Method {
    fn tag(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
            Self::Dictionary(number) => number.saturating_add(1),
        }
    }

    /// The method with this tag.
    pub(crate) fn from_tag(tag: u8) -> Self {
        match tag {
            0 => Self::Stored,
            1 => Self::Zstd,
            tag => Self::Dictionary(tag - 1),
        }
    }
}

static ENCODER_DICTIONARY: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(dictionary::BUILT_IN, LEVEL));
static DECODER_DICTIONARY: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(dictionary::BUILT_IN));

static PLAIN: Pool<Encoder> = Pool::new();
static TEXT: Pool<Encoder> = Pool::new();
static PLAIN_DECODERS: Pool<Decompressor<'static>> = Pool::new();
static TEXT_DECODERS: Pool<Decompressor<'static>> = Pool::new();

/// Reused contexts: making one costs more than compressing a small frame.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    const fn new() -> Self {
        Self(Mutex::new(vec![]))
    }

    fn run<R>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        work: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut value = match kept {
            Some(value) => value,
            None => make()?,
        };
        let result = work(&mut value)?;
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL {
            pool.push(value);
        }
        Ok(result)
    }
}

/// A compressor with room for its output.
struct Encoder {
    compressor: Compressor<'static>,
    scratch: Vec<u8>,
}

impl Encoder {
    fn plain() -> io::Result<Self> {
        Self::with(Compressor::new(LEVEL)?)
    }

    fn text() -> io::Result<Self> {
        let mut compressor = Compressor::with_prepared_dictionary(&ENCODER_DICTIONARY)?;
        // Copying the dictionary's tables for every frame takes a fifth more time.
        compressor.set_parameter(CParameter::ForceAttachDict(DictAttachPref::ForceAttach))?;
        Self::with(compressor)
    }

    fn with(mut compressor: Compressor<'static>) -> io::Result<Self> {
        // The method byte names the dictionary.
        compressor.set_parameter(CParameter::DictIdFlag(false))?;
        Ok(Self {
            compressor,
            scratch: vec![],
        })
    }

    /// The compressed bytes and `tag`, or nothing when too little is gained.
    fn encode(&mut self, plain: &[u8], tag: u8) -> io::Result<Option<Vec<u8>>> {
        /// Keep no more than this for the next frame.
        const KEEP: usize = 2 << 20;
        self.scratch.clear();
        self.scratch.reserve(compress_bound(plain.len()));
        let len = self
            .compressor
            .compress_to_buffer(plain, &mut self.scratch)?;
        let result = if is_worth_it(plain.len(), len) {
            let mut bytes = Vec::with_capacity(len + 1);
            bytes.extend_from_slice(&self.scratch);
            bytes.push(tag);
            Some(bytes)
        } else {
            None
        };
        if self.scratch.capacity() > KEEP {
            self.scratch = vec![];
        }
        Ok(result)
    }
}

/// Below 97 % it is worth decompressing again later.
fn is_worth_it(plain: usize, compressed: usize) -> bool {
    compressed.saturating_mul(100) < plain.saturating_mul(97)
}

/// Payload and method byte for `plain`.
pub(crate) fn encode(
    plain: &[u8],
    compression: Compression,
) -> Result<(Vec<u8>, Method), VaultError> {
    let (method, compressed) = match compression {
        Compression::Zstd if dense::is_dense(plain) => (Method::Stored, Ok(None)),
        Compression::Zstd => {
            let tag = Method::Zstd.tag();
            let work = |encoder: &mut Encoder| encoder.encode(plain, tag);
            (Method::Zstd, PLAIN.run(Encoder::plain, work))
        }
        Compression::Text => {
            let method = Method::Dictionary(dictionary::BUILT_IN_NUMBER);
            let work = |encoder: &mut Encoder| encoder.encode(plain, method.tag());
            (method, TEXT.run(Encoder::text, work))
        }
    };
    match compressed.map_err(|error| VaultError::bug(format!("zstd: {error}")))? {
        Some(bytes) => Ok((bytes, method)),
        None => {
            let mut bytes = Vec::with_capacity(plain.len() + 1);
            bytes.extend_from_slice(plain);
            bytes.push(Method::Stored.tag());
            Ok((bytes, Method::Stored))
        }
    }
}

/// Where [`decode`] left the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// It is the payload without its last byte.
    InPayload,
    /// It was decompressed.
    InOutput,
}

/// Decompresses a payload with its method byte into `output` (replacing it), unless it was stored as it is.
/// The content has exactly `plain_bytes`.
pub(crate) fn decode(
    object: &str,
    payload: &[u8],
    plain_bytes: usize,
    output: &mut Vec<u8>,
) -> Result<Decoded, VaultError> {
    let bad = |what: &str| VaultError::corrupt(object, what);
    let (tag, payload) = payload.split_last().ok_or_else(|| bad("it is empty"))?;
    let mut decompress = |decoder: &mut Decompressor<'static>| {
        output.clear();
        output.reserve_exact(plain_bytes);
        decoder.decompress_to_buffer(payload, output)
    };
    let failed = |error: io::Error| bad(&format!("zstd: {error}"));
    let (len, decoded) = match Method::from_tag(*tag) {
        Method::Stored => (payload.len(), Decoded::InPayload),
        Method::Zstd => {
            let len = PLAIN_DECODERS.run(Decompressor::new, &mut decompress);
            (len.map_err(failed)?, Decoded::InOutput)
        }
        Method::Dictionary(number) if number == dictionary::BUILT_IN_NUMBER => {
            let make = || Decompressor::with_prepared_dictionary(&DECODER_DICTIONARY);
            let len = TEXT_DECODERS.run(make, &mut decompress);
            (len.map_err(failed)?, Decoded::InOutput)
        }
        Method::Dictionary(_) => {
            // Whoever adds a dictionary raises the format.
            return Err(VaultError::NewerThanMe {
                object: object.into(),
                needs: u32::from(FORMAT) + 1,
            });
        }
    };
    if len == plain_bytes {
        Ok(decoded)
    } else {
        Err(bad("its length does not fit"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(payload: &[u8], len: usize) -> Result<Vec<u8>, VaultError> {
        // What an earlier frame left must not matter.
        let mut output = vec![9; 77];
        Ok(match decode("x", payload, len, &mut output)? {
            Decoded::InPayload => payload[..payload.len() - 1].to_vec(),
            Decoded::InOutput => output,
        })
    }

    proptest! {
        #[test]
        fn content_survives(plain in proptest::collection::vec(0_u8..4, 0..4096), text: bool) {
            let compression = if text { Compression::Text } else { Compression::Zstd };
            let (bytes, _) = encode(&plain, compression).unwrap();
            prop_assert_eq!(content(&bytes, plain.len()).unwrap(), plain);
        }

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..256), len in 0_usize..4096) {
            let _ = content(&bytes, len);
        }
    }

    #[test]
    fn random_bytes_are_stored() {
        let plain: Vec<u8> = (0..4096_u32)
            .flat_map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[..4].to_vec())
            .collect();
        let (bytes, method) = encode(&plain, Compression::Zstd).unwrap();
        assert_eq!(method, Method::Stored);
        assert_eq!(bytes.len(), plain.len() + 1);
    }

    #[test]
    fn wrong_length_and_unknown_dictionary_are_told_apart() {
        let (bytes, _) = encode(&[7; 1000], Compression::Zstd).unwrap();
        assert!(matches!(
            content(&bytes, 999),
            Err(VaultError::Corrupt { .. })
        ));
        assert!(matches!(
            content(&[1, 2, 200], 2),
            Err(VaultError::NewerThanMe { .. })
        ));
    }
}
