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
