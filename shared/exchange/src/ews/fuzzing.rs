//! Decoders of what an Exchange server sends.

use mailkeep_ports::{SeededRng, TestClock};

use super::answer::{AnswerReader, Reply};
use super::autodiscover;
use super::error_map::{Asked, Operation, fault_error, message_error};
use super::item_row;
use super::ntlm::NtlmLogin;
use super::tree;
use super::xml::{Base64Decoder, Element, read_document};
use crate::fuzzing::{Outcome, finish, pieces, stream};

const OPERATION: Operation = Operation::new("read", Asked::Item);
/// So much of names and text at most.
const MOST: usize = 1 << 20;

fn parse(bytes: &[u8], size: usize) -> Option<Element> {
    finish(read_document(stream(bytes, size), MOST))?.ok()
}

/// A document is the same in whatever pieces it arrives; each reader of elements takes all of it.
pub(crate) fn document(bytes: &[u8]) -> Outcome {
    let Some((size, body)) = pieces(bytes) else {
        return Outcome::Refused;
    };
    let document = parse(body, size);
    assert_eq!(document, parse(body, body.len()), "in pieces of {size}");
    let Some(document) = document else {
        return Outcome::Refused;
    };
    look(&document, 0);
    Outcome::Read
}

/// Gives an element to everything that reads one, and so the elements in it.
fn look(element: &Element, depth: usize) {
    let _ = item_row::source_item(element, None);
    let _ = item_row::has_more_than_mail(element);
    let _ = tree::folder(element);
    let _ = message_error(&OPERATION, element);
    let _ = fault_error(&OPERATION, element);
    if depth < 6 {
        for child in &element.children {
            look(child, depth + 1);
        }
    }
}

/// What one answer brought: the bytes that were led out, and the messages.
type Read = Option<(Vec<u8>, Vec<Element>)>;

fn read(bytes: &[u8], size: usize, leads_out: bool) -> Read {
    finish(async {
        let mut reader = AnswerReader::new(stream(bytes, size), &OPERATION, None, leads_out);
        reader.begin().await.ok()?;
        let _ = reader.server_version();
        let (mut led_out, mut messages) = (vec![], vec![]);
        while let Some(reply) = reader.next().await.ok()? {
            match reply {
                Reply::Bytes(bytes) => led_out.extend_from_slice(&bytes),
                Reply::Message(message) => messages.push(message),
            }
        }
        Some((led_out, messages))
    })?
}

/// A SOAP answer with its response messages, long content led out of it or not.
pub(crate) fn answer(bytes: &[u8]) -> Outcome {
    let Some((size, body)) = pieces(bytes) else {
        return Outcome::Refused;
    };
    let mut is_read = false;
    for leads_out in [false, true] {
        let found = read(body, size, leads_out);
        assert_eq!(found, read(body, body.len(), leads_out), "pieces of {size}");
        for message in found.iter().flat_map(|(_, messages)| messages) {
            look(message, 0);
        }
        is_read |= found.is_some();
    }
    if is_read {
        Outcome::Read
    } else {
        Outcome::Refused
    }
}

/// Long content. What is read is written back in one way.
pub(crate) fn base64(bytes: &[u8]) -> Outcome {
    let Some((size, body)) = pieces(bytes) else {
        return Outcome::Refused;
    };
    let text = String::from_utf8_lossy(body);
    let read = |size: usize| {
        let mut decoder = Base64Decoder::default();
        let mut out = vec![];
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(size.max(1)) {
            let piece: String = piece.iter().collect();
            out.extend_from_slice(&decoder.push(&piece).ok()?);
        }
        out.extend_from_slice(&decoder.finish().ok()?);
        Some(out)
    };
    let found = read(size);
    assert_eq!(found, read(text.len()), "in pieces of {size}");
    let again = |content: Vec<u8>| {
        let mut out = vec![*bytes.first().unwrap_or(&1)];
        out.extend_from_slice(base64_simd::STANDARD.encode_to_string(content).as_bytes());
        Outcome::Again(out)
    };
    found.map_or(Outcome::Refused, again)
}

/// What an autodiscover service says.
pub(crate) fn autodiscover(bytes: &[u8]) -> Outcome {
    match parse(bytes, 1 << 10) {
        Some(document) => {
            autodiscover::read_answer(&document);
            Outcome::Read
        }
        None => Outcome::Refused,
    }
}

/// The challenge of an NTLM login.
pub(crate) fn ntlm(bytes: &[u8]) -> Outcome {
    let login = NtlmLogin::new("DOMAIN\\ann", "secret".into());
    let (clock, rng) = (TestClock::default(), SeededRng::new(1));
    match login.authenticate(bytes, "mail.example.com", &clock, &rng) {
        Ok(_) => Outcome::Read,
        Err(_) => Outcome::Refused,
    }
}

/// Properties of an item as a vault keeps them: read from it, written again.
pub(crate) fn properties(bytes: &[u8]) -> Outcome {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return Outcome::Refused;
    };
    let element = Element::from_json("Item", &value);
    look(&element, 0);
    Outcome::Again(element.to_json().to_string().into_bytes())
}
