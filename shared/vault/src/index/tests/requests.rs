//! How many requests one item costs, from the vault's key on: what docs/benchmarks.md promises.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use mailkeep_model::ItemId;
use mailkeep_ports::{Damage, MemoryStore, RecordStore, Store, TestClock, Verb, damage};
use zeroize::Zeroizing;

use super::world::{self, commit, context, item, mime, put, read};
use crate::create::CreateOptions;
use crate::index::filter::ItemFilter;
use crate::recipients::{Recipient, Unlock};
use crate::testing::profile;
use crate::vault::Vault;

#[tokio::test]
async fn one_item_of_an_open_vault_takes_three_reads_after_however_many_commits() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(TestClock::default())));
    let key = Zeroizing::new([7; 32]);
    let recipients = [Recipient::KeyFile(key.clone())];
    let made = Vault::create(
        context(memory.clone(), 1),
        &recipients,
        CreateOptions::default(),
    );
    let (vault, _) = made.await.unwrap();
    let mailbox = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    let writer = mailbox.writer().await.unwrap();
    for later in 0..31_u64 {
        for n in 0..3 {
            let name = format!("{later}-{n}");
            let message = mime(&name);
            put(&writer, item(&name, "inbox", n), &message)
                .await
                .unwrap();
        }
        commit(&writer).await.unwrap();

        let record = Arc::new(RecordStore::new(memory.clone()));
        let unlock = Unlock::KeyFile(key.clone());
        let vault = Vault::open(context(record.clone(), 2), &unlock)
            .await
            .unwrap();
        record.take();
        let view = vault.mailbox(mailbox.id()).await.unwrap();
        let view = view.view().await.unwrap();
        let wanted = writer.key(&ItemId("0-1".into()));
        let version = view.item(wanted).await.unwrap().unwrap();
        assert_eq!(read(&view, &version).await, mime("0-1"));
        // The mailbox's key, the newest commit, which carries those before it, the item.
        assert_eq!(record.count(Verb::Get).calls, 3, "{later}");
        assert_eq!(record.count(Verb::List).calls, 2);
        assert_eq!(record.total_calls(), 5);
    }
    // From then on there is a checkpoint, too.
    for later in 31..70 {
        put(&writer, item("late", "inbox", later), &mime("late"))
            .await
            .unwrap();
        commit(&writer).await.unwrap();
        let record = Arc::new(RecordStore::new(memory.clone()));
        let unlock = Unlock::KeyFile(key.clone());
        let vault = Vault::open(context(record.clone(), 2), &unlock)
            .await
            .unwrap();
        record.take();
        let view = vault.mailbox(mailbox.id()).await.unwrap();
        let view = view.view().await.unwrap();
        // The mailbox's key, the checkpoint, the newest commit.
        let opening = record.count(Verb::Get).calls;
        assert!(opening <= 3, "{later}: {opening} reads");
        let wanted = writer.key(&ItemId("0-1".into()));
        let version = view.item(wanted).await.unwrap().unwrap();
        assert_eq!(read(&view, &version).await, mime("0-1"));
        // In tests checkpoints are cut at 4 KiB: three blocks may lie in objects of their own. Otherwise the
        // blocks of a small one come with its root, and this is the item alone.
        let reads = record.count(Verb::Get).calls - opening;
        assert!(reads <= 4, "{later}: {reads} reads");
    }
}

#[tokio::test]
async fn big_commits_are_read_by_themselves_and_small_ones_come_with_the_newest() {
    let (store, mailbox) = world::new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    for n in 0..400 {
        writer.put_item(item(&format!("big{n}"), "inbox", n), None);
    }
    commit(&writer).await.unwrap();
    for n in 0..20 {
        writer.put_item(item(&format!("small{n}"), "inbox", n), None);
        commit(&writer).await.unwrap();
    }
    for is_reopened in [false, true] {
        if is_reopened {
            // A writer that was opened again carries on with what it read.
            let writer = world::mailbox(store.clone(), 9);
            let writer = writer.writer().await.unwrap();
            writer.put_item(item("late", "inbox", 1), None);
            commit(&writer).await.unwrap();
        }
        let record = Arc::new(RecordStore::new(store.clone()));
        let view = world::mailbox(record.clone(), 3).view().await;
        let items = 420 + u64::from(is_reopened);
        assert_eq!(view.unwrap().counts().items, items);
        // The big one, and the newest.
        assert_eq!(record.count(Verb::Get).calls, 2);
        assert!(record.count(Verb::Get).bytes < 200_000);
    }
}

/// What is carried is a copy: without it, and with a damaged one, everything is the same.
#[tokio::test]
async fn what_commits_carry_is_a_copy_and_may_be_damaged() {
    let (store, mailbox) = world::new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    for n in 0..6 {
        let name = format!("i{n}");
        put(&writer, item(&name, "inbox", n), &mime(&name))
            .await
            .unwrap();
        commit(&writer).await.unwrap();
    }
    let whole = world::contents(&mailbox.view().await.unwrap()).await;
    assert_eq!(whole.len(), 6);
    let mut distrusting = world::mailbox(store.clone(), 3);
    distrusting.core.trusts_copies = false;
    let view = distrusting.view().await.unwrap();
    assert!(world::contents(&view).await == whole);
    let key = crate::names::log(mailbox.id(), 6).unwrap();
    let size = store.head(&key).await.unwrap().size_bytes;
    let mut readable = 0;
    for at in (80..size).step_by(7) {
        let fork = Arc::new(store.fork());
        damage(&*fork, &key, &Damage::FlipBit(at)).await.unwrap();
        let mailbox = world::mailbox(fork, 4);
        let Ok(view) = mailbox.view().await else {
            continue;
        };
        readable += 1;
        let found = world::list(&view, &ItemFilter::default(), 10).await;
        assert_eq!(found.len(), 6, "{at}");
        for version in found {
            let Ok(reader) = view.content(&version).await else {
                continue;
            };
            let bytes: Result<Vec<Bytes>, _> = reader.mime().try_collect().await;
            if let Ok(bytes) = bytes {
                let id = &version.item.id.0;
                assert!(bytes.concat() == whole[id].1, "{at}: {id}");
            }
        }
    }
    assert!(readable > 20, "{readable}");
}

/// A message with attachments of so many random bytes.
fn with_attachments(name: &str, sizes: &[usize]) -> Vec<u8> {
    let mut message = mime(name);
    for (number, size) in sizes.iter().enumerate() {
        let mut bytes = vec![0; *size];
        let seed = blake3::hash(format!("{name}-{number}").as_bytes());
        blake3::Hasher::new_keyed(seed.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        for line in bytes.chunks(57) {
            message.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(b"--\r\n");
    }
    message
}

#[tokio::test]
async fn the_small_parts_of_an_item_come_with_it_and_others_with_one_more_read() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(TestClock::default())));
    let key = Zeroizing::new([7; 32]);
    let recipients = [Recipient::KeyFile(key.clone())];
    let made = Vault::create(
        context(memory.clone(), 1),
        &recipients,
        CreateOptions::default(),
    );
    let (vault, _) = made.await.unwrap();
    let mailbox = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    let writer = mailbox.writer().await.unwrap();
    let messages = [
        (
            "small",
            with_attachments("small", &[1_500, 20_000, 70_000]),
            1,
        ),
        ("big", with_attachments("big", &[300_000, 5_000]), 2),
        // What a message brought before lies there.
        (
            "copy",
            [
                b"X: y\r\n".to_vec(),
                with_attachments("small", &[1_500, 20_000, 70_000]),
            ]
            .concat(),
            2,
        ),
    ];
    for (at, (name, message, _)) in (0..).zip(&messages) {
        put(&writer, item(name, "inbox", at), message)
            .await
            .unwrap();
        put(
            &writer,
            item(&format!("{name}-next"), "inbox", at),
            &mime(name),
        )
        .await
        .unwrap();
    }
    commit(&writer).await.unwrap();
    for (name, message, reads) in &messages {
        let record = Arc::new(RecordStore::new(memory.clone()));
        let unlock = Unlock::KeyFile(key.clone());
        let vault = Vault::open(context(record.clone(), 2), &unlock)
            .await
            .unwrap();
        let view = vault
            .mailbox(mailbox.id())
            .await
            .unwrap()
            .view()
            .await
            .unwrap();
        let version = view
            .item(writer.key(&ItemId((*name).into())))
            .await
            .unwrap();
        record.take();
        assert_eq!(read(&view, &version.unwrap()).await, *message, "{name}");
        assert_eq!(record.total_calls(), *reads, "{name}");
    }
}
