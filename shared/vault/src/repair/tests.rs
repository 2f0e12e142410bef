//! What is damaged is whole again after a repair, or recorded as lost, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use mailkeep_model::{FolderId, ItemId, RunId};
use mailkeep_ports::{
    Conditions, Damage, Fault, FaultStore, Key, ListOptions, MemoryStore, Store, TestClock, damage,
};

use super::{RepairAction, RepairMode, RepairReport};
use crate::content_store::ContentHead;
use crate::error::VaultError;
use crate::index::tests::conditions::looking;
use crate::index::tests::world::{
    big_mime, commit, folder, item, mailbox, mime, new_mailbox, put, small, small_writer,
};
use crate::index::{ItemFilter, ItemVersion, MailboxView, MailboxWriter};
use crate::mailbox::Mailbox;

fn run() -> RunId {
    RunId("01REPAIR".into())
}

async fn repair(mailbox: &Mailbox) -> RepairReport {
    mailbox
        .repair_with(&run(), RepairMode::Apply, small())
        .await
        .unwrap()
}

async fn keys(store: &dyn Store, part: &str) -> Vec<Key> {
    let page = store.list(ListOptions::default()).await.unwrap();
    let keys = page.objects.into_iter().map(|object| object.key);
    keys.filter(|key| key.as_str().contains(part)).collect()
}

/// Stores an item as a backup does: packs say whose it is.
async fn store(writer: &MailboxWriter, id: &str, folder: &str, minute: i64, message: &[u8]) {
    let item = item(id, folder, minute);
    let head = ContentHead {
        item: Some(Box::new(item.clone())),
        ..ContentHead::default()
    };
    let current = writer.current(writer.key(&item.id)).await.unwrap();
    let bytes = Bytes::copy_from_slice(message);
    let mime = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let stored = writer
        .store_content(head, mime, current.as_ref())
        .await
        .unwrap();
    writer.put_item(item, stored);
}

/// Small and big items, moves, removals, over several commits, packs and checkpoints.
async fn fill(mailbox: &Mailbox) {
    let writer = small_writer(mailbox).await.unwrap();
    writer.put_folder(folder("inbox", None));
    writer.put_folder(folder("archive", None));
    for round in 0..6_i64 {
        for n in 0..5 {
            let id = format!("r{round}i{n}");
            let message = if n % 2 == 1 {
                big_mime(&id, 1500)
            } else {
                mime(&id)
            };
            store(&writer, &id, "inbox", round, &message).await;
        }
        if round > 0 {
            let before = round - 1;
            let id = format!("r{before}i0");
            store(&writer, &id, "archive", 90, &mime(&id)).await;
            writer.remove_item(&ItemId(format!("r{before}i2")));
        }
        let inbox = FolderId("inbox".into());
        writer.set_cursor(&inbox, Some(&round.to_string()));
        writer.set_tree_cursor(Some("tree"));
        commit(&writer).await.unwrap();
    }
}

/// What can be read of every version: `None` for content that is known to be lost.
type State = BTreeMap<(String, u64), (ItemVersion, Option<Vec<u8>>)>;

async fn read(view: &MailboxView, version: &ItemVersion) -> Result<Vec<u8>, VaultError> {
    let chunks: Vec<Bytes> = view.content(version).await?.mime().try_collect().await?;
    Ok(chunks.concat())
}

async fn state(mailbox: &Mailbox) -> State {
    let view = mailbox.view().await.unwrap();
    let filter = ItemFilter {
        include_deleted: true,
        ..ItemFilter::default()
    };
    let page = view.items(&filter, None, 1000).await.unwrap();
    let mut state = State::new();
    let mut seen = BTreeSet::new();
    for item in page.items {
        assert!(seen.insert(item.key), "listed twice: {:?}", item.item.id);
        for mut version in view.versions(item.key).await.unwrap() {
            let content = match read(&view, &version).await {
                Ok(content) => Some(content),
                Err(VaultError::Lost { .. }) => None,
                Err(error) => panic!("{:?}: {error}", version.item.id),
            };
            (version.content, version.lost) = (None, None);
            let key = (version.item.id.0.clone(), version.from_sequence);
            state.insert(key, (version, content));
        }
    }
    state
}

/// Everything verifies, and nothing is left to repair.
async fn check_sound(mailbox: &Mailbox) {
    let view = mailbox.view().await.unwrap();
    let mut found = vec![];
    view.check_objects(|finding| found.push(finding))
        .await
        .unwrap();
    found.retain(super::super::index::Finding::is_harmful);
    assert_eq!(found, []);
    for pack in view.packs(None, 1000).await.unwrap() {
        assert_eq!(view.check_pack(&pack).await.unwrap(), None);
    }
    for sequence in 1..=view.sequence() {
        assert_eq!(view.check_commit(sequence).await.unwrap(), None);
    }
    let again = repair(mailbox).await;
    assert!(again.is_sound(), "{again:?}");
}

/// After a repair what is left is what was; returns the versions whose content is lost.
fn compare(before: &State, after: &State) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    for (key, (version, content)) in before {
        let Some((found, now)) = after.get(key) else {
            panic!("{key:?} is gone");
        };
        assert_eq!(found, version, "{key:?}");
        match now {
            Some(now) => assert_eq!(Some(now), content.as_ref(), "{key:?}"),
            None => {
                lost.insert(key.0.clone());
            }
        }
    }
    assert_eq!(before.len(), after.len());
    lost
}

fn damages(size: u64) -> Vec<Damage> {
    vec![
        Damage::Delete,
        Damage::Empty,
        Damage::Truncate(size / 2),
        Damage::FlipBit(10),
        Damage::FlipBit(90),
        Damage::FlipBit(size / 2),
        Damage::FlipBit(size - 1),
        Damage::FlipBit(size - 110),
    ]
}

#[tokio::test]
async fn a_sound_mailbox_is_left_alone() {
    let (store, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let names = store.names();
    let report = repair(&mailbox).await;
    assert!(report.is_sound() && report.has_lost_nothing());
    assert_eq!(store.names(), names);
    check_sound(&mailbox).await;
}

#[tokio::test]
async fn every_damage_to_every_object_is_repaired_or_recorded() {
    let (template, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let before = state(&mailbox).await;
    let mut names = vec![];
    for part in ["/pack/", "/log/", "/ckpt/"] {
        names.extend(keys(&*template, part).await);
    }
    for key in names {
        let size = template.head(&key).await.unwrap().size_bytes;
        for kind in damages(size) {
            let store = Arc::new(template.fork());
            damage(&*store, &key, &kind).await.unwrap();
            let mailbox = crate::index::tests::world::mailbox(store.clone(), 77);
            let planned = mailbox
                .repair_with(&run(), RepairMode::DryRun, small())
                .await
                .unwrap();
            let report = repair(&mailbox).await;
            let context = format!("{kind:?} of {key}: {report:?}");
            assert_eq!(planned.actions.len(), report.actions.len(), "{context}");
            assert_eq!(planned.lost_versions, report.lost_versions, "{context}");
            // A checkpoint that is gone is no loss. Only a newer one that counts on it leaves a trace.
            let may_be_traceless = kind == Damage::Delete && key.as_str().contains("/ckpt/");
            assert!(!report.is_sound() || may_be_traceless, "{context}");
            let after = state(&mailbox).await;
            let lost = compare(&before, &after);
            let told: BTreeSet<String> = report
                .lost
                .iter()
                .map(|lost| lost.version.item.id.0.clone())
                .collect();
            assert_eq!(lost, told, "{context}");
            let is_end = matches!(&kind, Damage::FlipBit(at) if *at < 80 || *at + 120 > size);
            if is_end || key.as_str().contains("/ckpt/") {
                assert!(lost.is_empty(), "{context}");
            }
            let gaps = mailbox.view().await.unwrap().gaps();
            assert_eq!(u64::try_from(gaps.len()).unwrap(), report.gaps, "{context}");
            check_sound(&mailbox).await;
        }
    }
}

/// Fetches what is lost, as the next backup does.
async fn heal(mailbox: &Mailbox, before: &State) {
    let writer = small_writer(mailbox).await.unwrap();
    for gap in writer.gaps() {
        let current = writer
            .current(writer.key(&gap.item))
            .await
            .unwrap()
            .unwrap();
        let key = (gap.item.0.clone(), current.from_sequence);
        let message = before[&key].1.clone().unwrap();
        let mime = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(message))]);
        let stored = writer
            .store_content(ContentHead::default(), mime, None)
            .await
            .unwrap();
        assert!(writer.heal(current.key, &stored).await.unwrap());
        writer.resolve_gap(&gap.item);
    }
    commit(&writer).await.unwrap();
}

#[tokio::test]
async fn what_is_fetched_again_is_whole_at_every_point_in_time() {
    let (template, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let before = state(&mailbox).await;
    let mut names = keys(&*template, "/pack/").await;
    names.extend(keys(&*template, "/log/").await);
    for key in names {
        let store = Arc::new(template.fork());
        damage(&*store, &key, &Damage::Delete).await.unwrap();
        let mailbox = crate::index::tests::world::mailbox(store.clone(), 77);
        repair(&mailbox).await;
        heal(&mailbox, &before).await;
        let after = state(&mailbox).await;
        let lost = compare(&before, &after);
        // Only items that the source has no more stay lost.
        for id in lost {
            let removed = |(key, (version, _)): (&(String, u64), &(ItemVersion, _))| {
                key.0 == id && version.deleted
            };
            assert!(before.iter().any(removed), "{id} after {key}");
        }
        check_sound(&mailbox).await;
    }
}

#[tokio::test]
async fn without_checkpoints_a_lost_commit_costs_only_what_it_alone_held() {
    let (template, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let before = state(&mailbox).await;
    for key in keys(&*template, "/ckpt/").await {
        damage(&*template, &key, &Damage::Delete).await.unwrap();
    }
    for (key, sequence) in keys(&*template, "/log/").await.into_iter().zip(1_u64..) {
        let store = Arc::new(template.fork());
        damage(&*store, &key, &Damage::Delete).await.unwrap();
        let mailbox = crate::index::tests::world::mailbox(store.clone(), 77);
        let newest = mailbox.view().await;
        let report = repair(&mailbox).await;
        if newest.is_ok() {
            // The last one leaves no trace but packs.
            continue;
        }
        assert!(report.lists_anew && !report.has_lost_nothing());
        let view = mailbox.view().await.unwrap();
        assert_eq!(view.rebuilt_commits(), [sequence]);
        let after = state(&mailbox).await;
        for ((id, from), (version, content)) in &before {
            if *from == sequence {
                continue;
            }
            // Where it lay may be lost with the commit that brought the folder.
            let (found, now) = &after[&(id.clone(), *from)];
            assert_eq!(found.item.change_key, version.item.change_key);
            assert_eq!(found.item.subject, version.item.subject);
            if now.is_some() {
                assert_eq!(now, content);
            }
        }
        check_sound(&mailbox).await;
        let writer = mailbox.writer().await.unwrap();
        assert_eq!((writer.tree_cursor(), writer.cursors().len()), (None, 0));
    }
}

#[tokio::test]
async fn packs_alone_bring_their_items_back() {
    let (store, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let before = state(&mailbox).await;
    let view = mailbox.view().await.unwrap();
    let packs = view.packs(None, 1000).await.unwrap();
    let in_packs: BTreeSet<_> = packs
        .iter()
        .filter(|pack| matches!(pack.id, crate::pack_table::PackId::Pack(_)))
        .map(|pack| pack.number)
        .collect();
    let expected: BTreeSet<String> = view
        .items_in_packs(&in_packs, None, 1000)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|version| version.item.id.0)
        .collect();
    for part in ["/ckpt/", "/log/"] {
        for key in keys(&*store, part).await {
            damage(&*store, &key, &Damage::Delete).await.unwrap();
        }
    }
    let report = repair(&mailbox).await;
    assert!(report.lists_anew);
    let after = state(&mailbox).await;
    let found: BTreeSet<String> = after.keys().map(|(id, _)| id.clone()).collect();
    assert_eq!(found, expected);
    assert!(expected.len() > 10);
    for ((id, _), (_, content)) in &after {
        let mut versions = before.iter().filter(|((it, _), _)| it == id);
        assert!(versions.any(|(_, (_, old))| old == content), "{id}");
    }
    check_sound(&mailbox).await;
}

#[tokio::test]
async fn a_repair_can_die_anywhere() {
    dies_everywhere(&|store| crate::index::tests::world::mailbox(store, 5)).await;
}

#[tokio::test]
async fn a_repair_can_die_anywhere_on_a_store_that_refuses_conditions() {
    dies_everywhere(&|store| {
        store.set_conditions(Conditions::Refused);
        looking(store, 5)
    })
    .await;
}

async fn dies_everywhere(open: &dyn Fn(Arc<FaultStore>) -> Mailbox) {
    let (template, mailbox) = new_mailbox();
    fill(&mailbox).await;
    let before = state(&mailbox).await;
    let pack = keys(&*template, "/pack/").await.remove(1);
    let log = keys(&*template, "/log/").await.remove(2);
    // The newest: an older one, which holds what the lost commit said, stays.
    let checkpoint = keys(&*template, "/ckpt/").await.pop().unwrap();
    let size = template.head(&pack).await.unwrap().size_bytes;
    damage(&*template, &pack, &Damage::FlipBit(size / 2))
        .await
        .unwrap();
    damage(&*template, &log, &Damage::FlipBit(90))
        .await
        .unwrap();
    damage(&*template, &checkpoint, &Damage::Empty)
        .await
        .unwrap();
    let mut number = 0;
    let mut reference = None;
    loop {
        number += 1;
        let mut has_met = false;
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let store = Arc::new(template.fork());
            let faulty = Arc::new(FaultStore::new(store.clone()).at(number, fault));
            let first = open(faulty.clone());
            let died = first.repair_with(&run(), RepairMode::Apply, small()).await;
            has_met |= faulty.faults() > 0;
            if let Err(error) = died {
                assert!(matches!(error, VaultError::Busy { .. }), "{error}");
            }
            let mailbox = crate::index::tests::world::mailbox(store.clone(), 6);
            repair(&mailbox).await;
            let after = state(&mailbox).await;
            let lost = compare(&before, &after);
            let expected = reference.get_or_insert_with(|| lost.clone());
            assert_eq!(lost, *expected, "{fault:?} at {number}");
            check_sound(&mailbox).await;
        }
        if !has_met {
            assert!(number > 4, "{number} changing calls");
            return;
        }
    }
}

#[tokio::test]
async fn lost_parts_are_found_where_another_backup_stored_them_too() {
    let clock = Arc::new(TestClock::default());
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::new(clock));
    let (one, two) = (mailbox(store.clone(), 1), mailbox(store.clone(), 2));
    let (first, second) = (
        small_writer(&one).await.unwrap(),
        small_writer(&two).await.unwrap(),
    );
    let message = big_mime("same", 6000);
    put(&first, item("a", "inbox", 1), &message).await.unwrap();
    put(&second, item("b", "inbox", 1), &message).await.unwrap();
    commit(&first).await.unwrap();
    commit(&second).await.unwrap();
    let view = one.view().await.unwrap();
    let b = view
        .item(second.key(&ItemId("b".into())))
        .await
        .unwrap()
        .unwrap();
    let number = b.content.unwrap().place.pack;
    let packs = view.packs(None, 100).await.unwrap();
    let pack = packs.iter().find(|pack| pack.number == number).unwrap();
    let key = pack.id.key(&one.core.id).unwrap();
    damage(&*store, &key, &Damage::Delete).await.unwrap();
    let report = repair(&one).await;
    assert!(
        report
            .actions
            .contains(&RepairAction::FoundParts { parts: 1 }),
        "{report:?}"
    );
    // Its text is lost, the part is not: the other item is whole.
    let after = state(&one).await;
    let whole = |id: &str| {
        let mut versions = after.iter().filter(|((it, _), _)| it == id);
        versions.all(|(_, (_, content))| content.is_some())
    };
    assert!(whole("a") && !whole("b"));
    check_sound(&one).await;
}

/// The newest commit carries copies of those before it, which a repair writes anew.
#[tokio::test]
async fn a_commit_that_was_written_anew_is_not_read_through_an_older_copy() {
    let (template, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(folder("inbox", None));
    for n in 0..6 {
        let id = format!("i{n}");
        store(&writer, &id, "inbox", n, &mime(&id)).await;
        commit(&writer).await.unwrap();
    }
    let before = state(&mailbox).await;
    let third = keys(&*template, "/log/").await.remove(2);
    let size = template.head(&third).await.unwrap().size_bytes;
    for (kind, loses) in [
        (Damage::FlipBit(10), false),
        (Damage::FlipBit(20), false),
        (Damage::FlipBit(90), true),
        (Damage::Truncate(size / 2), true),
        (Damage::Delete, true),
    ] {
        let store = Arc::new(template.fork());
        damage(&*store, &third, &kind).await.unwrap();
        let mailbox = crate::index::tests::world::mailbox(store.clone(), 77);
        let report = repair(&mailbox).await;
        assert!(!report.is_sound(), "{kind:?}");
        let after = state(&mailbox).await;
        if loses {
            for (key, (_, content)) in &after {
                let lost = content.is_none();
                assert!(!lost || key.0 == "i2", "{kind:?}: {key:?}");
            }
        } else {
            assert_eq!(compare(&before, &after), BTreeSet::new(), "{kind:?}");
        }
        let mut distrusting = crate::index::tests::world::mailbox(store, 78);
        distrusting.core.trusts_copies = false;
        assert_eq!(state(&distrusting).await, after, "{kind:?}");
        check_sound(&mailbox).await;
    }
}
