//! Content of items.

use exchange_sim::{Fault, FaultKind};
use mailkeep_exchange::{ItemChange, Source};
use mailkeep_model::{FailureClass, Item, ItemId, Representation};

use crate::setup::{World, collect, present, small};

#[tokio::test]
async fn mime_is_byte_for_byte_what_the_service_gives() {
    let world = World::from(small(60).unusual_mail(true)).await;
    let known = world.first_run().await;
    for (id, item) in &known.items {
        let content = world
            .source
            .content(&world.mailbox, &item.item)
            .await
            .unwrap();
        assert_eq!(content.representation, Representation::Mime);
        let raw = world.sim.admin().raw(world.id(), &id.0).unwrap();
        assert!(
            collect(content).await.unwrap() == raw,
            "{}",
            item.item.subject
        );
    }
}

#[tokio::test]
async fn a_message_without_mime_is_rebuilt_with_its_attachments() {
    let world = World::from(small(80).profile(exchange_sim::MailProfile::Realistic)).await;
    let admin = world.sim.admin();
    let known = world.first_run().await;
    let (id, item) = known
        .items
        .iter()
        .find(|(id, _)| {
            let attachments = admin.attachments(world.id(), &id.0).unwrap();
            attachments
                .iter()
                .any(|one| one.bytes > 1_000 && one.is_inline)
        })
        .unwrap();
    admin.break_mime(world.id(), &id.0).unwrap();
    let content = world
        .source
        .content(&world.mailbox, &item.item)
        .await
        .unwrap();
    assert_eq!(content.representation, Representation::MimeRebuilt);
    assert_eq!(
        content.rebuilt_because.as_deref(),
        Some("ErrorMimeContentConversionFailed")
    );
    let mime = collect(content).await.unwrap();
    let placeholder =
        mailkeep_content::PlaceholderMime::build([mailkeep_content::Segment::Text(&mime)]);
    let parsed = mailkeep_content::parse_message(&placeholder);
    assert_eq!(
        parsed
            .attachments
            .iter()
            .filter(|one| one.is_inline)
            .count(),
        {
            let attachments = admin.attachments(world.id(), &id.0).unwrap();
            attachments.iter().filter(|one| one.is_inline).count()
        }
    );
    assert!(
        parsed
            .attachments
            .iter()
            .any(|one| one.content_id.is_some()),
        "the body refers to it"
    );
    let mut found: Vec<u64> = parsed
        .attachments
        .iter()
        .map(|one| {
            one.pieces
                .iter()
                .map(|piece| match piece {
                    mailkeep_content::Piece::Bytes(bytes) => bytes.len() as u64,
                    _ => 0,
                })
                .sum()
        })
        .collect();
    let mut expected: Vec<u64> = admin
        .attachments(world.id(), &id.0)
        .unwrap()
        .iter()
        .map(|one| one.bytes)
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_corrupt_item_is_reported_and_its_neighbours_are_there() {
    let world = World::start(40).await;
    let admin = world.sim.admin();
    let inbox = world.folder("inbox");
    for _ in 0..10 {
        admin.add_mail(world.id(), "inbox").unwrap();
    }
    let all: Vec<ItemId> = admin
        .items(world.id())
        .unwrap()
        .into_iter()
        .filter(|item| item.folder == inbox.0)
        .map(|item| ItemId(item.id))
        .collect();
    let bad = all[all.len() / 2].clone();
    admin.corrupt_item(world.id(), &bad.0).unwrap();
    let error = world.read(&inbox, None).await.unwrap_err();
    assert_eq!(
        error.class,
        FailureClass::SyncReset,
        "list the folder anew, by ids"
    );
    let (changes, end) = world.read(&inbox, None).await.unwrap();
    let found = present(&changes);
    for id in all.iter().filter(|id| **id != bad) {
        assert!(
            found
                .iter()
                .any(|item| item.item.id == *id && !item.item.subject.is_empty())
        );
    }
    let unreadable: Vec<&ItemChange> = changes
        .iter()
        .filter(|change| matches!(change, ItemChange::Unreadable(..)))
        .collect();
    let [ItemChange::Unreadable(id, failure)] = unreadable.as_slice() else {
        panic!("{unreadable:?}");
    };
    assert_eq!(*id, bad);
    assert_eq!(failure.code, "ErrorCorruptData");
    // Later rounds go on, also in a new process that only has the cursor.
    let new = ItemId(admin.add_mail(world.id(), "inbox").unwrap());
    let (changes, _) = world.read(&inbox, Some(end)).await.unwrap();
    assert_eq!(present(&changes)[0].item.id, new);
    let item = Item::new(bad, inbox);
    let Err(error) = world.source.content(&world.mailbox, &item).await else {
        panic!("a corrupt item has no content");
    };
    assert_eq!(error.class, FailureClass::ItemPermanent);
}

#[tokio::test]
async fn a_page_shrinks_around_a_passing_fault_and_grows_back() {
    let world = World::start(5).await;
    let admin = world.sim.admin();
    for _ in 0..30 {
        admin.add_mail(world.id(), "inbox").unwrap();
    }
    admin.inject(Fault::new(FaultKind::TruncateJson, 6).only("messages/delta"));
    let (changes, _) = world.read(&world.folder("inbox"), None).await.unwrap();
    assert!(present(&changes).len() >= 30);
}

#[tokio::test]
async fn a_broken_stream_is_an_error_never_a_short_message() {
    let world = World::from(small(40).profile(exchange_sim::MailProfile::Realistic)).await;
    let known = world.first_run().await;
    let items = known.items.values();
    let item = &items.max_by_key(|item| item.item.size_bytes).unwrap().item;
    assert!(item.size_bytes > 100_000);
    let cut = FaultKind::CutStream { after: 70_000 };
    world.sim.admin().inject(Fault::new(cut, 1).only("$value"));
    let outcome = match world.source.content(&world.mailbox, item).await {
        Ok(content) => collect(content).await,
        Err(error) => Err(error),
    };
    let raw = world.sim.admin().raw(world.id(), &item.id.0).unwrap();
    match outcome {
        // It broke before the first byte, so it was read again.
        Ok(mime) => assert!(mime == raw),
        Err(error) => assert_eq!(error.class, FailureClass::Connection),
    }
    let again = world.source.content(&world.mailbox, item).await.unwrap();
    assert!(collect(again).await.unwrap() == raw);
}

#[tokio::test]
async fn a_deleted_item_is_gone() {
    let world = World::start(5).await;
    let id = world.sim.admin().add_mail(world.id(), "inbox").unwrap();
    world.sim.admin().delete_mail(world.id(), &id).unwrap();
    let item = Item::new(ItemId(id), world.folder("inbox"));
    let Err(error) = world.source.content(&world.mailbox, &item).await else {
        panic!("a deleted item has no content");
    };
    assert_eq!(error.class, FailureClass::ItemGone);
}
