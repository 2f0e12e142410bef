//! What the checks find.

use std::collections::BTreeSet;

use mailkeep_model::ItemId;
use mailkeep_ports::{Condition, GetOptions, Key, ListOptions, PutOptions, Store};

use crate::index::tests::world::{big_mime, commit, item, mime, new_mailbox, put, small_writer};
use crate::index::verify::{Defect, Finding};
use crate::index::view::MailboxView;
use crate::pack_table::PackId;

async fn objects(view: &MailboxView) -> Vec<Finding> {
    let mut found = vec![];
    view.check_objects(|finding| found.push(finding))
        .await
        .unwrap();
    found
}

#[tokio::test]
async fn each_kind_of_damage_is_found_with_its_items() {
    let (store, mailbox) = new_mailbox();
    let writer = small_writer(&mailbox).await.unwrap();
    put(&writer, item("small", "inbox", 1), &mime("small"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    put(&writer, item("big", "inbox", 2), &big_mime("big", 9000))
        .await
        .unwrap();
    put(&writer, item("shared", "inbox", 3), &big_mime("big", 9000))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    assert!(objects(&view).await.is_empty());
    let packs = view.packs(None, 100).await.unwrap();
    assert!(packs.len() >= 2, "a segment and a pack: {packs:?}");
    for pack in &packs {
        assert_eq!(view.check_footer(pack).await.unwrap(), None);
        assert_eq!(view.check_pack(pack).await.unwrap(), None);
    }
    for sequence in 1..=view.sequence() {
        assert_eq!(view.check_commit(sequence).await.unwrap(), None);
    }
    let big = view
        .item(writer.key(&ItemId("big".into())))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.check_item(&big).await.unwrap(), None);

    let pack = packs
        .iter()
        .find(|pack| matches!(pack.id, PackId::Pack(_)))
        .unwrap();
    let key = pack.id.key(&mailbox.core.id).unwrap();
    let body = store.get(&key, GetOptions::default()).await.unwrap().body;
    let place = big.content.unwrap().place;
    assert_eq!(place.pack, pack.number);

    // A flipped bit in the item's frame: only whoever reads the frame can tell.
    let mut flipped = body.to_vec();
    flipped[usize::try_from(place.frame.offset).unwrap() + 3] ^= 4;
    store
        .put(&key, flipped.into(), PutOptions::default())
        .await
        .unwrap();
    assert!(objects(&view).await.is_empty());
    assert_eq!(view.check_footer(pack).await.unwrap(), None);
    let finding = view.check_pack(pack).await.unwrap().unwrap();
    assert_eq!(finding.pack, Some(pack.number));
    assert!(matches!(finding.defect, Defect::Damaged { .. }) && finding.is_harmful());
    let finding = view.check_item(&big).await.unwrap().unwrap();
    assert_eq!(finding.item, Some(big.key));
    assert_eq!(finding.object, key.as_str());

    // Cut off.
    store
        .put(&key, body.slice(..body.len() - 1), PutOptions::default())
        .await
        .unwrap();
    let found = objects(&view).await;
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].defect, Defect::WrongSize { .. }));
    assert!(view.check_footer(pack).await.unwrap().is_some());

    // Gone.
    store.delete(&key, Condition::None).await.unwrap();
    let found = objects(&view).await;
    assert_eq!((found.len(), &found[0].defect), (1, &Defect::Missing));
    assert_eq!(found[0].pack, Some(pack.number));
    for finding in [view.check_footer(pack).await, view.check_pack(pack).await] {
        assert_eq!(finding.unwrap().unwrap().defect, Defect::Missing);
    }
    let affected = view
        .items_in_packs(&BTreeSet::from([pack.number]), None, 100)
        .await
        .unwrap();
    let ids: Vec<_> = affected
        .items
        .iter()
        .map(|it| it.item.id.as_str())
        .collect();
    assert!(ids.contains(&"big") && !ids.contains(&"small"), "{ids:?}");
    store.put(&key, body, PutOptions::default()).await.unwrap();
    assert!(objects(&view).await.is_empty());

    // Left behind by somebody who died.
    let stray = Key::new(key.as_str().replace("pack/0", "pack/1")).unwrap();
    store
        .put(&stray, vec![1, 2, 3].into(), PutOptions::default())
        .await
        .unwrap();
    let found = objects(&view).await;
    assert_eq!(found[0].defect, Defect::Unreferenced { size_bytes: 3 });
    assert!(!found[0].is_harmful());
    store.delete(&stray, Condition::None).await.unwrap();

    // Commits.
    let log = ListOptions {
        prefix: format!("m/{}/log/", mailbox.core.id),
        ..ListOptions::default()
    };
    for (index, object) in store.list(log).await.unwrap().objects.iter().enumerate() {
        let sequence = u64::try_from(index).unwrap() + 1;
        let body = store
            .get(&object.key, GetOptions::default())
            .await
            .unwrap()
            .body;
        store.delete(&object.key, Condition::None).await.unwrap();
        let found = objects(&view).await;
        assert_eq!((found.len(), &found[0].defect), (1, &Defect::Missing));
        assert_eq!(found[0].object, object.key.as_str());
        assert!(view.check_commit(sequence).await.unwrap().is_some());
        store
            .put(&object.key, body, PutOptions::default())
            .await
            .unwrap();
    }
}
