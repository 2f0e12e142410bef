//! How many requests one item costs, from the vault's key on: what docs/benchmarks.md promises.

use std::sync::Arc;

use mailkeep_model::ItemId;
use mailkeep_ports::{MemoryStore, RecordStore, Store, TestClock, Verb};
use zeroize::Zeroizing;

use super::world::{commit, context, item, mime, put, read};
use crate::create::CreateOptions;
use crate::recipients::{Recipient, Unlock};
use crate::testing::profile;
use crate::vault::Vault;

#[tokio::test]
async fn one_item_of_an_open_vault_takes_three_reads_and_one_more_for_each_later_commit() {
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
    for later in 0..4_u64 {
        for n in 0..50 {
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
        let wanted = writer.key(&ItemId("0-17".into()));
        let version = view.item(wanted).await.unwrap().unwrap();
        assert_eq!(read(&view, &version).await, mime("0-17"));
        // The mailbox's key, each commit, the item.
        assert_eq!(record.count(Verb::Get).calls, 3 + later);
        assert_eq!(record.count(Verb::List).calls, 2);
        assert_eq!(record.total_calls(), 5 + later);
    }
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
