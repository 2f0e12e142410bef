//! The signed statement that stands in for a client secret: a PS256 JSON web token.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::Rng;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::SourceError;
use crate::graph::configuration;

/// How long a statement is valid.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Allowance for a clock that runs ahead of the service's.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// The key of a certificate, ready to sign.
pub(crate) struct SigningKey {
    key: KeyPair,
    thumbprint: String,
}

impl SigningKey {
    /// Reads a certificate and its RSA key.
    pub(crate) fn from_pem(certificate: &str, key: &SecretString) -> Result<Self, SourceError> {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| configuration("certificate", "the certificate is no readable PEM"))?;
        let der = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|_| {
            configuration(
                "private_key",
                "the private key is no readable PEM; it must not have a passphrase",
            )
        })?;
        let key = match &der {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => {
                return Err(configuration(
                    "private_key",
                    "the private key is no RSA key; Entra ID accepts only RSA",
                ));
            }
        }
        .map_err(|_| {
            configuration(
                "private_key",
                "the private key is no RSA key of 2048 to 8192 bits",
            )
        })?;
        Ok(Self {
            key,
            thumbprint: BASE64.encode_to_string(digest(&SHA256, &certificate)),
        })
    }

    /// A statement for one token request.
    pub(crate) fn sign(
        &self,
        audience: &str,
        client_id: &str,
        now: DateTime<Utc>,
        rng: &dyn Rng,
    ) -> Result<SecretString, SourceError> {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let mut unique = [0; 16];
        rng.fill(&mut unique);
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": BASE64.encode_to_string(unique),
            "iat": now.timestamp(),
            "nbf": (now - SKEW).timestamp(),
            "exp": (now + LIFETIME).timestamp(),
        });
        let mut token = format!(
            "{}.{}",
            BASE64.encode_to_string(header.to_string()),
            BASE64.encode_to_string(claims.to_string())
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign_digest(
                &RSA_PSS_SHA256,
                &digest(&SHA256, token.as_bytes()),
                &mut signature,
            )
            .map_err(|_| configuration("private_key", "the private key cannot sign"))?;
        token.push('.');
        token.push_str(&BASE64.encode_to_string(signature));
        Ok(SecretString::from(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use mailkeep_model::FailureClass;

    struct Counting;
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (value, byte) in (0u8..).zip(bytes) {
                *byte = value;
            }
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let body = base64_simd::STANDARD.encode_to_string(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn signature_verifies_and_claims_are_right() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let key = SecretString::from(pem("PRIVATE KEY", der.as_ref()));
        let signer = SigningKey::from_pem(&pem("CERTIFICATE", b"any certificate"), &key).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = signer
            .sign("https://login/t/token", "app", now, &Counting)
            .unwrap();
        let parts: Vec<&str> = token.expose_secret().split('.').collect();
        let decode = |text: &str| BASE64.decode_to_vec(text).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&decode(parts[0])).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&decode(parts[1])).unwrap();
        assert_eq!(header["alg"], "PS256");
        assert_eq!(
            decode(header["x5t#S256"].as_str().unwrap()),
            digest(&SHA256, b"any certificate").as_ref()
        );
        assert_eq!(claims["aud"], "https://login/t/token");
        assert_eq!(claims["iss"], "app");
        assert_eq!(claims["sub"], "app");
        assert_eq!(claims["exp"], 1_800_000_600);
        let signed = format!("{}.{}", parts[0], parts[1]);
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref())
            .verify(signed.as_bytes(), &decode(parts[2]))
            .unwrap();
    }

    #[test]
    fn rubbish_is_a_configuration_error_without_the_key_in_it() {
        let key = SecretString::from("my secret key");
        let Err(error) = SigningKey::from_pem(&pem("CERTIFICATE", b"x"), &key) else {
            panic!("accepted");
        };
        assert_eq!(error.class, FailureClass::Configuration);
        assert!(!format!("{error:?}").contains("my secret"));
    }
}
