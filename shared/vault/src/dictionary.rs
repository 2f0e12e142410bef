//! The built-in dictionary for text.

/// Number of the built-in dictionary, as in a frame's method byte and in `dict/<number>`.
pub(crate) const BUILT_IN_NUMBER: u8 = 1;

/// The built-in dictionary, made by `examples/train_dictionary`. Never changes: a better one gets
/// another number.
pub(crate) const BUILT_IN: &[u8] = include_bytes!("../dictionary/1.zdict");

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use crate::compress::{Compression, encode};
    use crate::crypto::sha256;

    /// Another dictionary under the same number would make every text unreadable.
    #[test]
    fn the_dictionary_never_changes() {
        assert_eq!(
            HEXLOWER.encode(&sha256(super::BUILT_IN)),
            "b8f72b5acda3ed5a8861067c10e784bbded600f16af6a1331d0ffd665776c709"
        );
    }

    #[test]
    fn it_is_worth_having_for_small_mail() {
        let mail = b"Content-Type: text/html; charset=\"utf-8\"\r\nMIME-Version: 1.0\r\nX-MS-Has-Attach: \r\nX-MS-Exchange-Organization-AuthAs: Internal\r\n\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n";
        let (plain, _) = encode(mail, Compression::Zstd).unwrap();
        let (text, _) = encode(mail, Compression::Text).unwrap();
        assert!(
            text.len() * 2 < plain.len(),
            "{} and {}",
            text.len(),
            plain.len()
        );
    }
}
