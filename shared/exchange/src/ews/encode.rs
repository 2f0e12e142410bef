//! Bytes on their way into a request, as base64.

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{ByteStream, SourceError};

/// How long `bytes` bytes are as base64.
pub(crate) fn encoded_length(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

/// A stream of bytes as base64 without line ends.
pub(crate) fn encoded(bytes: ByteStream) -> ByteStream {
    let state = Some((bytes, Vec::new()));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut bytes, mut held) = state?;
        loop {
            match bytes.next().await {
                Some(Ok(chunk)) => {
                    held.extend_from_slice(&chunk);
                    let rest = held.split_off(held.len() / 3 * 3);
                    let whole = std::mem::replace(&mut held, rest);
                    if !whole.is_empty() {
                        return Some((text(&whole), Some((bytes, held))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None if held.is_empty() => return None,
                None => return Some((text(&held), None)),
            }
        }
    }))
}

fn text(bytes: &[u8]) -> Result<Bytes, SourceError> {
    Ok(Bytes::from(
        base64_simd::STANDARD.encode_to_string(bytes).into_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_chunks_give_the_same_text() {
        for size in 0..20u8 {
            let all: Vec<u8> = (0..size).collect();
            for step in 1..6 {
                let chunks: Vec<_> = all
                    .chunks(step)
                    .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                    .collect();
                let mut out = encoded(Box::pin(stream::iter(chunks)));
                let mut found = String::new();
                while let Some(chunk) = out.next().await {
                    found.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
                }
                assert_eq!(found, base64_simd::STANDARD.encode_to_string(&all));
                assert_eq!(encoded_length(u64::from(size)), found.len() as u64);
            }
        }
    }
}
