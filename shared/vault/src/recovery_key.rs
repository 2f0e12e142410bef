//! The recovery key: a secret on paper that opens a vault when everything else is lost.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use mailkeep_ports::Rng;
use zeroize::Zeroizing;

use crate::crypto::{self, Secret};
use crate::error::VaultError;
use crate::ids::crockford;

/// Begins every printed recovery key.
const PREFIX: &str = "MKR1";
/// Characters after the prefix: 32 secret bytes and 3 bytes of checksum.
const CHARACTERS: usize = 56;
const CHECKSUM_BYTES: usize = 3;

/// The secret half of an X25519 key pair. Shown once, at the creation of a vault; never stored.
#[derive(Clone)]
pub struct RecoveryKey {
    secret: Secret,
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecoveryKey").finish_non_exhaustive()
    }
}

impl RecoveryKey {
    pub(crate) fn generate(rng: &dyn Rng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill(secret.as_mut_slice());
        Self { secret }
    }

    /// The key as people write it down: `MKR1-` and 14 groups of 4 letters and digits.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(self.secret.to_vec());
        bytes.extend_from_slice(&checksum(&self.secret));
        let digits = crockford().map(|encoding| encoding.encode(&bytes));
        let digits = Zeroizing::new(digits.unwrap_or_default());
        let mut text = Zeroizing::new(String::with_capacity(80));
        text.push_str(PREFIX);
        for (index, digit) in digits.chars().enumerate() {
            if index % 4 == 0 {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }

    /// Reads a key as it was written down. Case, blanks and dashes do not matter; O is read as 0, I and
    /// L as 1.
    ///
    /// # Errors
    /// `Invalid`, saying whether characters are missing, not allowed or mistyped.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let mut digits: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|c| !c.is_whitespace() && !is_dash(*c))
                .collect(),
        );
        digits.make_ascii_uppercase();
        let body = ["MKR1", "MKRI", "MKRL"]
            .iter()
            .find_map(|prefix| digits.strip_prefix(prefix))
            .ok_or_else(|| {
                VaultError::invalid(format!(
                    "this is not a recovery key: it begins with {PREFIX}"
                ))
            })?;
        let count = body.chars().count();
        if count != CHARACTERS {
            return Err(VaultError::invalid(format!(
                "the recovery key has {count} of {CHARACTERS} characters after {PREFIX}"
            )));
        }
        let bytes = crockford()?.decode(body.as_bytes()).map_err(|error| {
            VaultError::invalid(format!(
                "character {} of the recovery key is not a letter or digit that it can have",
                error.position + 1
            ))
        })?;
        let bytes = Zeroizing::new(bytes);
        let (secret, sum) = bytes
            .split_first_chunk::<32>()
            .ok_or_else(|| VaultError::bug("length of a recovery key"))?;
        let secret = Zeroizing::new(*secret);
        if sum != checksum(&secret) {
            return Err(VaultError::invalid(
                "a character of the recovery key is mistyped: its checksum does not fit",
            ));
        }
        Ok(Self { secret })
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<[u8; 32], VaultError> {
        public_key(&self.secret)
    }

    /// What this key and the other side's public half agree on.
    pub(crate) fn agree_with(&self, other: &[u8; 32]) -> Result<Secret, VaultError> {
        shared_secret(&self.secret, other)
    }
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '_' | '.' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

fn checksum(secret: &Secret) -> [u8; CHECKSUM_BYTES] {
    crypto::keyed_hash(secret, &[b"mailkeep v1 recovery key checksum"])
}

/// The public half of an X25519 secret.
pub(crate) fn public_key(secret: &Secret) -> Result<[u8; 32], VaultError> {
    private(secret)?
        .compute_public_key()
        .ok()
        .and_then(|public| <[u8; 32]>::try_from(public.as_ref()).ok())
        .ok_or_else(|| VaultError::bug("X25519 public key"))
}

/// X25519.
pub(crate) fn shared_secret(secret: &Secret, other: &[u8; 32]) -> Result<Secret, VaultError> {
    let failed = || VaultError::invalid("a public key is not usable");
    agree(
        &private(secret)?,
        UnparsedPublicKey::new(&X25519, other),
        failed(),
        |shared| {
            <[u8; 32]>::try_from(shared)
                .map(Zeroizing::new)
                .map_err(|_| failed())
        },
    )
}

fn private(secret: &Secret) -> Result<PrivateKey, VaultError> {
    PrivateKey::from_private_key(&X25519, secret.as_slice())
        .map_err(|_| VaultError::bug("X25519 private key"))
}

#[cfg(test)]
mod tests {
    use mailkeep_ports::SeededRng;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_printed_key_survives_copying(seed: u64) {
            let key = RecoveryKey::generate(&SeededRng::new(seed));
            let text = key.to_text();
            prop_assert_eq!(text.len(), 4 + 14 * 5);
            let sloppy = text.to_lowercase().replace('-', " \u{2013}").replace('0', "o").replace('1', "l");
            for text in [text.to_string(), text.replace('-', ""), sloppy] {
                prop_assert_eq!(&RecoveryKey::parse(&text).unwrap().secret, &key.secret);
            }
        }

        #[test]
        fn one_mistyped_character_is_noticed(seed: u64, at in 5_usize..74, to in prop::sample::select(&b"23456789ABCDEFGH"[..])) {
            let text = RecoveryKey::generate(&SeededRng::new(seed)).to_text();
            let mut typed = text.as_bytes().to_vec();
            prop_assume!(typed[at] != b'-' && typed[at] != to);
            typed[at] = to;
            prop_assert!(RecoveryKey::parse(std::str::from_utf8(&typed).unwrap()).is_err());
        }

        #[test]
        fn any_text_gives_an_answer(text: String) {
            let _ = RecoveryKey::parse(&text);
            let _ = RecoveryKey::parse(&format!("MKR1{text}"));
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text: &str| RecoveryKey::parse(text).unwrap_err().to_string();
        assert!(error("hello").contains("begins with MKR1"));
        assert!(error("MKR1-ABCD").contains("4 of 56"));
        assert!(error(&format!("MKR1-{}", "U".repeat(56))).contains("character 1"));
    }

    #[test]
    fn both_sides_agree() {
        let (a, b) = (
            RecoveryKey::generate(&SeededRng::new(1)),
            RecoveryKey::generate(&SeededRng::new(2)),
        );
        let ab = a.agree_with(&b.public().unwrap()).unwrap();
        assert_eq!(ab, b.agree_with(&a.public().unwrap()).unwrap());
        assert!(a.agree_with(&[0; 32]).is_err());
    }
}
