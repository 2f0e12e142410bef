//! Following and reading mailboxes.

use std::collections::HashSet;
use std::sync::Mutex;

use mailkeep_exchange::{Cursor, FolderCursor, ItemChange, Source, SyncRequest};
use mailkeep_model::{FailureClass, FolderId, Item, ItemId, ItemKind, Representation};

use super::server::{Request, Response, Server};
use super::{ann, canned, read, rig};

fn cursor(folder: &str, cursor: Option<&str>) -> FolderCursor {
    FolderCursor {
        folder: FolderId(folder.into()),
        cursor: cursor.map(|text| Cursor(text.into())),
    }
}

/// One folder of a thousand mails, newest last.
fn thousand(request: &Request) -> Response {
    match request.operation().as_str() {
        "FindFolder" => canned::folders(&canned::folder("f0", "root", "Inbox", 1000)),
        "GetFolder" => canned::well_known(request),
        "SyncFolderItems" => {
            let start: usize = request
                .text("m:SyncState")
                .map_or(0, |s| s.parse().unwrap());
            let end = (start + 512).min(1000);
            let changes: Vec<String> = (start..end)
                .map(|n| canned::created("Message", &format!("i{n}")))
                .collect();
            canned::page(&end.to_string(), end == 1000, &changes.concat())
        }
        "GetItem" => {
            let is_mime = request.body.contains("IncludeMimeContent");
            let messages: Vec<String> = request
                .item_ids()
                .iter()
                .map(|id| match is_mime {
                    true => canned::mime(id, format!("Subject: {id}\r\n\r\n{id}").as_bytes()),
                    false => canned::mail(id, 3000),
                })
                .collect();
            canned::answer("GetItem", &messages.concat())
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_thousand_small_mails_take_few_calls() {
    let rig = rig(Server::start(thousand).await);
    let tree = rig
        .source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap()
        .tree
        .unwrap();
    assert_eq!(tree.folders.len(), 2);
    let (mut at, mut seen) = (cursor("f0", None), HashSet::new());
    loop {
        let page = rig.source.changes(&ann(), &at).await.unwrap();
        let items: Vec<Item> = page
            .changes
            .into_iter()
            .map(|change| match change {
                ItemChange::Present(item) => item.item,
                other => panic!("{other:?}"),
            })
            .collect();
        rig.source
            .expect_content(&ann(), &items.iter().collect::<Vec<_>>());
        let mail = ann();
        let reads = items.iter().map(|item| async {
            let content = rig.source.content(&mail, item).await.unwrap();
            assert_eq!(content.representation, Representation::Mime);
            let id = item.id.as_str();
            let expected = format!("Subject: {id}\r\n\r\n{id}");
            assert_eq!(read(content.mime).await.unwrap(), expected.as_bytes());
        });
        futures::StreamExt::collect::<()>(futures::StreamExt::buffered(
            futures::stream::iter(reads.collect::<Vec<_>>()),
            4,
        ))
        .await;
        seen.extend(items.into_iter().map(|item| item.id));
        at.cursor = page.cursor;
        if page.is_last {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    let calls = rig.server.requests().len();
    assert!(calls <= 60, "{calls} calls");
    assert_eq!(rig.source.metrics(Some(&ann())).requests, calls as u64);
}

#[tokio::test]
async fn an_unchanged_mailbox_of_sixty_folders() {
    let server = Server::start(|request| match request.operation().as_str() {
        "FindFolder" => {
            let folders: Vec<String> = (0..60)
                .map(|n| canned::folder(&format!("f{n}"), "root", &format!("F{n}"), 5))
                .collect();
            canned::folders(&folders.concat())
        }
        "GetFolder" => canned::well_known(request),
        "SyncFolderItems" => canned::page("s2", true, ""),
        other => panic!("{other}"),
    });
    let rig = rig(server.await);
    let mut request = SyncRequest::default();
    let mut counts = vec![];
    for _ in 0..3 {
        let round = rig.source.sync(&ann(), request).await.unwrap();
        let tree = round.tree.unwrap();
        assert_eq!(tree.folders.len(), 61);
        let pages = round
            .pages
            .into_iter()
            .map(|(folder, page)| (folder, page.unwrap()));
        let mut cursors: Vec<FolderCursor> = pages
            .map(|(folder, page)| FolderCursor {
                folder,
                cursor: page.cursor,
            })
            .collect();
        if cursors.is_empty() {
            cursors = tree
                .folders
                .iter()
                .map(|folder| cursor(folder.id.as_str(), None))
                .collect();
        }
        request = SyncRequest {
            tree_cursor: tree.cursor,
            folders: cursors,
            known_folders: tree.folders,
            ..SyncRequest::default()
        };
        counts.push(rig.server.requests().len());
    }
    assert!(counts[2] - counts[1] <= 61, "{counts:?}");
    assert_eq!(
        rig.server.count("GetFolder"),
        1,
        "well-known folders are known"
    );
}

#[tokio::test]
async fn all_kinds_of_changes_and_an_unknown_element() {
    let server = Server::start(|request| match request.operation().as_str() {
        "SyncFolderItems" => canned::page(
            "next",
            true,
            "<ty:Create><ty:Message><ty:ItemId Id=\"a\"/></ty:Message></ty:Create>\
             <ty:Create><ty:Hologram><ty:ItemId Id=\"h\"/></ty:Hologram></ty:Create>\
             <ty:Update><ty:Message><ty:ItemId Id=\"b\"/></ty:Message></ty:Update>\
             <ty:ReadFlagChange><ty:ItemId Id=\"c\"/><ty:IsRead>true</ty:IsRead></ty:ReadFlagChange>\
             <ty:Update><ty:Message><ty:ItemId Id=\"d\"/></ty:Message></ty:Update>\
             <ty:Delete><ty:ItemId Id=\"d\"/></ty:Delete>\
             <ty:Create><ty:Message><ty:ItemId Id=\"gone\"/></ty:Message></ty:Create>",
        ),
        "GetItem" => {
            let messages: Vec<String> = request
                .item_ids()
                .iter()
                .map(|id| match id.as_str() {
                    "gone" => canned::error("ErrorItemNotFound"),
                    id => canned::mail(id, 10),
                })
                .collect();
            canned::answer("GetItem", &messages.concat())
        }
        other => panic!("{other}"),
    });
    let rig = rig(server.await);
    let page = rig
        .source
        .changes(&ann(), &cursor("f0", Some("sync:s")))
        .await
        .unwrap();
    let found: Vec<String> = page
        .changes
        .iter()
        .map(|change| match change {
            ItemChange::Present(item) => format!("+{}", item.item.id.as_str()),
            ItemChange::Removed(id) => format!("-{}", id.as_str()),
            ItemChange::Unreadable(id, failure) => format!("!{} {}", id.as_str(), failure.code),
            ItemChange::Listed(id, key) => format!("={} {key}", id.as_str()),
        })
        .collect();
    assert_eq!(found, ["+a", "+h", "+b", "+c", "-gone", "-d"]);
    assert_eq!(page.cursor, Some(Cursor("sync:next".into())));
}

#[tokio::test]
async fn a_lost_sync_state_asks_for_a_new_listing() {
    let server = Server::start(|request| {
        let message = canned::error("ErrorInvalidSyncStateData");
        match request.text("m:SyncState") {
            Some(_) => canned::answer("SyncFolderItems", &message),
            None => canned::page("new", true, ""),
        }
    });
    let rig = rig(server.await);
    for lost in ["sync:old", "empty:old", "what is this"] {
        let error = rig
            .source
            .changes(&ann(), &cursor("f0", Some(lost)))
            .await
            .unwrap_err();
        assert_eq!(error.class, FailureClass::SyncReset, "{lost}");
    }
    let page = rig
        .source
        .changes(&ann(), &cursor("f0", None))
        .await
        .unwrap();
    assert_eq!(page.cursor, Some(Cursor("sync:new".into())));
}

/// A folder without sync: three items, two on a page; `second` is what the second page holds.
async fn listed(second: &'static str) -> super::Rig {
    let page = |next: u8, is_last: bool, ids: &str| {
        let items: Vec<String> = ids
            .chars()
            .map(|id| {
                format!("<ty:Message><ty:ItemId Id=\"{id}\" ChangeKey=\"k{id}\"/></ty:Message>")
            })
            .collect();
        let root = format!(
            "<me:RootFolder IndexedPagingOffset=\"{next}\" IncludesLastItemInRange=\"{is_last}\">\
             <ty:Items>{}</ty:Items></me:RootFolder>",
            items.concat()
        );
        canned::answer("FindItem", &canned::success(&root))
    };
    let server = Server::start(move |request| match request.operation().as_str() {
        "SyncFolderItems" => {
            canned::answer("SyncFolderItems", &canned::error("ErrorInvalidOperation"))
        }
        "FindItem" if request.body.contains("Offset=\"0\"") => page(2, false, "ab"),
        // The second page begins with the last item of the first one.
        "FindItem" if request.body.contains("Offset=\"1\"") => page(3, true, second),
        "GetItem" => {
            let items = request.item_ids();
            let messages: Vec<String> = items.iter().map(|id| canned::mail(id, 10)).collect();
            canned::answer("GetItem", &messages.concat())
        }
        other => panic!("{other}: {}", request.body),
    });
    rig(server.await)
}

#[tokio::test]
async fn a_folder_without_sync_is_listed_and_compared() {
    let rig = listed("bc").await;
    let first = rig.source.changes(&ann(), &cursor("f0", None)).await;
    let first = first.unwrap();
    let keyed = |id: &str| ItemChange::Listed(ItemId(id.into()), format!("k{id}"));
    assert_eq!(
        (first.changes, first.is_last),
        (vec![keyed("a"), keyed("b")], false)
    );
    let at = FolderCursor {
        folder: FolderId("f0".into()),
        cursor: first.cursor,
    };
    let second = rig.source.changes(&ann(), &at).await.unwrap();
    assert_eq!((second.changes, second.is_last), (vec![keyed("c")], true));
    assert_eq!(second.cursor, None, "the next run lists it anew");
    assert_eq!(
        rig.server.count("GetItem"),
        0,
        "nothing is described unasked"
    );
    let ids = [ItemId("c".into())];
    let folder = FolderId("f0".into());
    let described = rig.source.describe(&ann(), &folder, &ids).await.unwrap();
    let item = described[0].1.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(item.item.change_key, "kc");
}

#[tokio::test]
async fn items_that_move_up_between_pages_are_noticed() {
    for second in ["cd", ""] {
        let rig = listed(second).await;
        let first = rig.source.changes(&ann(), &cursor("f0", None)).await;
        let at = FolderCursor {
            folder: FolderId("f0".into()),
            cursor: first.unwrap().cursor,
        };
        let error = rig.source.changes(&ann(), &at).await.unwrap_err();
        assert_eq!(error.class, FailureClass::SyncReset);
    }
}

#[tokio::test]
async fn one_item_that_breaks_its_batch_is_found() {
    let server = Server::start(|request| match request.operation().as_str() {
        "SyncFolderItems" => {
            let items: Vec<String> = (0..100)
                .map(|n| canned::created("Message", &format!("i{n}")))
                .collect();
            canned::page("s", true, &items.concat())
        }
        "GetItem" if request.item_ids().contains(&"i37".into()) => {
            canned::fault("ErrorInternalServerError", None)
        }
        "GetItem" => {
            let mut messages: Vec<String> = request
                .item_ids()
                .iter()
                .map(|id| canned::mail(id, 10))
                .collect();
            // The server runs out of time on long batches.
            for late in messages.iter_mut().skip(40) {
                *late =
                    canned::error("ErrorBatchProcessingStopped").replace("Error\"", "Warning\"");
            }
            canned::answer("GetItem", &messages.concat())
        }
        other => panic!("{other}"),
    });
    let rig = rig(server.await);
    let page = rig
        .source
        .changes(&ann(), &cursor("f0", None))
        .await
        .unwrap();
    let (mut present, mut unreadable) = (0, vec![]);
    for change in page.changes {
        match change {
            ItemChange::Present(_) => present += 1,
            ItemChange::Unreadable(id, failure) => unreadable.push((id.0, failure.code)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(present, 99);
    assert_eq!(
        unreadable,
        [("i37".to_owned(), "ErrorInternalServerError".to_owned())]
    );
}

#[tokio::test]
async fn a_bad_item_in_a_batch_of_content_spoils_no_other() {
    let server = Server::start(|request| {
        let ids = request.item_ids();
        if ids.contains(&"i3".into()) && request.body.contains("<t:IncludeMimeContent>true") {
            let text = canned::envelope("<me:GetItemResponse><me:ResponseMessages><broken>");
            return Response::xml(text);
        }
        let messages: Vec<String> = ids
            .iter()
            .map(|id| match request.body.contains("AllProperties") {
                true => canned::mail(id, 5),
                false => canned::mime(id, id.as_bytes()),
            })
            .collect();
        canned::answer("GetItem", &messages.concat())
    });
    let rig = rig(server.await);
    let items: Vec<Item> = (0..20)
        .map(|n| Item {
            size_bytes: 1000,
            ..Item::new(ItemId(format!("i{n}")), FolderId("f".into()))
        })
        .collect();
    rig.source
        .expect_content(&ann(), &items.iter().collect::<Vec<_>>());
    for item in &items {
        let content = rig.source.content(&ann(), item).await;
        if item.id.as_str() == "i3" {
            let content = content.unwrap();
            assert_eq!(content.representation, Representation::MimeRebuilt);
            assert_eq!(content.rebuilt_because.as_deref(), Some("malformed_xml"));
            continue;
        }
        let bytes = read(content.unwrap().mime).await.unwrap();
        assert_eq!(bytes, item.id.as_str().as_bytes());
    }
}

#[tokio::test]
async fn a_large_item_streams_and_a_cut_one_ends_with_an_error() {
    let bytes: Vec<u8> = (0..12_000_000u32).map(|n| (n % 251) as u8).collect();
    let whole = canned::answer("GetItem", &canned::mime("big", &bytes));
    let cut = Mutex::new(false);
    let server = Server::start(move |_| {
        let mut answer = whole.clone();
        let mut cut = cut.lock().unwrap();
        answer.cut_at = cut.then_some(answer.body.len() / 2);
        *cut = true;
        answer
    });
    let rig = rig(server.await);
    let item = Item {
        size_bytes: 12_000_000,
        ..Item::new(ItemId("big".into()), FolderId("f".into()))
    };
    let mut stream = rig.source.content(&ann(), &item).await.unwrap().mime;
    let mut found = vec![];
    while let Some(chunk) = futures::StreamExt::next(&mut stream).await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 64 * 1024, "{} bytes at once", chunk.len());
        found.extend_from_slice(&chunk);
    }
    assert!(found == bytes);
    let second = rig.source.content(&ann(), &item).await.unwrap();
    let error = read(second.mime).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Connection);
}

#[tokio::test]
async fn a_contact_becomes_a_message_with_its_attachments() {
    let server = Server::start(|request| match request.operation().as_str() {
        "GetItem" => canned::answer(
            "GetItem",
            &canned::success(
                "<me:Items><ty:Contact><ty:ItemId Id=\"c\"/><ty:Subject>Doe</ty:Subject>\
                 <ty:Body BodyType=\"Text\">a note</ty:Body><ty:Attachments>\
                 <ty:FileAttachment><ty:AttachmentId Id=\"a1\"/><ty:Name>photo.jpg</ty:Name>\
                 <ty:ContentType>image/jpeg</ty:ContentType></ty:FileAttachment>\
                 <ty:FileAttachment><ty:AttachmentId Id=\"a2\"/><ty:Name>lost.bin</ty:Name></ty:FileAttachment>\
                 <ty:ItemAttachment><ty:AttachmentId Id=\"a3\"/><ty:Name>mail</ty:Name></ty:ItemAttachment>\
                 </ty:Attachments></ty:Contact></me:Items>",
            ),
        ),
        "GetAttachment" if request.body.contains("\"a1\"") => canned::answer(
            "GetAttachment",
            &canned::success(
                "<me:Attachments><ty:FileAttachment><ty:AttachmentId Id=\"a1\"/>\
                 <ty:Content>SlBFRw==</ty:Content></ty:FileAttachment></me:Attachments>",
            ),
        ),
        "GetAttachment" if request.body.contains("\"a3\"") => canned::answer(
            "GetAttachment",
            &canned::success(
                "<me:Attachments><ty:ItemAttachment><ty:Message><ty:MimeContent>U3ViamVjdDogaW5uZXINCg0K\
                 </ty:MimeContent></ty:Message></ty:ItemAttachment></me:Attachments>",
            ),
        ),
        "GetAttachment" => canned::answer("GetAttachment", &canned::error("ErrorItemCorrupt")),
        other => panic!("{other}"),
    });
    let rig = rig(server.await);
    let item = Item {
        kind: ItemKind::Contact,
        subject: "Doe".into(),
        ..Item::new(ItemId("c".into()), FolderId("f".into()))
    };
    let content = rig.source.content(&ann(), &item).await.unwrap();
    assert_eq!(content.representation, Representation::MimeRebuilt);
    let text = String::from_utf8(read(content.mime).await.unwrap()).unwrap();
    for part in [
        "Subject: Doe",
        "a note",
        "photo.jpg",
        "SlBFRw==",
        "mail.eml",
        "Subject: inner",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let lost = base64_simd::STANDARD.encode_to_string("This attachment could not be read");
    assert!(text.replace("\r\n", "").contains(&lost[..40]), "{text}");
}

#[tokio::test]
async fn items_are_located_or_gone() {
    let server = Server::start(|request| {
        let messages: Vec<String> = request
            .item_ids()
            .iter()
            .map(|id| match id.as_str() {
                "gone" => canned::error("ErrorItemNotFound"),
                "denied" => canned::error("ErrorAccessDenied"),
                id => canned::mail(id, 1),
            })
            .collect();
        canned::answer("GetItem", &messages.concat())
    });
    let rig = rig(server.await);
    let ids = ["here", "gone", "denied"].map(|id| ItemId(id.into()));
    let found = rig.source.locate(&ann(), &ids).await.unwrap();
    assert_eq!(
        found[0]
            .1
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .item
            .folder
            .as_str(),
        "f0"
    );
    assert!(matches!(found[1].1, Ok(None)));
    assert_eq!(
        found[2].1.as_ref().unwrap_err().class,
        FailureClass::ItemPermanent
    );
}
