//! NTLM version 2 as clients of HTTP servers use it: three messages, a response that proves the
//! password without sending it, and a code over all three messages. Nothing is signed or sealed.

mod hash;
mod message;

use mailkeep_ports::{Clock, Rng};
use secrecy::{ExposeSecret, SecretString};

use hash::{filetime, hmac_md5, ntowf_v2};
use message::{Authenticate, Challenge};

/// Who logs in.
#[derive(Clone)]
pub(crate) struct NtlmLogin {
    domain: String,
    user: String,
    password: SecretString,
}

/// The server's challenge cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadChallenge;

impl NtlmLogin {
    /// `user` as `DOMAIN\user`, `user@domain` or a bare name.
    pub(crate) fn new(user: &str, password: SecretString) -> Self {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Self {
            domain: domain.to_owned(),
            user: user.to_owned(),
            password,
        }
    }

    /// The first message.
    pub(crate) fn negotiate(&self) -> Vec<u8> {
        message::negotiate()
    }

    /// The third message, in answer to the server's challenge. `host` is the server's name.
    pub(crate) fn authenticate(
        &self,
        challenge: &[u8],
        host: &str,
        clock: &dyn Clock,
        rng: &dyn Rng,
    ) -> Result<Vec<u8>, BadChallenge> {
        let mut nonce = [0; 8];
        rng.fill(&mut nonce);
        let parsed = Challenge::parse(challenge).ok_or(BadChallenge)?;
        let key = ntowf_v2(self.password.expose_secret(), &self.user, &self.domain);
        let time = parsed
            .timestamp()
            .unwrap_or_else(|| filetime(clock.now()).to_le_bytes());
        let target = parsed.target_info(host);
        let response = hash::ntlm_v2_response(&key, &parsed.nonce, &nonce, time, &target);
        let authenticate = Authenticate {
            flags: parsed.flags,
            // With a time from the server the older response carries nothing.
            lm_response: match parsed.timestamp() {
                Some(_) => vec![0; 24],
                None => hash::lm_v2_response(&key, &parsed.nonce, &nonce),
            },
            nt_response: response.bytes,
            domain: &self.domain,
            user: &self.user,
        };
        let (mut message, code_at) = authenticate.write();
        if parsed.timestamp().is_some() {
            let negotiate = self.negotiate();
            let code = hmac_md5(&response.session_key, &[&negotiate, challenge, &message]);
            if let Some(place) = message.get_mut(code_at) {
                place.copy_from_slice(&code);
            }
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_ports::{SeededRng, TestClock};

    #[test]
    fn a_message_names_the_user_and_hides_the_password() {
        let clock = TestClock::new("2026-11-22T10:00:00Z".parse().unwrap());
        let login = NtlmLogin::new("CORP\\wörker", SecretString::from("pässword"));
        let challenge = message::tests::challenge(&[(7, &[1, 2, 3, 4, 5, 6, 7, 8])]);
        let rng = SeededRng::new(1);
        let message = login
            .authenticate(&challenge, "mail.example", &clock, &rng)
            .unwrap();
        let holds = |text: &str| {
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            message.windows(wide.len()).any(|window| window == wide)
        };
        assert!(holds("CORP") && holds("wörker") && holds("HTTP/mail.example"));
        assert!(!holds("pässword"));
        assert_ne!(
            message[72..88],
            [0; 16],
            "the code over all messages is missing"
        );
        let again = login.authenticate(&challenge, "mail.example", &clock, &rng);
        assert_ne!(again.unwrap(), message, "the client's nonce repeats");
    }

    #[test]
    fn a_bad_challenge_is_refused() {
        let clock = TestClock::new("2026-11-22T10:00:00Z".parse().unwrap());
        let login = NtlmLogin::new("u", SecretString::from("p"));
        let good = message::tests::challenge(&[]);
        for length in 0..good.len() {
            let _ = login.authenticate(&good[..length], "h", &clock, &SeededRng::new(1));
        }
        let bad = login.authenticate(b"NTLMSSP\0", "h", &clock, &SeededRng::new(1));
        assert_eq!(bad, Err(BadChallenge));
    }
}
