//! Writing: creation, attachments, upload sessions, changes, and nothing sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;

use client::{Answer, Client};
use exchange_sim::{ExchangeOptions, Fault, FaultKind, SimTenant};
use serde_json::{Value, json};

async fn tenant() -> (SimTenant, Client, String) {
    let options = ExchangeOptions {
        samples: false,
        ..ExchangeOptions::default()
    };
    let sim = SimTenant::builder()
        .mailboxes(1)
        .items_per_mailbox(20)
        // With folders of contacts, events and tasks.
        .exchange(options)
        .start()
        .await
        .unwrap();
    let client = Client::login(&sim).await;
    let user = sim.admin().mailboxes()[0].id.clone();
    (sim, client, user)
}

fn message() -> Value {
    json!({
        "subject": "Grüße",
        "body": {"contentType": "html", "content": "<p>hello</p>"},
        "from": {"emailAddress": {"name": "A", "address": "a@b.example"}},
        "toRecipients": [{"emailAddress": {"name": "B", "address": "b@b.example"}}],
        "categories": ["Rot"],
        "flag": {"flagStatus": "flagged"},
        "singleValueExtendedProperties": [
            {"id": "Integer 0x0E07", "value": "1"},
            {"id": "SystemTime 0x0E06", "value": "2020-01-02T03:04:05Z"},
            {"id": "String {00020329-0000-0000-C000-000000000046} Name mailkeep", "value": "mark"},
        ],
    })
}

#[tokio::test]
async fn a_message_with_flags_is_no_draft_and_keeps_its_dates() {
    let (sim, client, user) = tenant().await;
    let folder = client
        .post(
            &format!("/users/{user}/mailFolders"),
            json!({"displayName": "Restored"}),
        )
        .await;
    assert_eq!(folder.status, 201);
    let again = client
        .post(
            &format!("/users/{user}/mailFolders"),
            json!({"displayName": "restored"}),
        )
        .await;
    assert_eq!((again.status, again.code()), (409, "ErrorFolderExists"));
    let folder = folder.body["id"].as_str().unwrap();
    let path = format!("/users/{user}/mailFolders/{folder}/messages");
    let made = client.post(&path, message()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.body["isDraft"], false);
    assert_eq!(made.body["isRead"], true);
    assert_eq!(made.body["receivedDateTime"], "2020-01-02T03:04:05Z");
    assert_eq!(made.body["parentFolderId"], folder);
    let found = client
        .get(&format!("{path}?$filter=singleValueExtendedProperties/any(ep: ep/id eq 'String {{00020329-0000-0000-C000-000000000046}} Name mailkeep' and ep/value eq 'mark')&$select=id&$expand=singleValueExtendedProperties($filter=id eq 'String {{00020329-0000-0000-C000-000000000046}} Name mailkeep' or id eq 'Integer 0x0E07')"))
        .await;
    assert_eq!(
        found.body["value"].as_array().unwrap().len(),
        1,
        "{}",
        found.text
    );
    let properties = &found.body["value"][0]["singleValueExtendedProperties"];
    assert_eq!(
        properties[0]["id"],
        "String {00020329-0000-0000-c000-000000000046} Name mailkeep"
    );
    assert_eq!(properties[1], json!({"id": "Integer 0xe07", "value": "3"}));
    let mut draft = message();
    draft
        .as_object_mut()
        .unwrap()
        .remove("singleValueExtendedProperties");
    let draft = client.post(&path, draft).await;
    assert_eq!(draft.body["isDraft"], true);
    // A draft can be changed, sent mail cannot.
    for (answer, status) in [(&draft, 200), (&made, 403)] {
        let id = answer.body["id"].as_str().unwrap();
        let changed = client
            .patch(
                &format!("/users/{user}/messages/{id}"),
                json!({"subject": "other"}),
            )
            .await;
        assert_eq!(changed.status, status, "{}", changed.text);
        let free = client
            .patch(
                &format!("/users/{user}/messages/{id}"),
                json!({"isRead": false, "categories": []}),
            )
            .await;
        assert_eq!((free.status, &free.body["isRead"]), (200, &json!(false)));
    }
    assert!(sim.admin().sent().is_empty());
}

#[tokio::test]
async fn wrong_messages_are_refused() {
    let (sim, client, user) = tenant().await;
    let path = format!("/users/{user}/mailFolders/inbox/messages");
    let with = |name: &str, value: Value| {
        let mut body = message();
        body[name] = value;
        body
    };
    for (body, status, code) in [
        (with("id", json!("x")), 400, "ErrorInvalidPropertySet"),
        (
            with("isDraft", json!(false)),
            400,
            "ErrorInvalidPropertySet",
        ),
        (with("nonsense", json!(1)), 400, "BadRequest"),
        (
            with(
                "toRecipients",
                json!([{"emailAddress": {"name": "x", "address": ""}}]),
            ),
            400,
            "ErrorInvalidRecipients",
        ),
        (
            with(
                "replyTo",
                json!([{"emailAddress": {"address": "no at sign"}}]),
            ),
            400,
            "ErrorInvalidRecipients",
        ),
        (
            with(
                "internetMessageHeaders",
                json!([{"name": "Received", "value": "x"}]),
            ),
            400,
            "InvalidInternetMessageHeader",
        ),
        (
            with(
                "singleValueExtendedProperties",
                json!([{"id": "SystemTime 0x0E06", "value": "2020-01-02 03:04:05"}]),
            ),
            400,
            "ErrorInvalidExtendedPropertyValue",
        ),
        (
            with(
                "singleValueExtendedProperties",
                json!([{"id": "Integer 0x0E07", "value": 1}]),
            ),
            400,
            "ErrorInvalidPropertySet",
        ),
    ] {
        let answer = client.post(&path, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{}",
            answer.text
        );
    }
    let big = with("subject", json!("x".repeat(4 * 1024 * 1024)));
    assert_eq!(client.post(&path, big).await.status, 413);
    sim.admin().set_full(&user, true).unwrap();
    let full = client.post(&path, message()).await;
    assert_eq!((full.status, full.code()), (507, "ErrorQuotaExceeded"));
}

async fn put(client: &Client, url: &str, range: &str, bytes: Vec<u8>) -> Answer {
    client
        .send(
            client
                .http
                .put(url)
                .header("Content-Range", range)
                .body(bytes),
        )
        .await
}

#[tokio::test]
async fn big_attachments_go_through_upload_sessions() {
    let (sim, client, user) = tenant().await;
    let made = client
        .post(&format!("/users/{user}/messages"), message())
        .await;
    let id = made.body["id"].as_str().unwrap();
    let path = format!("/users/{user}/messages/{id}/attachments");
    let small = client
        .post(
            &path,
            json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "aGVsbG8="}),
        )
        .await;
    assert_eq!(small.status, 201, "{}", small.text);
    let session = |size: u64| json!({"AttachmentItem": {"attachmentType": "file", "name": "big.bin", "size": size}});
    let short = client
        .post(&format!("{path}/createUploadSession"), session(1000))
        .await;
    assert_eq!(
        short.code(),
        "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
    );
    let total = 7_000_000_usize;
    let bytes: Vec<u8> = (0..total)
        .map(|n| u8::try_from(n * 7 % 251).unwrap())
        .collect();
    let open = client
        .post(
            &format!("{path}/createUploadSession"),
            session(total as u64),
        )
        .await;
    assert_eq!(open.body["nextExpectedRanges"], json!(["0-"]));
    let url = open.body["uploadUrl"].as_str().unwrap();
    let half = 3_500_000;
    let with_token = client
        .send(
            client
                .http
                .put(url)
                .bearer_auth(&client.token)
                .header("Content-Range", format!("bytes 0-{}/{total}", half - 1))
                .body(bytes[..half].to_vec()),
        )
        .await;
    assert_eq!(with_token.status, 401);
    let first = format!("bytes 0-{}/{total}", half - 1);
    let second = format!("bytes {half}-{}/{total}", total - 1);
    let early = put(&client, url, &second, bytes[half..].to_vec()).await;
    assert_eq!(early.status, 416);
    let wrong = put(&client, url, &first, bytes[..half - 1].to_vec()).await;
    assert_eq!(wrong.status, 400);
    // The slice is taken although its answer is lost.
    sim.admin()
        .inject(Fault::new(FaultKind::LostAnswer, 1).only("PUT /upload"));
    let lost = client
        .http
        .put(url)
        .header("Content-Range", &first)
        .body(bytes[..half].to_vec())
        .send()
        .await;
    let is_lost = match lost {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(is_lost);
    let progress = client.send(client.http.get(url)).await;
    assert_eq!(
        progress.body["nextExpectedRanges"],
        json!([half.to_string()])
    );
    let last = put(&client, url, &second, bytes[half..].to_vec()).await;
    assert_eq!(last.status, 201);
    assert!(
        last.headers["location"]
            .to_str()
            .unwrap()
            .contains("Attachments('")
    );
    assert_eq!(client.send(client.http.get(url)).await.status, 404);
    let kept = sim.admin().attachments(&user, id).unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].bytes, total as u64);
    assert_eq!(kept[1].blake3, blake3::hash(&bytes).to_hex().to_string());
}

#[tokio::test]
async fn everything_that_sends_is_noted() {
    let (sim, client, user) = tenant().await;
    let made = client
        .post(&format!("/users/{user}/messages"), message())
        .await;
    let id = made.body["id"].as_str().unwrap();
    let at =
        |hour: &str| json!({"dateTime": format!("2026-12-01T{hour}:00:00"), "timeZone": "UTC"});
    for path in [
        format!("/users/{user}/sendMail"),
        format!("/users/{user}/messages/{id}/send"),
        format!("/users/{user}/messages/{id}/forward"),
        format!("/users/{user}/events"),
    ] {
        client
            .post(
                &path,
                json!({
                    "start": at("09"),
                    "end": at("10"),
                    "attendees": [{"emailAddress": {"address": "a@b.example"}}],
                }),
            )
            .await;
    }
    assert_eq!(sim.admin().sent().len(), 4);
    client
        .post(
            &format!("/users/{user}/events"),
            json!({"subject": "alone", "start": at("09"), "end": at("10")}),
        )
        .await;
    assert_eq!(sim.admin().sent().len(), 4);
}

#[tokio::test]
async fn contacts_events_and_tasks_are_taken_strictly() {
    let (sim, client, user) = tenant().await;
    let at =
        |hour: &str| json!({"dateTime": format!("2026-12-01T{hour}:00:00"), "timeZone": "UTC"});
    let series = |day: &str| {
        json!({
            "pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": day, "numberOfOccurrences": 3},
        })
    };
    let event = json!({"start": at("09"), "end": at("10"), "transactionId": "t1", "recurrence": series("2026-12-01")});
    for (path, body, code) in [
        ("contacts", json!({"displayName": "x"}), 400),
        (
            "contactFolders/contacts/contacts",
            json!({"nickname": "x"}),
            400,
        ),
        (
            "contactFolders/contacts/contacts",
            json!({"changeKey": "x"}),
            400,
        ),
        (
            "contactFolders/inbox/contacts",
            json!({"displayName": "x"}),
            404,
        ),
        (
            "contactFolders/contacts/contacts",
            json!({"displayName": "x", "imAddresses": ["a", "b", "c", "d"]}),
            400,
        ),
        ("calendar/events", json!({"subject": "x"}), 400),
        (
            "calendar/events",
            json!({"start": at("10"), "end": at("09")}),
            400,
        ),
        (
            "calendar/events",
            json!({"start": at("09"), "end": at("10"), "isAllDay": true}),
            400,
        ),
        (
            "calendar/events",
            json!({"start": at("09"), "end": at("10"), "recurrence": series("2026-12-02")}),
            400,
        ),
        ("calendar/events", event.clone(), 201),
        ("calendar/events", event, 409),
        ("todo/lists/tasks/tasks", json!({"title": ""}), 400),
        (
            "todo/lists/tasks/tasks",
            json!({"title": "x", "percentComplete": 5}),
            400,
        ),
        (
            "todo/lists/tasks/tasks",
            json!({"title": "x", "recurrence": series("2026-12-01")}),
            400,
        ),
    ] {
        let answer = client.post(&format!("/users/{user}/{path}"), body).await;
        assert_eq!(answer.status, code, "{path}: {}", answer.text);
    }
    assert_eq!(sim.admin().sent(), []);
}
