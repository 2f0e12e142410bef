//! Writes the base64 text of a part again from its decoded bytes.

use crate::base64::encode_into;
use crate::split::PartShape;

/// Streaming encoder that lays base64 out as a [`PartShape`] says. It holds back less than one
/// line. Also used to write attachments of composed messages.
#[derive(Debug)]
pub struct PartEncoder {
    line_bytes: usize,
    ending: &'static [u8],
    ends_with_line_ending: bool,
    held: Vec<u8>,
    wrote_line: bool,
}

impl PartEncoder {
    /// An encoder for one part. The shape's length is not needed: what is pushed counts.
    #[must_use]
    pub fn new(shape: &PartShape) -> Self {
        Self {
            line_bytes: usize::try_from(shape.line_length / 4).unwrap_or(1).max(1) * 3,
            ending: shape.line_ending.as_bytes(),
            ends_with_line_ending: shape.ends_with_line_ending,
            held: vec![],
            wrote_line: false,
        }
    }

    /// Appends the text of the next decoded bytes to `out`, as far as whole lines are known.
    pub fn push(&mut self, mut decoded: &[u8], out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let missing = self.line_bytes.saturating_sub(self.held.len());
            let (now, later) = decoded.split_at(decoded.len().min(missing));
            self.held.extend_from_slice(now);
            decoded = later;
            if self.held.len() < self.line_bytes {
                return;
            }
            let line = std::mem::take(&mut self.held);
            self.write_line(&line, out);
        }
        let text = decoded.len().div_ceil(3).saturating_mul(4);
        out.reserve(text.saturating_add(decoded.len() / self.line_bytes * 2));
        let mut lines = decoded.chunks_exact(self.line_bytes);
        for line in &mut lines {
            self.write_line(line, out);
        }
        self.held.extend_from_slice(lines.remainder());
    }

    /// Appends what is left: the last line and, if the shape has it, its line ending.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let line = std::mem::take(&mut self.held);
            self.write_line(&line, out);
        }
        if self.wrote_line && self.ends_with_line_ending {
            out.extend_from_slice(self.ending);
        }
    }

    fn write_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.wrote_line {
            out.extend_from_slice(self.ending);
        }
        self.wrote_line = true;
        encode_into(line, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::LineEnding;

    fn shape(line_length: u32, decoded: &[u8], ends_with_line_ending: bool) -> PartShape {
        PartShape {
            line_length,
            line_ending: LineEnding::Crlf,
            decoded_bytes: decoded.len() as u64,
            ends_with_line_ending,
        }
    }

    #[test]
    fn layout_does_not_depend_on_the_pushes() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for length in [0, 1, 2, 3, 56, 57, 58, 114, 115, 1_000] {
            let bytes = &bytes[..length];
            for ends in [true, false] {
                let shape = shape(76, bytes, ends);
                let mut expected = Vec::new();
                for (number, line) in bytes.chunks(57).enumerate() {
                    if number > 0 {
                        expected.extend_from_slice(b"\r\n");
                    }
                    expected.extend(base64_simd::STANDARD.encode_to_string(line).bytes());
                }
                if ends && length > 0 {
                    expected.extend_from_slice(b"\r\n");
                }
                assert_eq!(shape.encoded_bytes(), expected.len() as u64);
                for step in [1, 7, 57, 100, 2_000] {
                    let mut encoder = PartEncoder::new(&shape);
                    let mut out = vec![];
                    for piece in bytes.chunks(step) {
                        encoder.push(piece, &mut out);
                    }
                    encoder.finish(&mut out);
                    assert_eq!(out, expected, "length {length}, step {step}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_shape_does_not_stop_the_encoder() {
        let mut out = vec![];
        let mut encoder = PartEncoder::new(&shape(0, b"abc", false));
        encoder.push(b"abcd", &mut out);
        encoder.finish(&mut out);
        assert_eq!(out, b"YWJj\r\nZA==");
    }
}
