//! A message as a list of pieces that are turned into bytes one after the other.

use bytes::Bytes;

use super::blob::Blob;
use crate::numbers::wide;

/// A piece of a message.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Bytes as they are.
    Text(Bytes),
    /// Bytes of a blob as they are.
    Plain(Blob),
    /// A blob in base64 lines, without a line ending after the last line.
    Base64 {
        blob: Blob,
        line: usize,
        ending: &'static str,
    },
    /// Other pieces as one run of base64 without line endings.
    Coded(Vec<Segment>),
}

/// Lazily yields the bytes of a message in chunks of at most about 100 KB.
#[derive(Debug)]
pub(crate) struct Chunks {
    segments: std::vec::IntoIter<Segment>,
    current: Option<(Segment, u64)>,
    /// Pieces that are being coded, and bytes of theirs that do not make three yet.
    coded: Option<(Box<Chunks>, Vec<u8>)>,
}

impl Chunks {
    /// The bytes of these pieces.
    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Self {
            segments: segments.into_iter(),
            current: None,
            coded: None,
        }
    }

    /// The next chunk of the pieces that are being coded; `None` when there are none.
    fn next_coded(&mut self) -> Option<Bytes> {
        let (inner, carried) = self.coded.as_mut()?;
        let Some(chunk) = inner.next() else {
            let rest = std::mem::take(carried);
            self.coded = None;
            return Some(Bytes::from(base64_simd::STANDARD.encode_to_string(rest)));
        };
        carried.extend_from_slice(&chunk);
        let rest = carried.split_off(carried.len() / 3 * 3);
        let whole = std::mem::replace(carried, rest);
        Some(Bytes::from(base64_simd::STANDARD.encode_to_string(whole)))
    }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.next_coded() {
                Some(chunk) if chunk.is_empty() => continue,
                Some(chunk) => return Some(chunk),
                None => {}
            }
            let (segment, offset) = match self.current.take() {
                Some(current) => current,
                None => (self.segments.next()?, 0),
            };
            match segment {
                Segment::Coded(pieces) => {
                    self.coded = Some((Box::new(Self::new(pieces)), Vec::new()));
                }
                Segment::Text(bytes) => {
                    if !bytes.is_empty() {
                        return Some(bytes);
                    }
                }
                Segment::Plain(blob) => {
                    let chunk = blob.read(offset, 65_536);
                    if !chunk.is_empty() {
                        let next = offset + wide(chunk.len());
                        self.current = Some((Segment::Plain(blob), next));
                        return Some(chunk);
                    }
                }
                Segment::Base64 { blob, line, ending } => {
                    let per_line = (line / 4).max(1) * 3;
                    let lines = (60_000 / per_line).max(1);
                    let raw = blob.read(offset, per_line * lines);
                    if !raw.is_empty() {
                        let next = offset + wide(raw.len());
                        let is_last = next >= blob.len();
                        let text = encode_lines(&raw, per_line, ending, is_last);
                        self.current = Some((Segment::Base64 { blob, line, ending }, next));
                        return Some(text);
                    }
                }
            }
        }
    }
}

fn encode_lines(raw: &[u8], per_line: usize, ending: &str, is_last: bool) -> Bytes {
    let mut out = Vec::with_capacity(raw.len() * 3 / 2);
    let mut lines = raw.chunks(per_line).peekable();
    while let Some(line) = lines.next() {
        base64_simd::STANDARD.encode_append(line, &mut out);
        if !is_last || lines.peek().is_some() {
            out.extend_from_slice(ending.as_bytes());
        }
    }
    Bytes::from(out)
}

/// The size of a message without making it.
pub(crate) fn total_bytes(segments: &[Segment]) -> u64 {
    segments
        .iter()
        .map(|segment| match segment {
            Segment::Text(bytes) => wide(bytes.len()),
            Segment::Plain(blob) => blob.len(),
            Segment::Coded(pieces) => total_bytes(pieces).div_ceil(3) * 4,
            Segment::Base64 { blob, line, ending } => {
                let per_line = wide((line / 4).max(1) * 3);
                let lines = blob.len().div_ceil(per_line);
                blob.len().div_ceil(3) * 4 + lines.saturating_sub(1) * wide(ending.len())
            }
        })
        .sum()
}

/// All bytes of a message. For small ones.
pub(crate) fn collect(segments: Vec<Segment>) -> Vec<u8> {
    Chunks::new(segments).fold(Vec::new(), |mut all, chunk| {
        all.extend_from_slice(&chunk);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::blob::Texture;

    #[test]
    fn the_total_is_what_the_chunks_give() {
        for (bytes, line) in [
            (0, 76),
            (1, 76),
            (57, 76),
            (58, 76),
            (200_001, 64),
            (300_000, 76),
        ] {
            let blob = Blob::Generated {
                seed: 1,
                bytes,
                texture: Texture::Dense,
                magic: b"",
            };
            let segments = vec![
                Segment::Text(Bytes::from_static(b"head")),
                Segment::Base64 {
                    blob: blob.clone(),
                    line,
                    ending: "\r\n",
                },
                Segment::Plain(blob.clone()),
            ];
            let plain = collect(segments.clone());
            let coded = vec![Segment::Coded(segments.clone())];
            let length = total_bytes(&coded);
            let text = collect(coded);
            assert_eq!(length, wide(text.len()), "{bytes} {line}");
            assert_eq!(base64_simd::STANDARD.decode_to_vec(text).unwrap(), plain);
            let total = total_bytes(&segments);
            let all = collect(segments);
            assert_eq!(total, wide(all.len()), "{bytes} {line}");
            assert!(all.ends_with(&blob.whole()));
        }
    }
}
