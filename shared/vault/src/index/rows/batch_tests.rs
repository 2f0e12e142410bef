//! Any row comes back from its columns.

use chrono::{DateTime, Utc};
use mailkeep_model::{
    Address, Flag, FlagStatus, FolderId, Importance, Item, ItemId, ItemKind, Sensitivity,
};
use proptest::prelude::*;

use crate::format::frame::FrameRef;
use crate::ids::{ItemKey, PackNumber};
use crate::index::rows::batch::{decode, encode};
use crate::index::rows::{Life, Patch, Row, RowEntry, SortKey};
use crate::pack_table::{ContentRef, PartLocation};

fn time() -> BoxedStrategy<Option<DateTime<Utc>>> {
    let extreme = prop_oneof![
        Just(DateTime::<Utc>::MIN_UTC),
        Just(DateTime::<Utc>::MAX_UTC),
        Just(DateTime::<Utc>::default()),
    ];
    let ordinary = (0..4_000_000_000_i64, 0..2_000_000_000_u32)
        .prop_filter_map("no such time", |(seconds, nanos)| {
            DateTime::from_timestamp(seconds, nanos)
        });
    let whole = (-9_000_000_000_i64..4_000_000_000).prop_filter_map("no such time", |seconds| {
        DateTime::from_timestamp(seconds, 0)
    });
    proptest::option::of(prop_oneof![1 => extreme, 2 => ordinary, 3 => whole]).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), ".{0,12}", "[A-Za-z0-9_-]{16,40}={0,2}"].boxed()
}

fn address() -> BoxedStrategy<Address> {
    (text(), text())
        .prop_map(|(name, address)| Address { name, address })
        .boxed()
}

fn addresses() -> BoxedStrategy<Vec<Address>> {
    proptest::collection::vec(address(), 0..3).boxed()
}

prop_compose! {
    fn item(folder: u32)(
        texts in proptest::array::uniform6(text()),
        people in (address(), proptest::option::of(address()), addresses(), addresses(), addresses()),
        times in proptest::array::uniform7(time()),
        size_bytes in any::<u64>(),
        bits in any::<[bool; 3]>(),
        kind in prop_oneof![
            Just(ItemKind::Message), Just(ItemKind::Event), Just(ItemKind::Other), Just(ItemKind::Note)
        ],
        status in prop_oneof![
            Just(FlagStatus::NotFlagged), Just(FlagStatus::Flagged), Just(FlagStatus::Complete)
        ],
        importance in prop_oneof![
            Just(Importance::Low), Just(Importance::Normal), Just(Importance::High)
        ],
        sensitivity in prop_oneof![
            Just(Sensitivity::Normal), Just(Sensitivity::Personal),
            Just(Sensitivity::Private), Just(Sensitivity::Confidential)
        ],
        categories in proptest::collection::vec(text(), 0..3),
    ) -> Item {
        let [id, change_key, class, subject, message_id, conversation] = texts;
        let [sent, received, created, modified, start, due, completed] = times;
        let (from, sender, to, cc, bcc) = people;
        let mut item = Item::new(ItemId(id), FolderId(format!("folder {folder}")));
        item.change_key = change_key;
        item.class = class;
        item.kind = kind;
        item.subject = subject;
        item.internet_message_id = message_id;
        item.conversation_id = conversation;
        (item.from, item.sender, item.to, item.cc, item.bcc) = (from, sender, to, cc, bcc);
        (item.sent_at, item.received_at) = (sent, received);
        (item.created_at, item.modified_at) = (created, modified);
        item.flag = Flag { status, start_at: start, due_at: due, completed_at: completed };
        item.size_bytes = size_bytes;
        [item.is_read, item.is_draft, item.has_attachments] = bits;
        item.categories = categories;
        item.importance = importance;
        item.sensitivity = sensitivity;
        item
    }
}

fn life() -> BoxedStrategy<Life> {
    any::<(Option<u64>, Option<u64>)>()
        .prop_map(|(end, next)| Life { end, next })
        .boxed()
}

fn sort_key() -> BoxedStrategy<SortKey> {
    any::<(u32, i64, u64, u64)>()
        .prop_map(|(folder, time, key, from)| SortKey {
            folder,
            time,
            key: ItemKey(key),
            from,
        })
        .boxed()
}

fn content() -> BoxedStrategy<ContentRef> {
    (any::<[u32; 5]>(), any::<[u64; 2]>())
        .prop_map(
            |([pack, number, offset, stored_bytes, plain_bytes], [size_bytes, fingerprint])| {
                ContentRef {
                    place: PartLocation {
                        pack: PackNumber(pack),
                        frame: FrameRef {
                            number,
                            offset,
                            stored_bytes,
                            plain_bytes,
                        },
                    },
                    size_bytes,
                    fingerprint,
                }
            },
        )
        .boxed()
}

fn entry() -> BoxedStrategy<RowEntry> {
    let row = (0..4_u32).prop_flat_map(|folder| {
        let rest = (any::<(u64, u64)>(), life(), proptest::option::of(content()));
        (item(folder).boxed(), rest).prop_map(move |(item, ((key, from), life, content))| {
            RowEntry::Full(Box::new(Row {
                key: ItemKey(key),
                folder,
                from,
                life,
                content,
                item,
            }))
        })
    });
    let patch = (life(), proptest::option::of(content()), any::<bool>()).prop_map(
        |(life, content, is_dropped)| Patch {
            life,
            content,
            is_dropped,
        },
    );
    let patch = (sort_key(), patch).prop_map(|(key, patch)| RowEntry::Patch(key, patch));
    prop_oneof![3 => row, 1 => patch].boxed()
}

fn folder(number: u32) -> Option<FolderId> {
    Some(FolderId(format!("folder {number}")))
}

proptest! {
    #[test]
    fn rows_come_back(entries in proptest::collection::vec(entry(), 0..8)) {
        prop_assert_eq!(decode(&encode(&entries), &folder).unwrap(), entries);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &folder);
    }

    #[test]
    fn damaged_columns_are_survived(
        entries in proptest::collection::vec(entry(), 1..4),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut bytes = encode(&entries);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode(&bytes, &folder);
    }
}

#[test]
fn unknown_fields_are_left_out() {
    let mut item = Item::new(ItemId("i".into()), FolderId("folder 0".into()));
    item.subject = "s".into();
    let entries = [RowEntry::Full(Box::new(Row {
        key: ItemKey(1),
        folder: 0,
        from: 1,
        life: Life::default(),
        content: None,
        item,
    }))];
    let mut bytes = encode(&entries);
    // Field 1000, length-delimited, three bytes.
    bytes.extend_from_slice(&[0xc2, 0x3e, 3, 1, 2, 3]);
    assert_eq!(decode(&bytes, &folder).unwrap(), entries);
}

/// Rows as Exchange Online makes them take about 150 bytes once compressed.
#[test]
fn an_ordinary_row_is_small() {
    use rand::{Rng, RngCore, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut random_id = |fixed: &[u8], length: usize| {
        let mut bytes = fixed.to_vec();
        let mut rest = vec![0; length];
        rng.fill_bytes(&mut rest);
        bytes.extend_from_slice(&rest);
        data_encoding::BASE64URL.encode(&bytes)
    };
    let words: Vec<&str> = "report meeting invoice question about your order new price list for \
        project next week holiday team lunch update release notes draft contract review"
        .split_whitespace()
        .collect();
    let mut people_rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    let mut person = || {
        let n = people_rng.random_range(0..300);
        Address {
            name: format!("Person Number{n}"),
            address: format!("person.number{n}@contoso.example"),
        }
    };
    let mut number = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let mut time = 1_700_000_000_i64;
    let entries: Vec<RowEntry> = (0..2048_u32)
        .map(|n| {
            time -= number.random_range(60..40_000);
            let at = |offset: i64| DateTime::from_timestamp(time + offset, 0);
            let mut item = Item::new(ItemId(random_id(&[7; 90], 16)), folder(0).unwrap());
            item.change_key = random_id(&[9; 12], 8);
            item.subject = (0..6)
                .map(|_| words[number.random_range(0..words.len())])
                .collect::<Vec<_>>()
                .join(" ");
            item.from = person();
            item.to = vec![person()];
            (item.sent_at, item.received_at) = (at(-2), at(0));
            (item.created_at, item.modified_at) = (at(0), at(number.random_range(0..9000)));
            item.size_bytes = number.random_range(2000..200_000);
            item.internet_message_id =
                format!("<{:016x}{:08x}@contoso.example>", number.next_u64(), n);
            item.conversation_id = random_id(&[3; 30], 16);
            RowEntry::Full(Box::new(Row {
                key: ItemKey(number.next_u64()),
                folder: 0,
                from: 1,
                life: Life::default(),
                content: Some(ContentRef {
                    place: PartLocation {
                        pack: PackNumber(n / 500),
                        frame: FrameRef {
                            number: n % 500,
                            offset: (n % 500) * 7000,
                            stored_bytes: 6000 + n % 999,
                            plain_bytes: 9000 + n % 777,
                        },
                    },
                    size_bytes: 30_000 + u64::from(n % 5000),
                    fingerprint: number.next_u64(),
                }),
                item,
            }))
        })
        .collect();
    let plain = encode(&entries);
    let stored = zstd::encode_all(plain.as_slice(), 3).unwrap();
    let each = stored.len() / entries.len();
    assert!(
        each <= 150,
        "{each} bytes a row, {} before compression",
        plain.len() / entries.len()
    );
}
