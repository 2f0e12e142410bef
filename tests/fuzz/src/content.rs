//! Decoders of mail.

use std::io::BufReader;

use mailkeep_content::{
    MboxReader, MboxWriter, PartEncoder, PlaceholderMime, SplitEvent, Splitter, canonical_digest,
    parse_message,
};
use mailkeep_vault::fuzzing::{Decoder, Outcome};

/// By name.
pub const TARGETS: &[Decoder] = &[("mime", mime), ("mbox", mbox)];

/// The first byte says in pieces of which size the message arrives. Whatever it is: splitting and joining
/// gives the same bytes.
fn mime(bytes: &[u8]) -> Outcome {
    let Some((first, message)) = bytes.split_first() else {
        return Outcome::Refused;
    };
    let mut joined = vec![];
    let mut part = vec![];
    let mut splitter = Splitter::new();
    let mut sink = |event: SplitEvent<'_>| match event {
        SplitEvent::Text(text) => joined.extend_from_slice(text),
        SplitEvent::PartStart => part.clear(),
        SplitEvent::PartData(data) => part.extend_from_slice(data),
        SplitEvent::PartEnd(shape) => {
            let before = joined.len();
            let mut encoder = PartEncoder::new(&shape);
            encoder.push(&part, &mut joined);
            encoder.finish(&mut joined);
            assert_eq!(shape.decoded_bytes, part.len() as u64);
            assert_eq!(shape.encoded_bytes(), (joined.len() - before) as u64);
        }
    };
    for piece in message.chunks(usize::from(*first).max(1) * 7) {
        splitter.push(piece, &mut sink);
    }
    splitter.finish(&mut sink);
    assert_eq!(joined, message, "split and joined");
    let (mime, parts) = PlaceholderMime::split(message);
    let parsed = parse_message(&mime);
    assert!(parsed.attachments.len() <= message.len());
    assert!(parts.len() <= message.len());
    let _ = canonical_digest(&mime);
    Outcome::Read
}

/// What is written from the messages of a mailbox file is read as the same messages.
fn mbox(bytes: &[u8]) -> Outcome {
    let read = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let reader = MboxReader::new(BufReader::new(bytes), 1 << 20);
        reader.map_while(Result::ok).take(1_000).collect()
    };
    let messages = read(bytes);
    let mut writer = MboxWriter::new();
    let mut written = vec![];
    for message in &messages {
        writer.begin("ada@example.com", Default::default(), &mut written);
        writer.write(message, &mut written);
        writer.end(&mut written);
    }
    let ended = |message: &Vec<u8>| {
        let mut message = message.clone();
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
        message
    };
    let again: Vec<Vec<u8>> = read(&written).iter().map(ended).collect();
    let expected: Vec<Vec<u8>> = messages.iter().map(ended).collect();
    assert_eq!(again, expected, "messages written and read again");
    Outcome::Read
}
