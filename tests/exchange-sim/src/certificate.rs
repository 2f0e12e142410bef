//! The little of X.509 that a token endpoint needs.

/// The public key (SubjectPublicKeyInfo in DER) of a certificate in DER.
pub(crate) fn public_key_of(certificate: &[u8]) -> Option<&[u8]> {
    let (_, body, _, _) = element(certificate)?;
    let (_, mut rest, _, _) = element(body)?;
    let (tag, _, _, after) = element(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        let (_, _, _, after) = element(rest)?;
        rest = after;
    }
    let (_, _, whole, _) = element(rest)?;
    Some(whole)
}

/// Tag, contents, whole element and what comes behind it.
type Element<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let tag = *bytes.first()?;
    let first = *bytes.get(1)?;
    let (length, head) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        if count > 4 {
            return None;
        }
        let mut length = 0_usize;
        for byte in bytes.get(2..2 + count)? {
            length = (length << 8) | usize::from(*byte);
        }
        (length, 2 + count)
    };
    let end = head.checked_add(length)?;
    Some((
        tag,
        bytes.get(head..end)?,
        bytes.get(..end)?,
        bytes.get(end..)?,
    ))
}

/// A self-signed certificate with its private key, for tests of certificate logins.
#[derive(Debug)]
pub struct SelfSigned {
    /// The certificate in DER.
    pub certificate: Vec<u8>,
    /// The private key as PKCS#8 in DER.
    pub private_key: Vec<u8>,
}

impl SelfSigned {
    /// Makes a new RSA key of 2048 bits and a certificate for it.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let private: Pkcs8V1Der<'_> = pair.as_der()?;
        let rsa = der(0x30, &[&[6, 9], RSA_OID, &[5, 0]].concat());
        let sha = der(0x30, &[&[6, 9], SHA256_RSA_OID, &[5, 0]].concat());
        let bits = [&[0], pair.public_key().as_ref()].concat();
        let key = der(0x30, &[rsa, der(3, &bits)].concat());
        let name = [
            der(6, &[0x55, 4, 3]),
            der(12, b"mailkeep simulated application"),
        ]
        .concat();
        let name = der(0x30, &der(0x31, &der(0x30, &name)));
        let validity = [der(0x17, b"200101000000Z"), der(0x17, b"490101000000Z")].concat();
        let body = der(
            0x30,
            &[
                der(0xa0, &[2, 1, 2]),
                der(2, &[1]),
                sha.clone(),
                name.clone(),
                der(0x30, &validity),
                name,
                key,
            ]
            .concat(),
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &aws_lc_rs::rand::SystemRandom::new(),
            &body,
            &mut signature,
        )?;
        let signature = [&[0], signature.as_slice()].concat();
        Ok(Self {
            certificate: der(0x30, &[body, sha, der(3, &signature)].concat()),
            private_key: private.as_ref().to_vec(),
        })
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The private key as PEM.
    #[must_use]
    pub fn private_key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private_key)
    }
}

const RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    let mut lines = String::new();
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
            out.push(0x82);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(contents);
    out
}
