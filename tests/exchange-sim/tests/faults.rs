//! Limits, faults and strictness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;

use std::time::Duration;

use client::Client;
use exchange_sim::{Fault, FaultKind, Limits, MailboxState, RetryAfter, SimTenant};
use serde_json::{Value, json};

async fn tenant() -> (SimTenant, Client, String) {
    let sim = SimTenant::builder()
        .mailboxes(2)
        .items_per_mailbox(40)
        .start()
        .await
        .unwrap();
    let client = Client::login(&sim).await;
    let user = sim.admin().mailboxes()[0].id.clone();
    (sim, client, user)
}

#[tokio::test]
async fn unknown_things_are_refused() {
    let (_sim, client, user) = tenant().await;
    for (path, status) in [
        ("/users?$filter=mail eq 'x'".to_owned(), 400),
        ("/users?$top=1000".to_owned(), 400),
        ("/users?$select=id,nonsense".to_owned(), 400),
        ("/users?$select=".to_owned(), 400),
        ("/nonsense".to_owned(), 400),
        (format!("/users/{user}/mailFolders?foo=1"), 400),
        (format!("/users/{user}/mailFolders/nowhere"), 404),
        (format!("/users/{user}/messages/short"), 400),
        (
            format!("/users/{user}/mailFolders/inbox/messages?$expand=sender"),
            400,
        ),
        (
            "/users/00000000-0000-4000-a000-000000000000/mailFolders".to_owned(),
            404,
        ),
    ] {
        let answer = client.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.body["error"]["innerError"]["request-id"].is_string());
    }
    let put = client.send(client.request("PUT", "/users")).await;
    assert_eq!(put.status, 405);
    let (items, _) = client.first_round(&user, "inbox", "id").await;
    let id = items[0]["id"].as_str().unwrap();
    let through_folder = client
        .get(&format!(
            "/users/{user}/mailFolders/inbox/messages/{id}/$value"
        ))
        .await;
    assert_eq!(
        (through_folder.status, through_folder.code()),
        (405, "ErrorInvalidRequest")
    );
}

#[tokio::test]
async fn tokens_and_roles_are_checked() {
    let (sim, mut client, user) = tenant().await;
    let admin = sim.admin();
    let path = format!("/users/{user}/mailFolders");
    admin.advance(Duration::from_secs(3_598));
    assert_eq!(client.get(&path).await.status, 200);
    admin.advance(Duration::from_secs(2));
    let expired = client.get(&path).await;
    assert_eq!(
        (expired.status, expired.code()),
        (401, "InvalidAuthenticationToken")
    );
    client = Client::login(&sim).await;
    assert_eq!(client.get(&path).await.status, 200);
    let good = client.token.clone();
    client.token.pop();
    assert_eq!(client.get(&path).await.status, 401);
    client.token = good;
    admin.revoke_tokens();
    assert_eq!(client.get(&path).await.status, 401);
    admin.set_roles(&["User.Read.All"]);
    client = Client::login(&sim).await;
    assert_eq!(client.get("/users").await.status, 200);
    assert_eq!(client.get(&path).await.code(), "ErrorAccessDenied");
    admin.set_roles(&["Mail.Read"]);
    client = Client::login(&sim).await;
    assert_eq!(
        client.get("/users").await.code(),
        "Authorization_RequestDenied"
    );
    assert_eq!(client.get(&path).await.status, 200);
    assert_eq!(
        client.post(&path, json!({"displayName": "x"})).await.status,
        403
    );
}

#[tokio::test]
async fn the_limits_of_a_mailbox_hold() {
    let (sim, client, user) = tenant().await;
    let admin = sim.admin();
    let path = format!("/users/{user}/mailFolders");
    admin.inject(Fault::new(FaultKind::Slow { millis: 300 }, 4));
    let calls = (0..6).map(|_| client.get(&path));
    let answers = futures::future::join_all(calls).await;
    let refused: Vec<_> = answers.iter().filter(|one| one.status == 429).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused[0].text.contains("MailboxConcurrency"));
    assert!(admin.highest_concurrency(&user).unwrap() >= 5);
    admin.set_limits(Limits {
        calls: 20,
        ..Limits::default()
    });
    let mut statuses = Vec::new();
    for _ in 0..16 {
        statuses.push(client.get(&path).await);
    }
    let last = statuses.last().unwrap();
    assert_eq!(last.status, 429);
    assert_eq!(last.headers["retry-after"], "600");
    // Another mailbox has its own budget.
    let other = &admin.mailboxes()[1].id.clone();
    assert_eq!(
        client
            .get(&format!("/users/{other}/mailFolders"))
            .await
            .status,
        200
    );
    admin.advance(Duration::from_secs(601));
    assert_eq!(client.get(&path).await.status, 200);
}

#[tokio::test]
async fn answers_fail_as_asked() {
    let (sim, client, user) = tenant().await;
    let admin = sim.admin();
    let path = format!("/users/{user}/mailFolders/inbox/messages/delta?$select=id,subject");
    let cases = [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Fraction("2.128".to_owned()), Some("2.128")),
        (RetryAfter::Date(30), Some("Mon, 02 Nov 2026 08:00:30 GMT")),
    ];
    for (retry_after, wanted) in cases {
        admin.inject(Fault::new(FaultKind::Throttle { retry_after }, 1));
        let answer = client.get(&path).await;
        assert_eq!(answer.status, 429);
        let header = answer
            .headers
            .get("retry-after")
            .map(|v| v.to_str().unwrap());
        assert_eq!(header, wanted);
    }
    admin.inject(Fault::new(FaultKind::EmptyError { status: 503 }, 1));
    let empty = client.get(&path).await;
    assert_eq!((empty.status, empty.text.as_str()), (503, ""));
    admin.inject(Fault::new(FaultKind::TruncateJson, 1));
    let cut = client.get(&path).await;
    assert_eq!((cut.status, &cut.body), (200, &Value::Null));
    assert!(cut.text.ends_with("\"value\":["));
    admin.inject(Fault::new(FaultKind::ControlCharacters, 1));
    let raw = client.get(&path).await;
    assert!(raw.text.contains('\u{b}') && raw.body.is_null());
    admin.inject(Fault::new(FaultKind::ForeignLink, 1));
    let foreign = client.get(&path).await;
    assert!(foreign.text.contains("graph.attacker.example"));
    admin.inject(
        Fault::new(FaultKind::EmptyError { status: 404 }, 1)
            .only("messages/delta")
            .for_mailbox(&user)
            .after(1),
    );
    assert_eq!(client.get(&path).await.status, 200);
    assert_eq!(client.get(&format!("/users/{user}")).await.status, 200);
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.get(&path).await.status, 200);
}

#[tokio::test]
async fn damaged_items_fail_alone() {
    let (sim, client, user) = tenant().await;
    let admin = sim.admin();
    let (items, _) = client.first_round(&user, "inbox", "id").await;
    let id = |n: usize| items[n]["id"].as_str().unwrap();
    admin.corrupt_item(&user, id(2)).unwrap();
    let page = client
        .get(&format!(
            "/users/{user}/mailFolders/inbox/messages/delta?$select=subject"
        ))
        .await;
    assert_eq!((page.status, page.code()), (500, "ErrorCorruptData"));
    assert_eq!(
        client
            .first_round(&user, "inbox", "id,changeKey")
            .await
            .0
            .len(),
        items.len()
    );
    let value = |n: usize| format!("/users/{user}/messages/{}/$value", id(n));
    assert_eq!(client.get(&value(2)).await.code(), "ErrorCorruptData");
    admin.break_mime(&user, id(3)).unwrap();
    assert_eq!(
        client.get(&value(3)).await.code(),
        "ErrorMimeContentConversionFailed"
    );
    let json = client
        .get(&format!("/users/{user}/messages/{}", id(3)))
        .await;
    assert_eq!(json.status, 200);
    let attachments = client
        .get(&format!("/users/{user}/messages/{}/attachments", id(3)))
        .await;
    assert_eq!(attachments.status, 200);
    admin.fail_item_for_now(&user, id(4), 2).unwrap();
    for status in [500, 500, 200] {
        assert_eq!(client.get(&value(4)).await.status, status);
    }
    admin.inject(Fault::new(FaultKind::CutStream { after: 100 }, 1).only("$value"));
    let cut = client.request("GET", &value(5)).send().await.unwrap();
    assert_eq!(cut.status().as_u16(), 200);
    assert!(cut.bytes().await.is_err());
}

#[tokio::test]
async fn mailboxes_can_be_out_of_reach() {
    let (sim, client, user) = tenant().await;
    let admin = sim.admin();
    let path = format!("/users/{user}/mailFolders");
    for (state, status, code) in [
        (MailboxState::Denied, 403, "ErrorAccessDenied"),
        (MailboxState::Moving, 503, "ErrorMailboxMoveInProgress"),
        (MailboxState::NotEnabled, 404, "MailboxNotEnabledForRESTAPI"),
    ] {
        admin.set_mailbox_state(&user, state).unwrap();
        let answer = client.get(&path).await;
        assert_eq!((answer.status, answer.code()), (status, code));
    }
    admin
        .set_mailbox_state(&user, MailboxState::Available)
        .unwrap();
    assert_eq!(client.get(&path).await.status, 200);
    let unlicensed = admin.mailboxes().last().unwrap().id.clone();
    let answer = client
        .get(&format!("/users/{unlicensed}/mailFolders"))
        .await;
    assert_eq!(answer.code(), "MailboxNotEnabledForRESTAPI");
    admin.remove_mailbox(&user).unwrap();
    assert_eq!(client.get(&path).await.code(), "Request_ResourceNotFound");
}

#[tokio::test]
async fn batches_follow_their_rules() {
    let (sim, client, user) = tenant().await;
    let one = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let url = format!("/users/{user}/mailFolders/inbox?$select=id");
    let many: Vec<Value> = (0..21).map(|n| one(&n.to_string(), &url)).collect();
    let batch = |requests: Value| json!({"requests": requests});
    assert_eq!(client.post("/$batch", batch(json!(many))).await.status, 400);
    let twice = json!([one("1", &url), one("1", &url)]);
    assert_eq!(client.post("/$batch", batch(twice)).await.status, 400);
    let absolute = json!([one("1", &format!("{}/v1.0{url}", client.base))]);
    assert_eq!(client.post("/$batch", batch(absolute)).await.status, 400);
    sim.admin().reset_counters();
    let good: Vec<Value> = (0..20).map(|n| one(&n.to_string(), &url)).collect();
    let answer = client.post("/$batch", batch(json!(good))).await;
    let ids: Vec<&str> = answer.body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 20);
    assert!(!ids.is_sorted_by_key(|id| id.parse::<u32>().unwrap()));
    let counters = sim.admin().counters();
    assert_eq!(counters["GET /users/{id}/mailFolders/{id} 200"], 20);
    assert_eq!(sim.admin().http_requests(), 1);
}

#[tokio::test]
async fn the_admin_endpoint_does_the_same() {
    let (sim, client, user) = tenant().await;
    let admin = |name: &str, body: Value| {
        client
            .http
            .post(format!("{}/_admin/{name}", client.base))
            .json(&body)
    };
    let added: Value = admin("add_mail", json!({"mailbox": user, "folder": "inbox"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let item = added["id"].as_str().unwrap();
    for (name, body, status) in [
        ("evolve", json!({"percent": 10}), 200),
        (
            "set_mailbox_state",
            json!({"mailbox": user, "state": "denied"}),
            200,
        ),
        (
            "inject",
            json!({"fault": {"kind": {"throttle": {"retry_after": {"seconds": 3}}}, "times": 1}}),
            200,
        ),
        (
            "inject",
            json!({"fault": {"kind": "truncate_json", "times": 1, "only": "delta"}}),
            200,
        ),
        ("advance", json!({"seconds": 5}), 200),
        ("edit_body", json!({"mailbox": user, "item": "none"}), 404),
        ("nonsense", json!({}), 400),
    ] {
        let answer = admin(name, body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{name}");
    }
    let raw = client
        .http
        .get(format!(
            "{}/_admin/raw?mailbox={user}&item={item}",
            client.base
        ))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(sim.admin().raw(&user, item).unwrap(), raw);
    assert_eq!(
        client
            .get(&format!("/users/{user}/mailFolders"))
            .await
            .status,
        429
    );
    assert_eq!(
        client
            .get(&format!("/users/{user}/mailFolders"))
            .await
            .status,
        403
    );
}
