//! The computations of MS-NLMP, section 3.3.2.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use zeroize::Zeroizing;

/// Seconds from 1601 to 1970.
const EPOCH: i64 = 11_644_473_600;

/// A time in units of 100 nanoseconds since 1601.
pub(super) fn filetime(time: DateTime<Utc>) -> u64 {
    let seconds = u64::try_from(time.timestamp() + EPOCH).unwrap_or_default();
    seconds * 10_000_000 + u64::from(time.timestamp_subsec_nanos() / 100)
}

/// Text as UTF-16, little endian.
pub(super) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// HMAC-MD5 over parts.
pub(super) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    // A key of any length is good for HMAC; the error exists for other constructions.
    let Ok(mut mac) = <Hmac<Md5> as Mac>::new_from_slice(key) else {
        return [0; 16];
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The key that follows from the password.
pub(super) fn ntowf_v2(password: &str, user: &str, domain: &str) -> Zeroizing<[u8; 16]> {
    let password = Zeroizing::new(wide(password));
    let hash: Zeroizing<[u8; 16]> = Zeroizing::new(Md4::digest(password.as_slice()).into());
    Zeroizing::new(hmac_md5(
        hash.as_slice(),
        &[&wide(&upper(user)), &wide(domain)],
    ))
}

/// Upper case letter by letter, as Windows does it: no letter becomes two.
fn upper(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => c,
            }
        })
        .collect()
}

/// A response and the session key that follows from it.
pub(super) struct Response {
    pub(super) bytes: Vec<u8>,
    pub(super) session_key: [u8; 16],
}

/// The NTLMv2 response.
pub(super) fn ntlm_v2_response(
    key: &[u8; 16],
    server_nonce: &[u8; 8],
    client_nonce: &[u8; 8],
    time: [u8; 8],
    target_info: &[u8],
) -> Response {
    let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
    blob.extend_from_slice(&time);
    blob.extend_from_slice(client_nonce);
    blob.extend_from_slice(&[0; 4]);
    blob.extend_from_slice(target_info);
    blob.extend_from_slice(&[0; 4]);
    let proof = hmac_md5(key, &[server_nonce, &blob]);
    Response {
        session_key: hmac_md5(key, &[&proof]),
        bytes: [&proof[..], &blob].concat(),
    }
}

/// The LMv2 response.
pub(super) fn lm_v2_response(
    key: &[u8; 16],
    server_nonce: &[u8; 8],
    client_nonce: &[u8; 8],
) -> Vec<u8> {
    let proof = hmac_md5(key, &[server_nonce, client_nonce]);
    [&proof[..], client_nonce].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    const CLIENT: [u8; 8] = [0xaa; 8];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The example values of MS-NLMP, section 4.2.4.
    #[test]
    fn published_values() {
        let key = ntowf_v2("Password", "User", "Domain");
        assert_eq!(hex(&*key), "0c868a403bfd7a93a3001ef22ef02e3f");
        let mut target = vec![2, 0, 12, 0];
        target.extend(wide("Domain"));
        target.extend([1, 0, 12, 0]);
        target.extend(wide("Server"));
        target.extend([0; 4]);
        let response = ntlm_v2_response(&key, &SERVER, &CLIENT, [0; 8], &target);
        assert_eq!(
            hex(&response.bytes[..16]),
            "68cd0ab851e51c96aabc927bebef6a1c"
        );
        assert_eq!(
            hex(&response.session_key),
            "8de40ccadbc14a82f15cb0ad0de95ca3"
        );
        assert_eq!(
            hex(&lm_v2_response(&key, &SERVER, &CLIENT)),
            "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
        );
    }

    #[test]
    fn upper_case_keeps_the_number_of_letters() {
        assert_eq!(upper("straße ünï"), "STRAßE ÜNÏ");
    }

    #[test]
    fn times_count_from_1601() {
        let time = "1970-01-01T00:00:01.5Z".parse().unwrap();
        assert_eq!(filetime(time), 116_444_736_015_000_000);
    }
}
