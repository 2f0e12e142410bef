//! Contents and parts that move, are lost and come back.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::stream;
use mailkeep_model::ItemId;
use mailkeep_ports::{GetOptions, Store};

use crate::content_store::ContentHead;
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::format::header::ObjectKind;
use crate::index::record::DroppedPack;
use crate::index::tests::world::{
    big_mime, commit, item, mime, new_mailbox, put, read, small_writer,
};
use crate::object::ObjectReader;
use crate::pack_rows;
use crate::pack_table::{PackId, PartLocation};

#[tokio::test]
async fn lost_content_is_told_apart_and_heals_every_version_that_had_it() {
    let (_, mailbox) = new_mailbox();
    let writer = small_writer(&mailbox).await.unwrap();
    let id = ItemId("a".into());
    let key = writer.key(&id);
    let message = big_mime("a", 6000);
    put(&writer, item("a", "inbox", 1), &message).await.unwrap();
    put(&writer, item("b", "inbox", 1), &mime("b"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    put(&writer, item("a", "archive", 2), &message)
        .await
        .unwrap();
    commit(&writer).await.unwrap();

    let view = mailbox.view().await.unwrap();
    let versions = view.versions(key).await.unwrap();
    assert_eq!(versions.len(), 2);
    let content = versions[0].content.unwrap();
    assert_eq!(versions[1].content, Some(content), "stored once");
    let packs = view.packs(None, 100).await.unwrap();
    let pack = *packs
        .iter()
        .find(|it| it.number == content.place.pack)
        .unwrap();
    // A part, and both versions' content, in a pack that is gone.
    let object = ObjectReader::open(
        &*mailbox.core.ctx.store,
        mailbox.core.keys.objects(),
        ObjectKind::Pack,
        &pack.id.key(&mailbox.core.id).unwrap(),
        1 << 20,
    )
    .await
    .unwrap();
    for frame in object.frames() {
        if let Some(part) = frame.content_id {
            writer.set_part(part, pack.number, PartLocation::LOST);
        }
    }
    for version in &versions {
        writer.lose_content(version.place, content);
    }
    let (number, size_bytes) = (pack.number, pack.size_bytes);
    writer.drop_pack(DroppedPack { number, size_bytes });
    commit(&writer).await.unwrap();

    let check_lost = async || {
        let view = mailbox.view().await.unwrap();
        for version in view.versions(key).await.unwrap() {
            assert_eq!(version.content, None);
            assert_eq!(version.lost.unwrap().fingerprint, content.fingerprint);
            let error = view.content(&version).await.unwrap_err();
            assert!(matches!(error, VaultError::Lost { .. }), "{error}");
        }
        assert!(
            view.packs(None, 100)
                .await
                .unwrap()
                .iter()
                .all(|it| it.number != number)
        );
        assert_eq!(view.counts().packs + 1, packs_of(&packs));
    };
    check_lost().await;
    // The same out of a checkpoint.
    for n in 0..4 {
        put(&writer, item("c", "inbox", n), &mime("c"))
            .await
            .unwrap();
        commit(&writer).await.unwrap();
    }
    check_lost().await;

    // It comes back: nothing of it counts as stored, and no new version is needed.
    let writer = small_writer(&mailbox).await.unwrap();
    let current = writer.current(key).await.unwrap();
    assert!(current.as_ref().unwrap().content.is_none());
    let bytes = Bytes::from(message.clone());
    let mime = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let stored = writer
        .store_content(ContentHead::default(), mime, current.as_ref())
        .await
        .unwrap();
    assert!(!stored.was_unchanged);
    assert!(writer.heal(key, &stored).await.unwrap());
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    let healed = view.versions(key).await.unwrap();
    assert_eq!(healed.len(), 2);
    for version in &healed {
        assert_eq!(read(&view, version).await, message);
    }
    let old = mailbox.view_at(1).await.unwrap();
    let version = old.item(key).await.unwrap().unwrap();
    assert_eq!(read(&old, &version).await, message);
}

fn packs_of(packs: &[crate::pack_table::PackEntry]) -> u64 {
    let packs = packs.iter().filter(|it| matches!(it.id, PackId::Pack(_)));
    u64::try_from(packs.count()).unwrap()
}

#[tokio::test]
async fn a_pack_says_whose_its_items_are() {
    let (store, mailbox) = new_mailbox();
    let writer = small_writer(&mailbox).await.unwrap();
    for n in 0..600_u32 {
        let item = item(
            &format!("i{n}"),
            if n % 3 == 0 { "a" } else { "b" },
            n.into(),
        );
        let head = ContentHead {
            item: Some(Box::new(item.clone())),
            ..ContentHead::default()
        };
        let bytes = Bytes::from(big_mime(&n.to_string(), 40));
        let mime = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
        let stored = writer.store_content(head, mime, None).await.unwrap();
        writer.put_item(item, stored);
    }
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    let mut told = BTreeSet::new();
    for pack in view.packs(None, 1000).await.unwrap() {
        let PackId::Pack(_) = pack.id else { continue };
        let key = pack.id.key(&mailbox.core.id).unwrap();
        let bytes = store.get(&key, GetOptions::default()).await.unwrap().body;
        let keys = mailbox.core.keys.objects();
        let object = ObjectReader::from_bytes(keys, ObjectKind::Pack, &key, bytes).unwrap();
        for frame in object
            .frames()
            .iter()
            .filter(|it| it.kind == FrameKind::PackRows)
        {
            let plain = object.frame(&*store, frame).await.unwrap();
            for row in pack_rows::decode(&plain).unwrap() {
                let version = view.item(row.key).await.unwrap().unwrap();
                assert_eq!(version.item, row.item);
                assert_eq!(version.content, Some(row.content(pack.number)));
                told.insert(row.key);
            }
        }
    }
    let in_segments = view
        .packs(None, 1000)
        .await
        .unwrap()
        .into_iter()
        .filter(|pack| matches!(pack.id, PackId::Segment(_)))
        .map(|pack| pack.number)
        .collect();
    let rest = view.items_in_packs(&in_segments, None, 1000).await.unwrap();
    assert_eq!(told.len() + rest.items.len(), 600);
    assert!(told.len() > 400);
}
