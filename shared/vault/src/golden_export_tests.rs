//! The second golden vault, `shared/vault/golden/2`: export streams beside messages, messages that were rebuilt,
//! and packs that say whose the items in them are.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use mailkeep_model::{ItemId, Representation};
use mailkeep_ports::{Clock, GetOptions, Key, MemoryStore, Rng, SeededRng, Store, TestClock};
use zeroize::Zeroizing;

use crate::content_store::{ContentHead, ExportSource};
use crate::create::CreateOptions;
use crate::golden_tests::{KEY_FILE, context, load};
use crate::index::tests::world::{self, big_mime, folder, mime};
use crate::index::writer::MailboxWriter;
use crate::index::{ItemFilter, MailboxView};
use crate::pack_table::PackId;
use crate::reader::ItemReader;
use crate::recipients::{PassphraseCost, Recipient, Unlock};
use crate::testing::profile;
use crate::vault::Vault;

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/2")
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

async fn mime_of(reader: &ItemReader) -> Vec<u8> {
    let pieces: Vec<Bytes> = reader.mime().try_collect().await.unwrap();
    pieces.concat()
}

/// Every item with its message and its export stream, and what each pack tells.
async fn everything(view: &MailboxView) -> String {
    let mut lines = vec![];
    for version in world::list(view, &ItemFilter::default(), 100).await {
        let reader = view.content(&version).await.unwrap();
        let export: Vec<Bytes> = reader.export().try_collect().await.unwrap();
        let export = export.concat();
        assert_eq!(reader.export_bytes().unwrap_or(0), export.len() as u64);
        lines.push(format!(
            "item {} {} {} {} {} {} {}",
            version.item.id.as_str(),
            version.item.folder.as_str(),
            digest(&mime_of(&reader).await),
            export.len(),
            digest(&export),
            reader.export_server_version().unwrap_or("-"),
            String::from_utf8_lossy(reader.properties_json()),
        ));
    }
    for pack in view.packs(None, 1_000).await.unwrap() {
        assert_eq!(view.check_pack(&pack).await.unwrap(), None);
        if matches!(pack.id, PackId::Segment(_)) {
            continue;
        }
        for (key, content) in view.items_told_by(&pack).await.unwrap() {
            let core = view.inner.core.clone();
            let reader = ItemReader::open(core, view.inner.clone(), &content).await;
            let message = mime_of(&reader.unwrap()).await;
            let version = view.item(key).await.unwrap().unwrap();
            let id = version.item.id.as_str();
            lines.push(format!("told {id} {}", digest(&message)));
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn the_second_golden_vault_reads_as_it_was_written() {
    let store = load(&place().join("vault")).await;
    let expected = std::fs::read_to_string(place().join("contents.txt")).unwrap();
    let clock = Arc::new(TestClock::new("2030-01-01T00:00:00Z".parse().unwrap()));
    let unlock = Unlock::KeyFile(Zeroizing::new(KEY_FILE));
    let vault = Vault::open(context(store, clock, 1), &unlock)
        .await
        .unwrap();
    let found = vault.find_mailbox("golden", &profile("eve").id).await;
    let view = found.unwrap().unwrap().view().await.unwrap();
    let found = everything(&view).await;
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert_eq!(found, expected, "{differs:?}");
    let kinds: BTreeSet<&str> = expected.lines().map(|line| &line[..4]).collect();
    assert_eq!(kinds.len(), 2);
}

/// Writes the vault into the folder that GOLDEN names. It was done once.
#[tokio::test]
#[ignore = "writes files; for a new part of the format"]
async fn make_second() {
    let folder = PathBuf::from(std::env::var_os("GOLDEN").unwrap());
    let clock = Arc::new(TestClock::new("2026-11-27T18:00:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let options = CreateOptions {
        passphrase_cost: PassphraseCost {
            memory_kib: 256,
            passes: 1,
        },
        ..CreateOptions::default()
    };
    let recipients = [Recipient::KeyFile(Zeroizing::new(KEY_FILE))];
    let ctx = context(store.clone(), clock.clone(), 2);
    let (vault, _) = Vault::create(ctx, &recipients, options).await.unwrap();
    let eve = vault.ensure_mailbox("golden", &profile("eve")).await;
    let eve = eve.unwrap();
    fill(&eve, &clock).await;
    let expected = everything(&eve.view().await.unwrap()).await;
    for name in store.names() {
        let key = Key::new(name.clone()).unwrap();
        let body = store.get(&key, GetOptions::default()).await.unwrap().body;
        let path = folder.join("vault").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    std::fs::write(folder.join("contents.txt"), expected).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&KEY_FILE);
    std::fs::write(folder.join("vault.key"), format!("mailkeep-key-1 {hex}\n")).unwrap();
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    SeededRng::new(seed).fill(&mut noise);
    noise
}

async fn put(
    writer: &MailboxWriter,
    (id, into, minute): (&str, &str, i64),
    (message, export): (Vec<u8>, &[u8]),
    head: ContentHead,
) {
    let item = world::item(id, into, minute);
    let current = writer.current(writer.key(&item.id)).await.unwrap();
    let head = ContentHead {
        item: Some(Box::new(item.clone())),
        ..head
    };
    let message = stream::iter([Ok::<_, Infallible>(Bytes::from(message))]);
    let pieces: Vec<_> = export
        .chunks(10_007)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let source = (!export.is_empty()).then(|| ExportSource {
        server_version: "15.2.1748.10".to_owned(),
        bytes: stream::iter(pieces),
    });
    let export = std::future::ready(Ok(source));
    let stored = writer.store_content_and_export(head, message, export, current.as_ref());
    let stored = stored.await.map_err(|_| "not stored").unwrap();
    writer.put_item(item, stored);
}

/// Streams of every size, one that two items share, one that changed; packs and commits with data; a checkpoint.
async fn fill(mailbox: &crate::mailbox::Mailbox, clock: &TestClock) {
    let writer = world::small_writer(mailbox).await.unwrap();
    writer.put_folder(folder("inbox", None));
    writer.put_folder(folder("calendar", None));
    let small = noise(700, 1);
    let shared = noise(90_000, 2);
    for round in 0..5_i64 {
        clock.advance(std::time::Duration::from_secs(3_600));
        assert!(clock.now().timestamp() > 0);
        let head = ContentHead::default;
        let name = |what: &str| format!("{what}{round}");
        let (plain, big, event) = (name("plain"), name("big"), name("event"));
        put(
            &writer,
            (&plain, "inbox", round),
            (mime(&plain), &[]),
            head(),
        )
        .await;
        let message = big_mime(&big, 2_500);
        put(&writer, (&big, "inbox", round), (message, &shared), head()).await;
        let rebuilt = ContentHead {
            representation: Representation::MimeRebuilt,
            rebuilt_because: Some("ErrorMimeContentConversionFailed".into()),
            properties_json: br#"{"start":"2026-11-27"}"#.to_vec(),
            item: None,
        };
        let export = [small.as_slice(), &[u8::try_from(round).unwrap()]].concat();
        put(
            &writer,
            (&event, "calendar", round),
            (mime(&event), &export),
            rebuilt,
        )
        .await;
        // The message stays, the stream changes.
        let changed = noise(3_000, 10 + u64::try_from(round).unwrap());
        put(
            &writer,
            ("same", "calendar", round),
            (mime("same"), &changed),
            head(),
        )
        .await;
        if round == 2 {
            let chunks = noise(1_300_000, 3);
            put(
                &writer,
                ("chunks", "inbox", 9),
                (mime("chunks"), &chunks),
                head(),
            )
            .await;
        }
        if round > 2 {
            writer.remove_item(&ItemId(format!("plain{}", round - 2)));
        }
        world::commit(&writer).await.unwrap();
    }
}
