//! Sealed objects: round trips, and every kind of tampering.

use std::collections::HashSet;

use bytes::Bytes;
use mailkeep_ports::{Key, SeededRng};
use proptest::prelude::*;

use super::builder::{ObjectBuilder, SealedObject, range};
use super::frame::{FrameKind, FrameSpec};
use super::header::{HEADER_BYTES, ObjectKind};
use super::parser::{FrameOpener, ParsedObject, Suffix};
use crate::compress::Compression;
use crate::error::VaultError;
use crate::testing::keys;

fn name(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn builder(plains: &[Vec<u8>]) -> ObjectBuilder {
    let keys = keys(1);
    let mut builder = ObjectBuilder::new(ObjectKind::Pack);
    for (index, plain) in plains.iter().enumerate() {
        let mut spec = FrameSpec::new(FrameKind::Part, Compression::Zstd);
        if index % 2 == 0 {
            spec.content_id = Some(keys.content_id(plain));
        } else {
            spec.kind = FrameKind::Item;
            spec.compression = Compression::Text;
        }
        builder.push(&spec, plain).unwrap();
    }
    builder
}

fn sealed(plains: &[Vec<u8>], seed: u64) -> SealedObject {
    builder(plains)
        .finish(
            keys(1).objects(),
            &name("m/a/pack/1"),
            &SeededRng::new(seed),
        )
        .unwrap()
}

fn parse(bytes: &[u8], at: &str) -> Result<ParsedObject, VaultError> {
    ParsedObject::parse(keys(1).objects(), ObjectKind::Pack, &name(at), bytes)
}

/// Opens the object and every frame of it.
fn read_all(bytes: &[u8], at: &str) -> Result<Vec<Bytes>, VaultError> {
    let parsed = parse(bytes, at)?;
    parsed
        .frames
        .iter()
        .map(|frame| {
            parsed
                .opener
                .open(frame.kind, &frame.place, &bytes[range(&frame.place)])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_come_back(plains in prop::collection::vec(prop::collection::vec(0_u8..8, 0..2000), 0..8)) {
        let object = sealed(&plains, 1);
        let read = read_all(&object.bytes, "m/a/pack/1").unwrap();
        prop_assert!(read.iter().zip(&plains).all(|(a, b)| a == b));
        prop_assert!(read.len() >= plains.len());
        let parsed = parse(&object.bytes, "m/a/pack/1").unwrap();
        prop_assert_eq!(&parsed.frames, &object.frames);
    }

    #[test]
    fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let plains = vec![b"first".to_vec(), vec![7; 3000], b"third".to_vec()];
        let mut bytes = sealed(&plains, 1).bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(read_all(&bytes, "m/a/pack/1").is_err());
    }

    #[test]
    fn a_cut_or_lengthened_object_is_noticed(at in any::<prop::sample::Index>()) {
        let bytes = sealed(&[b"first".to_vec(), vec![7; 3000]], 1).bytes.clone();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(read_all(cut, "m/a/pack/1").is_err());
        let longer = [&bytes[..], &bytes[at.index(bytes.len())..]].concat();
        prop_assert!(read_all(&longer, "m/a/pack/1").is_err());
    }

    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_all(&bytes, "m/a/pack/1").is_err());
    }
}

#[test]
fn frames_cannot_be_swapped() {
    let plains = vec![vec![1; 100], vec![0], vec![2; 100]];
    let object = sealed(&plains, 1);
    let (a, b) = (object.frames[0].place, object.frames[2].place);
    assert_eq!(a.stored_bytes, b.stored_bytes);
    let mut bytes = object.bytes.to_vec();
    let first = bytes[range(&a)].to_vec();
    let second = bytes[range(&b)].to_vec();
    bytes[range(&a)].copy_from_slice(&second);
    bytes[range(&b)].copy_from_slice(&first);
    assert!(matches!(
        read_all(&bytes, "m/a/pack/1"),
        Err(VaultError::Corrupt { .. })
    ));
}

#[test]
fn an_object_opens_only_under_its_name_kind_and_key() {
    let object = sealed(&[vec![1; 100]], 1);
    assert!(read_all(&object.bytes, "m/a/pack/1").is_ok());
    for other in ["m/a/pack/2", "m/b/pack/1"] {
        assert!(matches!(
            parse(&object.bytes, other),
            Err(VaultError::Corrupt { .. })
        ));
    }
    let at = name("m/a/pack/1");
    let as_segment =
        ParsedObject::parse(keys(1).objects(), ObjectKind::Segment, &at, &object.bytes);
    assert!(matches!(as_segment, Err(VaultError::Corrupt { .. })));
    let other_key = ParsedObject::parse(keys(2).objects(), ObjectKind::Pack, &at, &object.bytes);
    assert!(matches!(other_key, Err(VaultError::Corrupt { .. })));
}

#[test]
fn a_frame_opens_with_the_header_that_the_index_keeps() {
    let object = sealed(&[vec![1; 100], vec![2; 200]], 1);
    let opener = FrameOpener::new(keys(1).objects(), &object.header, &name("m/a/pack/1")).unwrap();
    let frame = object.frames[1];
    let stored = &object.bytes[range(&frame.place)];
    assert_eq!(
        opener.open(frame.kind, &frame.place, stored).unwrap(),
        vec![2; 200]
    );
    let mut wrong = frame.place;
    wrong.number = 0;
    assert!(opener.open(frame.kind, &wrong, stored).is_err());
    assert!(opener.open(FrameKind::Part, &frame.place, stored).is_err());
}

#[test]
fn the_end_of_an_object_is_enough() {
    let object = sealed(&vec![vec![9; 5000]; 300], 1);
    let size = u64::try_from(object.bytes.len()).unwrap();
    let at = name("m/a/pack/1");
    let suffix = |bytes: u64| {
        let start = usize::try_from(size - bytes).unwrap();
        ParsedObject::parse_suffix(
            keys(1).objects(),
            ObjectKind::Pack,
            &at,
            &object.bytes[start..],
            size,
        )
    };
    let Suffix::NeedsBytes(bytes) = suffix(100).unwrap() else {
        panic!("100 bytes cannot be enough");
    };
    let Suffix::Parsed(parsed) = suffix(bytes).unwrap() else {
        panic!("it said how much it needs");
    };
    assert_eq!(parsed.frames, object.frames);
}

#[test]
fn a_newer_object_is_not_called_damaged() {
    let mut bytes = sealed(&[vec![1; 100]], 1).bytes.to_vec();
    bytes[6] = 2;
    assert!(matches!(
        parse(&bytes, "m/a/pack/1"),
        Err(VaultError::NewerThanMe { needs: 2, .. })
    ));
}

#[test]
fn another_key_epoch_is_called_by_its_name() {
    let mut bytes = sealed(&[vec![1; 100]], 1).bytes.to_vec();
    let trailer_header = bytes.len() - HEADER_BYTES - 16;
    bytes[12] = 2;
    bytes[trailer_header + 12] = 2;
    assert!(matches!(
        parse(&bytes, "m/a/pack/1"),
        Err(VaultError::WrongKey { .. })
    ));
}

#[test]
fn sealing_again_never_uses_a_key_twice() {
    let rng = SeededRng::new(3);
    let builder = builder(&[vec![1; 100], vec![2; 100]]);
    let at = name("m/a/log/1");
    let mut salts = HashSet::new();
    let mut ciphertexts = HashSet::new();
    for _ in 0..8 {
        let object = builder.seal(keys(1).objects(), &at, &rng).unwrap();
        // One salt is one key; inside an object the nonce is the frame's number, which is unique.
        assert!(salts.insert(object.header.salt));
        let numbers: HashSet<u32> = object.frames.iter().map(|f| f.place.number).collect();
        assert_eq!(numbers.len(), object.frames.len());
        for frame in &object.frames {
            assert!(ciphertexts.insert(object.bytes[range(&frame.place)].to_vec()));
        }
    }
}

#[test]
fn a_record_can_be_dropped_and_written_anew() {
    let mut builder = builder(&[vec![1; 100], vec![2; 100]]);
    let len = builder.len();
    let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
    builder.push(&spec, b"first attempt").unwrap();
    builder.truncate(2);
    assert_eq!(builder.len(), len);
    builder.push(&spec, b"second attempt").unwrap();
    let object = builder
        .seal(keys(1).objects(), &name("m/a/pack/1"), &SeededRng::new(1))
        .unwrap();
    let read = read_all(&object.bytes, "m/a/pack/1").unwrap();
    assert_eq!(read[2], "second attempt");
}
