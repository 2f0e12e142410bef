//! Signatures of webhooks: those of the Standard Webhooks convention, so that receivers need not write
//! the check themselves.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Shorter keys can be guessed.
const LEAST_BYTES: usize = 16;
/// Marks a key that is written in base64.
const PREFIX: &str = "whsec_";

/// Signs messages.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// A signer with this secret: its bytes, or what follows `whsec_` in base64.
    ///
    /// # Errors
    /// Why it is of no use.
    pub(super) fn new(secret: &[u8]) -> Result<Self, &'static str> {
        let key = match secret.strip_prefix(PREFIX.as_bytes()) {
            Some(text) => {
                let key = BASE64.decode(text);
                Zeroizing::new(key.map_err(|_| "what follows whsec_ is no base64")?)
            }
            None => Zeroizing::new(secret.to_vec()),
        };
        if key.len() < LEAST_BYTES {
            return Err("the key is shorter than 16 bytes; make a longer one");
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The signature of a message that is sent at `timestamp`, in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            context.update(part.as_bytes());
        }
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the convention's own documentation.
    #[test]
    fn signatures_are_those_of_the_convention() {
        let signer = Signer::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = signer.unwrap_or_else(|why| panic!("{why}")).sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_counts() {
        let signer = |key: &[u8]| Signer::new(key).unwrap_or_else(|why| panic!("{why}"));
        let base = signer(b"0123456789abcdef").sign("a", 1, "b");
        for other in [
            signer(b"0123456789abcdef").sign("c", 1, "b"),
            signer(b"0123456789abcdef").sign("a", 2, "b"),
            signer(b"0123456789abcdef").sign("a", 1, "c"),
            signer(b"0123456789abcdeX").sign("a", 1, "b"),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn keys_that_can_be_guessed_are_refused() {
        for bad in ["", "short", "whsec_", "whsec_AAAA", "whsec_!!!!"] {
            assert!(Signer::new(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
