//! Measures how fast messages are split, joined and digested.
//!
//! `cargo run --release -p mailkeep-content --example split_speed`

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement needs the real clock and has nothing but its output"
)]

use std::hint::black_box;
use std::time::Instant;

use mailkeep_content::{
    LineEnding, PartEncoder, PartShape, PlaceholderMime, SplitEvent, Splitter, canonical_digest,
    parse_message,
};

const ROUNDS: u32 = 5;
/// Bytes of one push, as a network read gives them.
const PUSH: usize = 16 * 1024;

fn main() {
    let bytes: Vec<u8> = (0..48_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let shape = PartShape {
        line_length: 76,
        line_ending: LineEnding::Crlf,
        decoded_bytes: 0,
        ends_with_line_ending: true,
    };
    let mut attachment = vec![];
    let mut encoder = PartEncoder::new(&shape);
    encoder.push(&bytes, &mut attachment);
    encoder.finish(&mut attachment);
    let html: Vec<u8> =
        "<p class=3D\"MsoNormal\">A line of text as mails have it, more or less</p>\r\n"
            .repeat(600_000)
            .into_bytes();
    let short_lines = "c2hvcnQgbGluZXMgb2YgbGV0dGVycyBvbmx5\r\nlongerlinesofletters12\r\n"
        .repeat(500_000)
        .into_bytes();

    measure("split, base64", attachment.len(), || split(&attachment));
    measure("split, HTML", html.len(), || split(&html));
    measure("split, lines like base64", short_lines.len(), || {
        split(&short_lines)
    });
    measure("join, base64", attachment.len(), || {
        let mut out = Vec::with_capacity(2 * PUSH);
        let mut encoder = PartEncoder::new(&shape);
        let mut length = 0;
        for piece in bytes.chunks(PUSH) {
            encoder.push(piece, &mut out);
            length += out.len();
            out.clear();
        }
        length
    });

    let mail = mail(&attachment);
    let (placeholder, _) = PlaceholderMime::split(&mail);
    let text = placeholder.bytes.len();
    measure("canonical digest, text", text * 1_000, || {
        (0..1_000)
            .map(|_| usize::from(canonical_digest(&placeholder)[0]))
            .sum()
    });
    measure("parse message, text", text * 1_000, || {
        (0..1_000)
            .map(|_| parse_message(&placeholder).body.len())
            .sum()
    });
}

/// A mail of ordinary size: 40 header fields, 6 KB of text, one attachment.
fn mail(attachment: &[u8]) -> Vec<u8> {
    let mut mail = String::new();
    for number in 0..40 {
        mail += &format!(
            "X-Header-{number}: some value; a=b; {}\r\n",
            "token ".repeat(12)
        );
    }
    mail += "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    mail += &"<p class=3D\"MsoNormal\">A line of text as mails have it</p>\r\n".repeat(100);
    mail += "\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let attachment = attachment.get(..78 * 500).unwrap_or_default();
    [mail.as_bytes(), attachment, b"--b--\r\n"].concat()
}

fn split(message: &[u8]) -> usize {
    let mut length = 0;
    let mut sink = |event: SplitEvent<'_>| {
        if let SplitEvent::Text(bytes) | SplitEvent::PartData(bytes) = event {
            length += black_box(bytes).len();
        }
    };
    let mut splitter = Splitter::new();
    for piece in message.chunks(PUSH) {
        splitter.push(piece, &mut sink);
    }
    splitter.finish(&mut sink);
    length
}

fn measure(what: &str, bytes: usize, mut work: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed().as_secs_f64());
    }
    let megabytes = u32::try_from(bytes).map_or(f64::NAN, f64::from) / 1e6;
    println!("{what:26} {:8.0} MB/s", megabytes / best);
}
