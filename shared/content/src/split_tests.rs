use proptest::prelude::*;

use super::*;
use crate::join::PartEncoder;

/// Splits `message` in pushes of the given lengths (cycled) and joins it again.
fn round_trip(message: &[u8], chunks: &[usize]) -> (Vec<u8>, Vec<(PartShape, Vec<u8>)>) {
    let mut joined = vec![];
    let mut parts: Vec<(PartShape, Vec<u8>)> = vec![];
    let mut data: Option<Vec<u8>> = None;
    let mut sink = |event: SplitEvent<'_>| match event {
        SplitEvent::Text(text) => {
            assert!(data.is_none(), "text inside a part");
            joined.extend_from_slice(text);
        }
        SplitEvent::PartStart => assert!(data.replace(vec![]).is_none()),
        SplitEvent::PartData(bytes) => data.as_mut().unwrap().extend_from_slice(bytes),
        SplitEvent::PartEnd(shape) => {
            let bytes = data.take().unwrap();
            assert_eq!(shape.decoded_bytes, bytes.len() as u64);
            let before = joined.len();
            let mut encoder = PartEncoder::new(&shape);
            encoder.push(&bytes, &mut joined);
            encoder.finish(&mut joined);
            assert_eq!(shape.encoded_bytes(), (joined.len() - before) as u64);
            parts.push((shape, bytes));
        }
    };
    let mut splitter = Splitter::new();
    let mut rest = message;
    for length in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*length).clamp(1, rest.len()));
        splitter.push(now, &mut sink);
        assert!(splitter.held.len() <= TOP_UP, "{}", splitter.held.len());
        rest = later;
    }
    splitter.finish(&mut sink);
    (joined, parts)
}

fn lines(bytes: &[u8], line: usize, ending: &str) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    let mut out = String::new();
    for line in text.as_bytes().chunks(line) {
        out += std::str::from_utf8(line).unwrap();
        out += ending;
    }
    out
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n * 131 % 253).unwrap())
        .collect()
}

fn parts_of(message: &str) -> Vec<(PartShape, Vec<u8>)> {
    let (joined, parts) = round_trip(message.as_bytes(), &[usize::MAX]);
    assert_eq!(joined, message.as_bytes());
    let (joined, same) = round_trip(message.as_bytes(), &[1]);
    assert_eq!(joined, message.as_bytes());
    assert_eq!(parts, same, "the chunking changed the parts");
    parts
}

#[test]
fn an_attachment_becomes_a_part() {
    let bytes = some_bytes(5_000);
    for (line, ending) in [
        (76, "\r\n"),
        (76, "\n"),
        (60, "\r\n"),
        (996, "\n"),
        (20, "\r\n"),
    ] {
        let body = lines(&bytes, line, ending);
        let parts = parts_of(&format!("H: v{ending}{ending}{body}{ending}--b--{ending}"));
        assert_eq!(parts.len(), 1, "line {line}");
        assert_eq!(parts[0].1, bytes);
        assert!(parts[0].0.ends_with_line_ending);
        assert_eq!(parts[0].0.line_length as usize, line);
    }
}

#[test]
fn a_part_may_end_with_the_message_or_with_another_line_ending() {
    for length in [4_560, 5_000, 5_001, 5_002] {
        let bytes = some_bytes(length);
        let body = lines(&bytes, 76, "\r\n");
        for tail in ["", "\n", "\r", "\r\n"] {
            let message = format!("\r\n{}{tail}", body.trim_end());
            let parts = parts_of(&message);
            let expected = if tail == "\r" {
                parts[0].1.len()
            } else {
                length
            };
            assert_eq!(parts[0].1.len(), expected);
            assert_eq!(
                parts[0].0.ends_with_line_ending,
                tail == "\r" || tail == "\r\n"
            );
        }
    }
}

#[test]
fn the_last_line_may_end_differently() {
    let bytes = some_bytes(57 * 40);
    for (ending, other) in [("\n", "\r\n"), ("\r\n", "\n")] {
        let message = lines(&bytes, 76, ending) + &"A".repeat(76) + other + "text" + ending;
        let parts = parts_of(&message);
        assert_eq!(parts[0].1.len(), 57 * 41);
        assert!(!parts[0].0.ends_with_line_ending);
    }
}

#[test]
fn small_or_odd_runs_stay_text() {
    let body = lines(&some_bytes(1_023), 76, "\r\n");
    assert!(parts_of(&body).is_empty());
    let body = lines(&some_bytes(1_024), 76, "\r\n");
    assert_eq!(parts_of(&body).len(), 1);
    let body = lines(&some_bytes(4_000), 74, "\r\n");
    assert!(parts_of(&body).is_empty(), "length is no multiple of 4");
    let body = lines(&some_bytes(4_000), 1_000, "\r\n");
    assert!(parts_of(&body).is_empty(), "lines are too long");
    let body = lines(&some_bytes(4_000), 76, " \r\n");
    assert!(parts_of(&body).is_empty(), "lines have trailing blanks");
}

#[test]
fn a_part_begins_at_its_first_line_whatever_stands_before() {
    let bytes = some_bytes(3_000);
    let body = lines(&bytes, 76, "\r\n");
    for before in [
        "A".repeat(80),
        "B".repeat(24),
        "C".repeat(76) + "\r\n" + &"D".repeat(80),
    ] {
        let parts = parts_of(&format!("{before}\r\n{body}"));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].1, bytes);
    }
}

#[test]
fn padding_bits_must_be_canonical() {
    let mut body = lines(&some_bytes(3_001), 76, "\n");
    assert!(body.ends_with("==\n"));
    let at = body.len() - 4;
    let last = if &body[at..=at] == "B" { "C" } else { "B" };
    body.replace_range(at..=at, last);
    let parts = parts_of(&body);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].1.len() % 57, 0, "the last line is text");
}

#[test]
fn two_attachments_back_to_back_are_two_parts() {
    let one = some_bytes(3_001);
    let two = some_bytes(4_567);
    let message = lines(&one, 76, "\r\n") + &lines(&two, 76, "\r\n") + &lines(&two, 60, "\r\n");
    let parts: Vec<_> = parts_of(&message).into_iter().map(|part| part.1).collect();
    assert_eq!(parts, [one, two.clone(), two]);
}

#[test]
fn a_bad_character_in_the_middle_ends_the_part_there() {
    let bytes = some_bytes(57 * 400);
    let mut body = lines(&bytes, 76, "\r\n");
    body.replace_range(78 * 200 + 5..78 * 200 + 6, "!");
    let parts = parts_of(&body);
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].1, bytes[..57 * 200]);
    assert_eq!(parts[1].1, bytes[57 * 201..]);
}

/// Pieces that look like what mails consist of, so that random combinations reach every branch.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let ending = prop_oneof![Just("\r\n"), Just("\n"), Just(" \r\n"), Just("")];
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..200),
        4 => (
            proptest::collection::vec(any::<u8>(), 0..6_000),
            prop_oneof![4 => Just(76_usize), 1 => Just(64), 2 => (2..300_usize).prop_map(|n| n * 4), 1 => 1..1_200_usize],
            ending.clone(),
        )
            .prop_map(|(bytes, line, ending)| lines(&bytes, line, ending).into_bytes()),
        1 => ("[A-Za-z0-9+/=]{0,120}", ending).prop_map(|(text, end)| (text + end).into_bytes()),
        1 => "[ -~]{0,80}\r\n".prop_map(String::into_bytes),
        1 => (990..2_100_usize).prop_map(|n| vec![b'A'; n]),
        1 => Just(b"==\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_come_back(
        message in proptest::collection::vec(any::<u8>(), 0..3_000),
        chunks in proptest::collection::vec(1..700_usize, 1..5),
    ) {
        prop_assert_eq!(round_trip(&message, &chunks).0, message);
    }

    #[test]
    fn mail_like_bytes_come_back_and_chunking_does_not_matter(
        pieces in proptest::collection::vec(piece(), 0..8),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        chunks in proptest::collection::vec(1..9_000_usize, 1..5),
    ) {
        let mut message = pieces.concat();
        for (at, byte) in flips {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        let (joined, parts) = round_trip(&message, &chunks);
        prop_assert_eq!(&joined, &message);
        let (joined, same) = round_trip(&message, &[usize::MAX]);
        prop_assert_eq!(&joined, &message);
        prop_assert_eq!(parts, same);
    }
}
