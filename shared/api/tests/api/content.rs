//! Looking into mail by API, and what the audit log says of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_api::ApiSettings;
use mailkeep_api::auth::Role;
use mailkeep_ports::{Item, ItemKey, ItemPage, Query, Table, TableError, TableErrorKind, Write};
use serde_json::{Value, json};

use crate::support::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_are_listed_found_browsed_searched_and_items_downloaded_byte_for_byte() {
    let world = World::start().await;
    let all = world.all("/v1/mailboxes", 1).await;
    assert_eq!(all.len(), 2);
    let (source, id) = world.mailbox().await;
    let mine = all.iter().find(|it| it["id"] == id.as_str()).unwrap();
    let address = mine["owner"]["address"].as_str().unwrap();
    let search = json!({"text": address.to_uppercase()});
    let found = world
        .post("/v1/mailboxes/search", &search)
        .await
        .expect(200)
        .json();
    assert_eq!(found["data"], json!([mine]));
    let nobody = json!({"text": "nobody@nowhere.example"});
    let nobody = world
        .post("/v1/mailboxes/search", &nobody)
        .await
        .expect(200)
        .json();
    assert_eq!(nobody, json!({"data": [], "next_cursor": null}));

    let base = format!("/v1/mailboxes/{id}");
    let detail = world.get(&base).await.expect(200).json();
    let items = world.all(&format!("{base}/items"), 4).await;
    assert_eq!(detail["figures"]["items"], items.len());
    assert_eq!(detail["owner"]["source_id"], source.as_str());
    assert_eq!(detail["gaps"], 0);
    let snapshots = world.all(&format!("{base}/snapshots"), 1).await;
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0]["outcome"], "complete");
    assert!(world.all(&format!("{base}/gaps"), 5).await.is_empty());

    let folders = world.all(&format!("{base}/folders"), 3).await;
    let inbox = folders
        .iter()
        .find(|it| it["well_known"] == "inbox")
        .unwrap();
    let inbox_id = inbox["id"].as_str().unwrap();
    let in_inbox = world
        .all(&format!("{base}/items?folder={inbox_id}"), 2)
        .await;
    let expected = items.iter().filter(|it| it["folder"] == inbox_id).count();
    assert!(expected > 2 && in_inbox.len() == expected);
    assert!(in_inbox.iter().all(|it| it["path"] == inbox["path"]));
    world
        .get(&format!("{base}/items?folder=elsewhere"))
        .await
        .problem(404, "no_such_folder");

    // Every message as the tenant has it.
    let truth = world.admin().items(&source).unwrap();
    for item in &items {
        let of_truth = truth
            .iter()
            .find(|it| it.internet_message_id.as_deref() == item["internet_message_id"].as_str());
        let of_truth = of_truth.unwrap();
        let path = format!("{base}/items/{}", item["id"].as_str().unwrap());
        let content = world.get(&format!("{path}/content")).await.expect(200);
        let raw = world.admin().raw(&source, &of_truth.id).unwrap();
        assert_eq!(content.header("content-type"), "message/rfc822");
        assert_eq!(content.header("cache-control"), "no-store");
        assert!(content.bytes == raw, "{path}");
        let one = world.get(&path).await.expect(200).json();
        assert_eq!(one["item"], *item);
        assert_eq!(one["content_bytes"], raw.len());
        assert_eq!(
            one["versions"],
            json!([{"from_snapshot": 1, "to_snapshot": null}])
        );
    }
    let subject = items[0]["subject"].as_str().unwrap();
    let search = json!({"filter": {"subject": subject.to_uppercase()}, "limit": 200});
    let found = world
        .post(&format!("{base}/items/search"), &search)
        .await
        .expect(200)
        .json();
    let ids: Vec<_> = found["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert!(ids.contains(&&items[0]["id"]));
    let none = json!({"filter": {"from": "nobody@nowhere.example"}});
    let none = world
        .post(&format!("{base}/items/search"), &none)
        .await
        .expect(200)
        .json();
    assert_eq!(none["data"], json!([]));

    // The audit log knows who looked at what, and nothing of what was in it.
    let audit = world.all("/v1/audit", 20).await;
    let text = Value::from(audit.clone()).to_string();
    for entry in audit
        .iter()
        .filter(|it| it["operation"] == "getItemContent")
    {
        assert_eq!(entry["who"]["name"], "administrator");
        assert_eq!(entry["origin"], "127.0.0.1");
        assert_eq!(entry["outcome"], "done");
        assert!(!entry["request_id"].as_str().unwrap().is_empty());
    }
    let downloads = audit
        .iter()
        .filter(|it| it["operation"] == "getItemContent");
    assert_eq!(downloads.count(), items.len());
    for hidden in [address, subject, "nowhere.example", inbox_id] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_stay_at_their_restore_point_and_new_ones_are_seen_soon() {
    let world = World::start().await;
    let (source, id) = world.mailbox().await;
    let base = format!("/v1/mailboxes/{id}/items");
    let first = world
        .get(&format!("{base}?limit=5"))
        .await
        .expect(200)
        .json();
    let before = world.all(&base, 50).await.len();
    let gone = world.admin().items(&source).unwrap().remove(0).id;
    world.admin().delete_mail(&source, &gone).unwrap();
    world.back_up().await;
    world.clock.advance(Duration::from_secs(11));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = world
        .get(&format!("{base}?limit=200&cursor={cursor}"))
        .await;
    let rest = rest.expect(200).json()["data"].as_array().unwrap().len();
    assert_eq!(5 + rest, before);
    assert_eq!(world.all(&base, 50).await.len(), before - 1);
    assert_eq!(
        world.all(&format!("{base}?snapshot=1"), 7).await.len(),
        before
    );
    assert_eq!(
        world.all(&format!("{base}?deleted=true"), 7).await.len(),
        before
    );
    world
        .get(&format!("{base}?snapshot=99"))
        .await
        .problem(404, "no_such_snapshot");
    // A mark of one list is none of another.
    world
        .get(&format!("{base}?deleted=true&cursor={cursor}"))
        .await
        .problem(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_for_one_answer_is_refused() {
    let settings = ApiSettings {
        max_content_bytes: Some(10),
        ..ApiSettings::default()
    };
    let world = World::with(settings, |table| table).await;
    let (_, id) = world.mailbox().await;
    let items = world.all(&format!("/v1/mailboxes/{id}/items"), 50).await;
    let item = items[0]["id"].as_str().unwrap();
    world
        .get(&format!("/v1/mailboxes/{id}/items/{item}/content"))
        .await
        .problem(422, "content_too_large");
    for (path, code) in [
        ("/v1/mailboxes/x/items".to_owned(), "no_such_mailbox"),
        (
            format!("/v1/mailboxes/{}/items", "a".repeat(26)),
            "no_such_mailbox",
        ),
        (
            format!("/v1/mailboxes/{id}/items/aaaaaaaaaaaaa"),
            "no_such_item",
        ),
        (format!("/v1/mailboxes/{id}/items/x"), "no_such_item"),
    ] {
        world.get(&path).await.problem(404, code);
    }
}

/// A table in which the audit log cannot be written.
struct NoAudit(Arc<dyn Table>);

#[async_trait]
impl Table for NoAudit {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        self.0.get(key).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let is_audit = |write: &Write| write.key().partition().starts_with("audit/");
        if writes.iter().any(is_audit) {
            return Err(TableError::new(TableErrorKind::Denied, "audit", "denied"));
        }
        self.0.transact(writes).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        self.0.query(query).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_audited_is_neither_shown_nor_done() {
    let world = World::with(ApiSettings::default(), |table| Arc::new(NoAudit(table))).await;
    let (_, id) = world.mailbox().await;
    let answer = world.get(&format!("/v1/mailboxes/{id}/items")).await;
    let problem = answer.problem(503, "audit_unavailable");
    assert!(!problem.to_string().contains("subject"));
    let job = crate::support::definition("A");
    world
        .post("/v1/jobs", &job)
        .await
        .problem(503, "audit_unavailable");
    assert!(world.all("/v1/jobs", 5).await.is_empty());
    let denied = world
        .ask(Role::Viewer, "POST", "/v1/jobs")
        .json(&job)
        .send()
        .await;
    denied.problem(503, "audit_unavailable");
}
