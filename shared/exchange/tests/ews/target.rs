//! Restoring.

use std::sync::{Arc, Mutex};

use base64_simd::STANDARD;
use bytes::Bytes;
use mailkeep_exchange::ews::EwsTarget;
use mailkeep_exchange::{
    AttachmentContent, ByteStream, RestoreAttachment, RestoreItem, SourceError, Target,
};
use mailkeep_model::{Address, FailureClass, FolderId, Item, ItemId, ItemKind};

use super::server::{Request, Response, Server};
use super::{ann, canned, rig};

pub(crate) struct Held(pub(crate) Vec<u8>);

impl AttachmentContent for Held {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self, offset: u64) -> ByteStream {
        let bytes = self.0[usize::try_from(offset).unwrap()..].to_vec();
        let chunks: Vec<Result<Bytes, SourceError>> = bytes
            .chunks(1000)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        Box::pin(futures::stream::iter(chunks))
    }
}

fn attachment(name: &str, kind: &str, bytes: Vec<u8>) -> RestoreAttachment {
    RestoreAttachment {
        name: name.into(),
        content_type: kind.into(),
        content_id: None,
        is_inline: false,
        content: Arc::new(Held(bytes)),
    }
}

pub(crate) fn restored(class: &str) -> RestoreItem {
    RestoreItem {
        item: Item {
            class: class.into(),
            kind: ItemKind::from_class(class),
            subject: "Grüße".into(),
            from: Address {
                name: "A".into(),
                address: "a@x".into(),
            },
            internet_message_id: "<1@x>".into(),
            is_read: true,
            ..Item::new(ItemId("old".into()), FolderId("old".into()))
        },
        reply_to: vec![],
        body: "Hello".into(),
        body_is_html: false,
        headers: vec![("X-Kept".into(), "yes".into())],
        properties_json: vec![],
        attachments: vec![attachment(
            "a.bin",
            "application/octet-stream",
            vec![7; 5000],
        )],
        mime: None,
        export: None,
        known: vec![],
        marker: "mark".into(),
    }
}

pub(crate) fn new_item(id: &str) -> String {
    canned::success(&format!(
        "<me:Items><ty:Message><ty:ItemId Id=\"{id}\"/></ty:Message></me:Items>"
    ))
}

pub(crate) fn nothing_found() -> Response {
    canned::answer(
        "FindItem",
        &canned::success("<me:RootFolder IncludesLastItemInRange=\"true\"/>"),
    )
}

async fn create(
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    item: &RestoreItem,
) -> (
    Result<mailkeep_exchange::CreateOutcome, SourceError>,
    Vec<Request>,
) {
    let rig = rig(Server::start(handler).await);
    let target = EwsTarget::with_client(rig.source.client().clone());
    let outcome = target
        .create_item(&ann(), &FolderId("f".into()), item)
        .await;
    (outcome, rig.server.requests())
}

fn mime_of(request: &Request) -> String {
    let text = request
        .body
        .split_once("CharacterSet=\"UTF-8\">")
        .unwrap()
        .1;
    let text = text.split_once('<').unwrap().0;
    String::from_utf8(STANDARD.decode_to_vec(text).unwrap()).unwrap()
}

#[tokio::test]
async fn mail_goes_in_one_call_and_is_not_sent() {
    let item = restored("IPM.Note");
    let (outcome, requests) =
        create(|_| canned::answer("CreateItem", &new_item("new")), &item).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.id.as_str(), outcome.losses.len()), ("new", 0));
    assert_eq!(requests.len(), 1);
    let body = &requests[0].body;
    assert!(body.contains("MessageDisposition=\"SaveOnly\" SendMeetingInvitations=\"SendToNone\""));
    assert!(body.contains("<t:Value>done:mark</t:Value>"));
    let mime = mime_of(&requests[0]);
    for part in ["X-Kept: yes", "Message-ID: <1@x>", "Hello", "a.bin"] {
        assert!(mime.contains(part), "{part}");
    }
    let encoded = STANDARD.encode_to_string(vec![7; 5000]);
    assert!(mime.replace("\r\n", "").contains(&encoded));
}

#[tokio::test]
async fn a_message_that_was_kept_whole_goes_in_byte_for_byte() {
    let bytes = b"From: a@x\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nsigned\r\n--b--\r\n";
    let mut item = RestoreItem {
        mime: Some(Arc::new(Held(bytes.to_vec()))),
        ..restored("IPM.Note")
    };
    item.item.bcc = vec![Address {
        name: "B".into(),
        address: "b@x".into(),
    }];
    let (outcome, requests) =
        create(|_| canned::answer("CreateItem", &new_item("new")), &item).await;
    assert!(outcome.unwrap().losses.is_empty());
    assert_eq!(requests.len(), 1);
    assert_eq!(mime_of(&requests[0]).as_bytes(), bytes);
    let body = &requests[0].body;
    assert!(body.contains(
        "<t:BccRecipients><t:Mailbox><t:Name>B</t:Name><t:EmailAddress>b@x</t:EmailAddress></t:Mailbox>\
         </t:BccRecipients><t:IsRead>true"
    ));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_item() {
    let created = Mutex::new(0);
    let handler = move |request: &Request| match request.operation().as_str() {
        "CreateItem" => {
            *created.lock().unwrap() += 1;
            let mut answer = canned::answer("CreateItem", &new_item("new"));
            answer.cut_at = Some(20);
            answer
        }
        "FindItem" => {
            assert!(request.body.contains("<t:Constant Value=\"done:mark\"/>"));
            canned::answer(
                "FindItem",
                &canned::success(&format!(
                    "<me:RootFolder>{}</me:RootFolder>",
                    "<ty:Items><ty:Message><ty:ItemId Id=\"new\"/></ty:Message></ty:Items>"
                )),
            )
        }
        other => panic!("{other}"),
    };
    let (outcome, requests) = create(handler, &restored("IPM.Note")).await;
    assert_eq!(outcome.unwrap().id.as_str(), "new");
    let creations = requests
        .iter()
        .filter(|one| one.operation() == "CreateItem");
    assert_eq!(creations.count(), 1);
}

#[tokio::test]
async fn a_refused_class_is_given_up_and_told() {
    let handler = |request: &Request| match request.body.contains("t:ItemClass") {
        true => canned::answer("CreateItem", &canned::error("ErrorItemSavePropertyError")),
        false => canned::answer("CreateItem", &new_item("new")),
    };
    let (outcome, _) = create(handler, &restored("IPM.Schedule.Meeting.Request")).await;
    let losses = outcome.unwrap().losses;
    assert!(
        losses
            .iter()
            .any(|loss| loss.contains("IPM.Schedule.Meeting.Request")),
        "{losses:?}"
    );
}

#[tokio::test]
async fn an_event_goes_in_as_icalendar_with_its_files_behind() {
    let mut item = restored("IPM.Appointment");
    let calendar = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_vec();
    item.attachments
        .insert(0, attachment("event.ics", "text/calendar", calendar));
    let handler = |request: &Request| match request.operation().as_str() {
        "CreateItem" => {
            assert!(
                request
                    .body
                    .contains("<m:Items><t:CalendarItem><t:MimeContent")
            );
            assert!(mime_of(request).starts_with("BEGIN:VCALENDAR"));
            assert!(request.body.contains("pending:mark"));
            canned::answer("CreateItem", &new_item("new"))
        }
        "CreateAttachment" => canned::answer("CreateAttachment", &canned::success("")),
        "UpdateItem" => {
            assert!(
                request
                    .body
                    .contains("SendMeetingInvitationsOrCancellations=\"SendToNone\"")
            );
            assert!(request.body.contains("<t:Value>done:mark</t:Value>"));
            canned::answer("UpdateItem", &new_item("new"))
        }
        other => panic!("{other}"),
    };
    let (outcome, requests) = create(handler, &item).await;
    outcome.unwrap();
    let text = requests
        .iter()
        .find(|one| one.operation() == "CreateAttachment")
        .unwrap();
    assert_eq!(
        text.text("t:Content"),
        Some(STANDARD.encode_to_string(vec![7; 5000]).as_str())
    );
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn an_unfinished_item_is_removed() {
    let handler = |request: &Request| match request.operation().as_str() {
        "CreateItem" => canned::answer("CreateItem", &new_item("new")),
        "CreateAttachment" => {
            canned::answer("CreateAttachment", &canned::error("ErrorQuotaExceeded"))
        }
        "DeleteItem" => canned::answer("DeleteItem", &canned::success("")),
        other => panic!("{other}"),
    };
    let (outcome, requests) = create(handler, &restored("IPM.Contact")).await;
    assert_eq!(outcome.unwrap_err().class, FailureClass::TargetFull);
    let last = requests.last().unwrap();
    assert_eq!(
        (last.operation(), last.item_ids()),
        ("DeleteItem".into(), vec!["new".into()])
    );
}

#[tokio::test]
async fn an_attachment_that_breaks_off_creates_nothing() {
    struct Broken;
    impl AttachmentContent for Broken {
        fn size_bytes(&self) -> u64 {
            5000
        }
        fn open(&self, _: u64) -> ByteStream {
            let error = SourceError::new(FailureClass::Vault, "read", "missing_pack", "gone");
            Box::pin(futures::stream::iter([
                Ok(Bytes::from_static(b"abc")),
                Err(error),
            ]))
        }
    }
    let mut item = restored("IPM.Note");
    item.attachments[0].content = Arc::new(Broken);
    let (outcome, requests) = create(|_| nothing_found(), &item).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (FailureClass::Vault, "missing_pack")
    );
    assert!(requests.is_empty(), "the request never came to its end");
}

#[tokio::test]
async fn folders_by_class_and_existing_ones() {
    let server = Server::start(|request| match request.operation().as_str() {
        "CreateFolder" if request.body.contains(">Old<") => {
            canned::answer("CreateFolder", &canned::error("ErrorFolderExists"))
        }
        "CreateFolder" => {
            assert!(
                request
                    .body
                    .contains("<t:CalendarFolder><t:DisplayName>New</t:DisplayName>")
            );
            assert!(
                request
                    .body
                    .contains("<m:ParentFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/>")
            );
            canned::answer(
                "CreateFolder",
                &canned::success(
                    "<me:Folders><ty:CalendarFolder><ty:FolderId Id=\"n\"/></ty:CalendarFolder></me:Folders>",
                ),
            )
        }
        "FindFolder" => canned::folders(&canned::folder("o", "p", "Old", 3)),
        other => panic!("{other}"),
    });
    let rig = rig(server.await);
    let target = EwsTarget::with_client(rig.source.client().clone());
    let new = target
        .create_folder(&ann(), None, "New", "IPF.Appointment")
        .await
        .unwrap();
    assert_eq!(new.id.as_str(), "n");
    let parent = FolderId("p".into());
    let old = target
        .create_folder(&ann(), Some(&parent), "Old", "IPF.Note")
        .await
        .unwrap();
    assert_eq!(old.id.as_str(), "o");
}

#[tokio::test]
async fn existing_items_with_their_marks() {
    let server = Server::start(|request| {
        let (offset, is_last) = match request.body.contains("Offset=\"0\"") {
            true => (1, false),
            false => (2, true),
        };
        canned::answer(
            "FindItem",
            &canned::success(&format!(
                "<me:RootFolder IndexedPagingOffset=\"{offset}\" IncludesLastItemInRange=\"{is_last}\"><ty:Items>\
                 <ty:Message><ty:ItemId Id=\"i{offset}\"/><ty:Subject>s</ty:Subject><ty:ExtendedProperty>\
                 <ty:ExtendedFieldURI PropertySetId=\"6F1C2A36-2F0F-4F6B-9D43-7A8F5BE0C1D2\" \
                 PropertyName=\"MailkeepRestore\" PropertyType=\"String\"/><ty:Value>pending:m</ty:Value>\
                 </ty:ExtendedProperty><ty:InternetMessageId>&lt;1@x&gt;</ty:InternetMessageId></ty:Message>\
                 </ty:Items></me:RootFolder>"
            )),
        )
    });
    let rig = rig(server.await);
    let target = EwsTarget::with_client(rig.source.client().clone());
    let found = target
        .existing_items(&ann(), &FolderId("f".into()))
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].id.as_str(), "i2");
    assert_eq!(found[0].marker.as_deref(), Some("m"));
    assert!(!found[0].is_finished);
    assert_eq!(found[0].internet_message_id, "<1@x>");
}

#[tokio::test]
async fn deleting_moves_and_calls_nothing_off() {
    let server =
        Server::start(|request| {
            assert!(request.body.contains(
                "DeleteType=\"MoveToDeletedItems\" SendMeetingCancellations=\"SendToNone\""
            ));
            canned::answer("DeleteItem", &canned::error("ErrorItemNotFound"))
        });
    let rig = rig(server.await);
    let target = EwsTarget::with_client(rig.source.client().clone());
    target
        .delete_item(&ann(), &ItemId("x".into()))
        .await
        .unwrap();
}

/// What a contact, a list, a task and a mail keep beside their content, as the source stores it.
fn kept(class: &str) -> (RestoreItem, &'static str) {
    let mut item = restored(class);
    item.attachments.clear();
    let (own, last) = match item.item.kind {
        ItemKind::Contact => (
            r##"["Contact",{"children":[["ReminderIsSet","false"],["FileAs","Doe, J"],["GivenName","J"],
            ["CompleteName",{"children":[["FullName","J Doe"]]}],["EmailAddresses",{"children":[["Entry",
            {"@Key":"EmailAddress1","@RoutingType":"SMTP","#":"j@x"}]]}],["Surname","Doe"]]}]"##,
            "<t:Surname>Doe</t:Surname></t:Contact>",
        ),
        ItemKind::DistributionList => (
            r#"["DistributionList",{"children":[["DisplayName","L"],["Members",{"children":[["Member",{"@Key":
            "AQ==","children":[["Mailbox",{"children":[["Name","J"],["EmailAddress","j@x"],["RoutingType","SMTP"],
            ["MailboxType","OneOff"],["ItemId",{"@Id":"x"}]]}],["Status","Normal"]]}]]}]]}]"#,
            "</t:Mailbox></t:Member></t:Members></t:DistributionList>",
        ),
        ItemKind::Task => (
            r#"["Task",{"children":[["ChangeCount","3"],["DueDate","2026-01-02T00:00:00Z"],["PercentComplete","50"],
            ["Recurrence",{"children":[["DailyRecurrence",{"children":[["Interval","1"]]}],["NoEndRecurrence",
            {"children":[["StartDate","2026-01-01"]]}]]}],["Status","InProgress"]]}]"#,
            "<t:Status>InProgress</t:Status></t:Task>",
        ),
        _ => ("null", "<t:IsRead>true</t:IsRead></t:Message>"),
    };
    let json = format!(
        r#"{{"ews":{own},"conversationIndex":"AQ==","extended":{{"Integer 0x1081":"102",
        "String {{00062008-0000-0000-c000-000000000046}} Id 0x8530":"call"}}}}"#
    );
    item.properties_json = json.into_bytes();
    item.item.categories = vec!["Blue".into()];
    item.item.importance = mailkeep_model::Importance::High;
    item.item.sensitivity = mailkeep_model::Sensitivity::Private;
    item.item.received_at = "2026-01-02T03:04:05Z".parse().ok();
    item.item.flag.status = mailkeep_model::FlagStatus::Flagged;
    (item, last)
}

#[tokio::test]
async fn every_kind_is_created_with_its_properties() {
    for class in ["IPM.Contact", "IPM.DistList", "IPM.Task", "IPM.Note"] {
        let (item, last) = kept(class);
        let (outcome, requests) =
            create(|_| canned::answer("CreateItem", &new_item("new")), &item).await;
        assert!(outcome.unwrap().losses.is_empty(), "{class}");
        let body = &requests[0].body;
        assert!(
            body.contains(&format!("{last}</m:Items>")),
            "{class}: {body}"
        );
        for part in [
            "<t:String>Blue<",
            "PropertyId=\"34096\"",
            "<t:FlagStatus>Flagged<",
        ] {
            assert!(body.contains(part), "{class}: {part}");
        }
        for part in ["CompleteName", "ChangeCount", "Normal", "ItemId"] {
            assert!(!body.contains(&format!("<t:{part}")) && !body.contains(&format!(">{part}<")));
        }
    }
}
