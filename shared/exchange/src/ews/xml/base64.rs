//! Base64 inside XML, decoded as it comes in. White space is allowed anywhere.

use bytes::Bytes;

use super::XmlError;

/// Keeps up to three characters between pieces.
#[derive(Debug, Default)]
pub(crate) struct Base64Decoder {
    held: Vec<u8>,
    is_ended: bool,
}

impl Base64Decoder {
    /// Decodes what is complete.
    pub(crate) fn push(&mut self, text: &str) -> Result<Bytes, XmlError> {
        let bytes = text.bytes().filter(|b| !b.is_ascii_whitespace());
        self.held.extend(bytes);
        let whole = self.held.len() / 4 * 4;
        let rest = self.held.split_off(whole);
        let quads = std::mem::replace(&mut self.held, rest);
        let is_more = self.is_ended && !quads.is_empty();
        self.is_ended |= quads.ends_with(b"=");
        // Nothing follows padding, in whatever pieces it comes.
        if is_more || (self.is_ended && !self.held.is_empty()) {
            return Err(XmlError::Malformed);
        }
        self.decode(quads)
    }

    /// The end: nothing may be left. Missing padding is added.
    pub(crate) fn finish(&mut self) -> Result<Bytes, XmlError> {
        let mut rest = std::mem::take(&mut self.held);
        while !rest.len().is_multiple_of(4) {
            rest.push(b'=');
        }
        self.decode(rest)
    }

    fn decode(&self, quads: Vec<u8>) -> Result<Bytes, XmlError> {
        let decoded = base64_simd::STANDARD.decode_to_vec(quads);
        decoded.map(Bytes::from).map_err(|_| XmlError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cut_decodes_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..100), step in 1usize..9) {
            let mut text = base64_simd::STANDARD.encode_to_string(&bytes);
            text.insert_str(text.len() / 2, "\r\n ");
            let mut decoder = Base64Decoder::default();
            let mut out = vec![];
            for chunk in text.as_bytes().chunks(step) {
                out.extend(decoder.push(std::str::from_utf8(chunk).unwrap()).unwrap());
            }
            out.extend(decoder.finish().unwrap());
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn no_base64_is_refused() {
        assert!(Base64Decoder::default().push("AB?=").is_err());
        let mut decoder = Base64Decoder::default();
        decoder.push("QQ==").unwrap();
        assert!(decoder.push("QQ==").is_err());
        assert!(Base64Decoder::default().push("QQ==QQ").is_err());
        let mut decoder = Base64Decoder::default();
        decoder.push("QUJDR").unwrap();
        assert!(decoder.finish().is_err());
    }
}
