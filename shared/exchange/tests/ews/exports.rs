//! Exchange's own lossless form of items, out and in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mailkeep_exchange::ews::EwsTarget;
use mailkeep_exchange::{CreateOutcome, RestoreExport, RestoreItem, Source, SourceError, Target};
use mailkeep_model::{FailureClass, FolderId, Item, ItemId};

use super::server::{Request, Response, Server};
use super::target::{Held, new_item, nothing_found, restored};
use super::{ann, canned, read, rig};

fn item(id: &str, size_bytes: u64) -> Item {
    Item {
        size_bytes,
        ..Item::new(ItemId(id.into()), FolderId("f".into()))
    }
}

fn exported(id: &str, bytes: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    canned::success(&format!(
        "<me:ItemId Id=\"{id}\"/><me:Data>\r\n{text}\r\n</me:Data>"
    ))
}

fn with_version(mut response: Response) -> Response {
    response.body = response.body.replace(
        "<SOAP:Body>",
        "<SOAP:Header><ty:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"2\" \
         MajorBuildNumber=\"1748\" MinorBuildNumber=\"10\" Version=\"V2017_07_11\"/></SOAP:Header><SOAP:Body>",
    );
    response
}

#[tokio::test]
async fn small_items_are_exported_together_and_a_large_one_streams() {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    let kept = large.clone();
    let server = Server::start(move |request| {
        let messages: Vec<String> = request
            .item_ids()
            .iter()
            .map(|id| match id.as_str() {
                "bad" => canned::error("ErrorCorruptData"),
                "large" => exported(id, &kept),
                id => exported(id, format!("stream of {id}").as_bytes()),
            })
            .collect();
        with_version(canned::answer("ExportItems", &messages.concat()))
    });
    let rig = rig(server.await);
    let mut items: Vec<Item> = (0..100).map(|n| item(&format!("i{n}"), 1000)).collect();
    items.push(item("bad", 10));
    rig.source
        .expect_content(&ann(), &items.iter().collect::<Vec<_>>());
    for item in &items[..100] {
        let export = rig.source.export(&ann(), item).await.unwrap().unwrap();
        assert_eq!(export.server_version, "15.2.1748.10");
        let expected = format!("stream of {}", item.id.as_str());
        assert_eq!(read(export.bytes).await.unwrap(), expected.as_bytes());
    }
    assert_eq!(rig.server.requests().len(), 2);
    let refused = rig.source.export(&ann(), &items[100]).await.err().unwrap();
    assert_eq!(refused.class, FailureClass::ItemPermanent);
    let export = rig.source.export(&ann(), &item("large", 3_000_000)).await;
    let mut bytes = export.unwrap().unwrap().bytes;
    let mut found = vec![];
    while let Some(chunk) = futures::StreamExt::next(&mut bytes).await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 64 * 1024, "{} bytes at once", chunk.len());
        found.extend_from_slice(&chunk);
    }
    assert!(found == large);
}

fn with_export(bytes: &[u8]) -> RestoreItem {
    RestoreItem {
        export: Some(RestoreExport {
            server_version: "15.2".into(),
            content: Arc::new(Held(bytes.to_vec())),
        }),
        known: vec![ItemId("before".into())],
        ..restored("IPM.Appointment")
    }
}

async fn create(
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    item: &RestoreItem,
) -> (Result<CreateOutcome, SourceError>, Vec<Request>) {
    let rig = rig(Server::start(handler).await);
    let target = EwsTarget::with_client(rig.source.client().clone());
    let outcome = target
        .create_item(&ann(), &FolderId("f".into()), item)
        .await;
    (outcome, rig.server.requests())
}

fn uploaded(id: &str) -> Response {
    canned::answer(
        "UploadItems",
        &canned::success(&format!("<me:ItemId Id=\"{id}\" ChangeKey=\"k\"/>")),
    )
}

#[tokio::test]
async fn an_item_with_a_stream_is_uploaded_and_marked() {
    let (outcome, requests) = create(
        |request| match request.operation().as_str() {
            "UploadItems" => uploaded("new"),
            "UpdateItem" => canned::answer("UpdateItem", &new_item("new")),
            other => panic!("{other}"),
        },
        &with_export(b"the stream"),
    )
    .await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.id.as_str(), outcome.losses.len()), ("new", 0));
    assert!(requests[0].body.contains(
        "<m:UploadItems><m:Items><t:Item CreateAction=\"CreateNew\"><t:ParentFolderId Id=\"f\"/>\
         <t:Data>dGhlIHN0cmVhbQ==</t:Data></t:Item></m:Items></m:UploadItems>"
    ));
    let update = &requests[1].body;
    assert!(update.contains("done:mark") && update.contains("OrCancellations=\"SendToNone\""));
}

#[tokio::test]
async fn a_refused_stream_is_told_and_the_item_made_from_its_message() {
    let (outcome, requests) = create(
        |request| match request.operation().as_str() {
            "UploadItems" => canned::answer("UploadItems", &canned::error("ErrorCorruptData")),
            "CreateItem" => canned::answer("CreateItem", &new_item("new")),
            "UpdateItem" | "CreateAttachment" => {
                canned::answer(&request.operation(), &new_item("new"))
            }
            other => panic!("{other}"),
        },
        &with_export(b"x"),
    )
    .await;
    let outcome = outcome.unwrap();
    assert!(
        outcome
            .losses
            .iter()
            .any(|loss| loss.contains("ErrorCorruptData"))
    );
    let operations: Vec<String> = requests.iter().map(Request::operation).collect();
    assert_eq!(operations[..2], ["UploadItems", "CreateItem"]);
}

#[tokio::test]
async fn a_lost_answer_to_an_upload_makes_no_second_item() {
    let uploads = Arc::new(AtomicUsize::new(0));
    let count = uploads.clone();
    let held = |id: &str, message_id: &str| {
        format!(
            "<ty:Message><ty:ItemId Id=\"{id}\"/>\
             <ty:InternetMessageId>{message_id}</ty:InternetMessageId></ty:Message>"
        )
    };
    let (outcome, _) = create(
        move |request| match request.operation().as_str() {
            "UploadItems" => {
                count.fetch_add(1, Ordering::Relaxed);
                let mut lost = uploaded("new");
                lost.cut_at = Some(10);
                lost
            }
            // What was there before, something else, and the one that was made.
            "FindItem" => {
                let items = [
                    held("before", "&lt;1@x&gt;"),
                    held("other", "&lt;2@x&gt;"),
                    held("new", "&lt;1@x&gt;"),
                ];
                canned::answer(
                    "FindItem",
                    &canned::success(&format!(
                        "<me:RootFolder IncludesLastItemInRange=\"true\"><ty:Items>{}</ty:Items></me:RootFolder>",
                        items.concat()
                    )),
                )
            }
            "UpdateItem" => canned::answer("UpdateItem", &new_item("new")),
            other => panic!("{other}"),
        },
        &with_export(b"x"),
    )
    .await;
    assert_eq!(outcome.unwrap().id.as_str(), "new");
    assert_eq!(uploads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_upload_that_did_not_arrive_is_sent_again_and_one_that_cannot_be_marked_is_removed() {
    let log = Arc::new(Mutex::new(vec![]));
    let seen = log.clone();
    let (outcome, _) = create(
        move |request| {
            let operation = request.operation();
            let mut seen = seen.lock().unwrap();
            seen.push(operation.clone());
            let uploads = seen.iter().filter(|one| *one == "UploadItems").count();
            match operation.as_str() {
                "UploadItems" if uploads == 1 => canned::fault("ErrorTimeoutExpired", None),
                "UploadItems" => uploaded("new"),
                "FindItem" => nothing_found(),
                "UpdateItem" => canned::answer("UpdateItem", &canned::error("ErrorItemSave")),
                "DeleteItem" => canned::answer("DeleteItem", &canned::success("")),
                other => panic!("{other}"),
            }
        },
        &with_export(b"x"),
    )
    .await;
    assert_eq!(outcome.unwrap_err().code, "ErrorItemSave");
    let log = log.lock().unwrap();
    assert_eq!(
        *log,
        [
            "UploadItems",
            "FindItem",
            "UploadItems",
            "UpdateItem",
            "DeleteItem"
        ]
    );
}
