//! Restoring into a mailbox.

use std::sync::Arc;

use bytes::Bytes;
use exchange_sim::{Fault, FaultKind, RetryAfter};
use futures::stream;
use mailkeep_exchange::graph::GraphTarget;
use mailkeep_exchange::{
    AttachmentContent, ByteStream, RestoreAttachment, RestoreItem, Source, SourceItem, Target,
};
use mailkeep_model::{
    Address, FailureClass, FlagStatus, FolderId, Importance, Item, ItemId, Sensitivity,
};

use crate::setup::World;

/// Bytes that are made when they are read.
struct Made(u64);

impl Made {
    fn byte(at: u64) -> u8 {
        (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
    }

    fn hash(&self) -> String {
        let all: Vec<u8> = (0..self.0).map(Self::byte).collect();
        blake3::hash(&all).to_hex().to_string()
    }
}

impl AttachmentContent for Made {
    fn size_bytes(&self) -> u64 {
        self.0
    }

    fn open(&self, offset: u64) -> ByteStream {
        let end = self.0;
        let chunks = (offset..end).step_by(50_000).map(move |start| {
            Ok(Bytes::from_iter(
                (start..end.min(start + 50_000)).map(Self::byte),
            ))
        });
        Box::pin(stream::iter(chunks))
    }
}

fn attachment(name: &str, bytes: u64) -> RestoreAttachment {
    RestoreAttachment {
        name: name.into(),
        content_type: "application/octet-stream".into(),
        content_id: None,
        is_inline: false,
        content: Arc::new(Made(bytes)),
    }
}

fn person(name: &str) -> Address {
    Address {
        name: name.into(),
        address: format!("{}@x.example", name.to_lowercase()),
    }
}

fn mail(marker: &str, attachments: Vec<RestoreAttachment>) -> RestoreItem {
    let mut item = Item::new(ItemId("old".into()), FolderId("old".into()));
    item.subject = "Größe & 'quotes' 日本".into();
    item.from = person("Ann");
    item.to = vec![person("Bob"), person("Cid")];
    item.cc = vec![person("Dan")];
    item.bcc = vec![person("Eve")];
    item.sent_at = Some("2020-02-03T04:05:00Z".parse().unwrap());
    item.received_at = Some("2020-02-03T04:05:06Z".parse().unwrap());
    item.internet_message_id = format!("<{marker}@x.example>");
    item.is_read = true;
    item.flag.status = FlagStatus::Flagged;
    item.flag.due_at = Some("2027-01-01T00:00:00Z".parse().unwrap());
    item.categories = vec!["Red".into(), "Größe".into()];
    item.importance = Importance::High;
    item.sensitivity = Sensitivity::Private;
    RestoreItem {
        item,
        reply_to: vec![
            person("Reply"),
            Address {
                name: "Nobody".into(),
                address: "no".into(),
            },
        ],
        body: "<p>Hello</p>".into(),
        body_is_html: true,
        headers: vec![
            ("Received".into(), "from a".into()),
            ("X-Mailer".into(), "Test".into()),
        ],
        properties_json: br#"{"conversationIndex":"AQIDBA==","extended":{"Integer 0x1081":"102"}}"#
            .to_vec(),
        attachments,
        mime: None,
        export: None,
        known: vec![],
        marker: marker.into(),
    }
}

struct Restore {
    world: World,
    target: GraphTarget,
    folder: FolderId,
}

impl Restore {
    async fn start() -> Self {
        let world = World::start(10).await;
        let target = GraphTarget::with_client(world.source.client().clone());
        let folder = target
            .create_folder(&world.mailbox, None, "Restored", "IPF.Note")
            .await
            .unwrap();
        Self {
            world,
            target,
            folder: folder.id,
        }
    }

    async fn create(&self, item: &RestoreItem) -> Result<(ItemId, Vec<String>), FailureClass> {
        let created = self
            .target
            .create_item(&self.world.mailbox, &self.folder, item)
            .await;
        created
            .map(|outcome| (outcome.id, outcome.losses))
            .map_err(|error| error.class)
    }

    async fn read(&self, id: &ItemId) -> SourceItem {
        let found = self
            .world
            .source
            .locate(&self.world.mailbox, std::slice::from_ref(id))
            .await;
        *found.unwrap().remove(0).1.unwrap().unwrap()
    }

    /// Names and hashes of an item's attachments.
    fn attachments(&self, id: &ItemId) -> Vec<(String, String)> {
        let all = self
            .world
            .sim
            .admin()
            .attachments(self.world.id(), &id.0)
            .unwrap();
        all.into_iter().map(|one| (one.name, one.blake3)).collect()
    }

    async fn existing(&self) -> Vec<mailkeep_exchange::ExistingItem> {
        self.target
            .existing_items(&self.world.mailbox, &self.folder)
            .await
            .unwrap()
    }

    fn assert_nothing_sent(&self) {
        assert!(
            self.world.sim.admin().sent().is_empty(),
            "a restore must not send mail"
        );
    }
}

#[tokio::test]
async fn mail_comes_back_as_it_was() {
    let restore = Restore::start().await;
    let item = mail(
        "m1",
        vec![attachment("a.bin", 1_000), attachment("b.bin", 0)],
    );
    restore.world.sim.admin().reset_counters();
    let (id, losses) = restore.create(&item).await.unwrap();
    assert_eq!(
        restore.world.sim.admin().http_requests(),
        1,
        "small mail is one call"
    );
    assert!(losses.is_empty(), "{losses:?}");
    let found = restore.read(&id).await;
    let (new, old) = (&found.item, &item.item);
    assert!(!new.is_draft);
    assert_eq!(new.folder, restore.folder);
    assert_eq!(new.subject, old.subject);
    assert_eq!(
        (&new.from, &new.to, &new.cc, &new.bcc),
        (&old.from, &old.to, &old.cc, &old.bcc)
    );
    assert_eq!(
        (new.sent_at, new.received_at),
        (old.sent_at, old.received_at)
    );
    assert_eq!(new.internet_message_id, old.internet_message_id);
    assert!(new.is_read);
    assert_eq!(new.flag.status, FlagStatus::Flagged);
    assert_eq!(new.categories, old.categories);
    assert_eq!(new.importance, old.importance);
    assert_eq!(new.sensitivity, old.sensitivity);
    let kept = String::from_utf8(found.properties_json).unwrap();
    assert!(kept.contains("\"Integer 0x1081\":\"102\""), "{kept}");
    assert!(
        kept.contains("reply@x.example") && !kept.contains("Nobody"),
        "{kept}"
    );
    assert_eq!(
        restore.attachments(&id),
        [
            ("a.bin".into(), Made(1_000).hash()),
            ("b.bin".into(), Made(0).hash())
        ]
    );
    restore.assert_nothing_sent();
}

#[tokio::test]
async fn attachments_of_every_size_arrive_whole() {
    let restore = Restore::start().await;
    let sizes = [
        10, 2_900_000, 3_000_000, 3_145_500, 3_145_728, 3_932_160, 9_000_001,
    ];
    let attachments = sizes
        .iter()
        .map(|size| attachment(&format!("{size}.bin"), *size))
        .collect();
    let (id, losses) = restore.create(&mail("m1", attachments)).await.unwrap();
    assert!(losses.is_empty(), "{losses:?}");
    let expected: Vec<_> = sizes
        .iter()
        .map(|size| (format!("{size}.bin"), Made(*size).hash()))
        .collect();
    assert_eq!(restore.attachments(&id), expected);
    let existing = restore.existing().await;
    assert_eq!(existing.len(), 1);
    assert!(existing[0].is_finished);
    assert_eq!(existing[0].marker.as_deref(), Some("m1"));
    assert!(!restore.read(&id).await.item.is_draft);
    restore.assert_nothing_sent();
}

#[tokio::test]
async fn an_upload_goes_on_after_faults() {
    for (kind, times) in [
        (FaultKind::LostAnswer, 1),
        (FaultKind::EmptyError { status: 503 }, 3),
        (
            FaultKind::Throttle {
                retry_after: RetryAfter::Seconds(5),
            },
            2,
        ),
    ] {
        for after in [0, 1, 2] {
            let restore = Restore::start().await;
            let fault = Fault::new(kind.clone(), times)
                .only("PUT /upload")
                .after(after);
            restore.world.sim.admin().inject(fault);
            let item = mail("m1", vec![attachment("big.bin", 9_000_000)]);
            let (id, _) = restore.create(&item).await.unwrap();
            assert_eq!(
                restore.attachments(&id),
                [("big.bin".into(), Made(9_000_000).hash())],
                "{kind:?} after {after}"
            );
            assert_eq!(restore.existing().await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_item() {
    let restore = Restore::start().await;
    let admin = restore.world.sim.admin();
    admin.inject(
        Fault::new(FaultKind::LostAnswer, 1).only("POST /users/{id}/mailFolders/{id}/messages"),
    );
    restore.create(&mail("m1", vec![])).await.unwrap();
    admin.inject(
        Fault::new(FaultKind::LostAnswer, 1).only("POST /users/{id}/messages/{id}/attachments"),
    );
    let two = vec![
        attachment("1.bin", 2_900_000),
        attachment("2.bin", 2_900_000),
    ];
    let (id, _) = restore.create(&mail("m2", two)).await.unwrap();
    assert_eq!(restore.existing().await.len(), 2);
    assert_eq!(restore.attachments(&id).len(), 2);
}

#[tokio::test]
async fn a_failed_restore_leaves_nothing_behind() {
    let restore = Restore::start().await;
    let error = FaultKind::Error {
        status: 507,
        code: "ErrorQuotaExceeded".into(),
    };
    restore
        .world
        .sim
        .admin()
        .inject(Fault::new(error, 1_000).only("PUT /upload"));
    let item = mail("m1", vec![attachment("big.bin", 9_000_000)]);
    assert_eq!(
        restore.create(&item).await.unwrap_err(),
        FailureClass::TargetFull
    );
    assert!(restore.existing().await.is_empty());
}

#[tokio::test]
async fn an_unfinished_item_is_known_as_such() {
    let restore = Restore::start().await;
    let fail = |status| FaultKind::Error {
        status,
        code: "ErrorQuotaExceeded".into(),
    };
    let admin = restore.world.sim.admin();
    admin.inject(Fault::new(fail(507), 1_000).only("PUT /upload"));
    admin.inject(Fault::new(fail(403), 1_000).only("DELETE"));
    let item = mail("m1", vec![attachment("big.bin", 9_000_000)]);
    restore.create(&item).await.unwrap_err();
    let existing = restore.existing().await;
    assert_eq!(existing[0].marker.as_deref(), Some("m1"));
    assert!(!existing[0].is_finished);
}

#[tokio::test]
async fn drafts_odd_recipients_and_long_bodies() {
    let restore = Restore::start().await;
    let mut draft = mail("draft", vec![]);
    draft.item.is_draft = true;
    let (id, _) = restore.create(&draft).await.unwrap();
    assert!(restore.read(&id).await.item.is_draft);
    let mut odd = mail("odd", vec![]);
    odd.item.to.push(Address {
        name: "Fax".into(),
        address: "not an address".into(),
    });
    odd.item.to.push(Address {
        name: "List".into(),
        address: String::new(),
    });
    let (id, losses) = restore.create(&odd).await.unwrap();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(restore.read(&id).await.item.to, mail("", vec![]).item.to);
    let mut long = mail("long", vec![attachment("a.bin", 10)]);
    long.body = "x".repeat(3_600_000);
    let (id, losses) = restore.create(&long).await.unwrap();
    assert_eq!(losses.len(), 1, "{losses:?}");
    let names: Vec<String> = restore
        .attachments(&id)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["body.html", "a.bin"]);
    restore.assert_nothing_sent();
}

#[tokio::test]
async fn folders_are_made_once() {
    let restore = Restore::start().await;
    let mailbox = &restore.world.mailbox;
    let admin = restore.world.sim.admin();
    for name in ["Bob's / \"odd\" 100%", "日本"] {
        let first = restore
            .target
            .create_folder(mailbox, Some(&restore.folder), name, "")
            .await
            .unwrap();
        let again = restore
            .target
            .create_folder(mailbox, Some(&restore.folder), name, "")
            .await
            .unwrap();
        assert_eq!(first.id, again.id);
        assert_eq!(again.name, name);
        assert_eq!(again.parent.as_ref(), Some(&restore.folder));
    }
    admin.inject(Fault::new(FaultKind::LostAnswer, 1).only("POST /users/{id}/mailFolders"));
    let lost = restore
        .target
        .create_folder(mailbox, None, "Lost", "IPF.Note")
        .await
        .unwrap();
    let all = restore.target.folders(mailbox).await.unwrap();
    let named: Vec<_> = all.iter().filter(|folder| folder.name == "Lost").collect();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].id, lost.id);
}

#[tokio::test]
async fn deleting_moves_to_deleted_items() {
    let restore = Restore::start().await;
    let (id, _) = restore.create(&mail("m1", vec![])).await.unwrap();
    restore
        .target
        .delete_item(&restore.world.mailbox, &id)
        .await
        .unwrap();
    assert!(restore.existing().await.is_empty());
    assert_eq!(
        restore.read(&id).await.item.folder,
        restore.world.folder("deleteditems")
    );
}

#[tokio::test]
async fn existing_items_are_paged() {
    let restore = Restore::start().await;
    for _ in 0..520 {
        restore
            .world
            .sim
            .admin()
            .add_mail(restore.world.id(), &restore.folder.0)
            .unwrap();
    }
    restore.create(&mail("m1", vec![])).await.unwrap();
    let all = restore.existing().await;
    assert_eq!(all.len(), 521);
    assert_eq!(all.iter().filter(|one| one.marker.is_some()).count(), 1);
    assert!(
        all.iter()
            .all(|one| one.is_finished && one.received_at.is_some())
    );
}
