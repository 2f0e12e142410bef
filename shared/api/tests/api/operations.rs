//! Restores and exports: asked for, planned, confirmed, followed, downloaded, cancelled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mailkeep_api::ApiSettings;
use mailkeep_api::auth::Role;
use mailkeep_ports::{Clock as _, Key, Links, StoreError, sha256};
use serde_json::{Value, json};

use crate::support::World;

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

/// A body that asks for everything of the first mailbox to be written into the second one.
async fn into_the_other(world: &World) -> (String, Value) {
    world.connect("simulated").await;
    let (source, mailbox) = world.mailbox().await;
    let all = world.admin().mailboxes().into_iter();
    let mut others = all.filter(|it| it.has_mailbox && it.id != source);
    let other = others.next().unwrap();
    let body = json!({
        "mailbox": mailbox,
        "target": {"connection": "simulated", "mailbox": other.address.unwrap()},
        "purpose": "ticket 7",
    });
    (other.id, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_planned_confirmed_and_carried_out() {
    let world = World::start().await;
    let (other, body) = into_the_other(&world).await;
    let before = world.admin().items(&other).unwrap().len();

    let ask = world.ask(Role::RestoreOperator, "POST", "/v1/restores");
    let made = ask.json(&body).send().await.expect(201);
    assert_eq!(made.header("etag"), "\"1\"");
    let path = made.header("location").to_owned();
    let made = made.json();
    assert_eq!(path, format!("/v1/restores/{}", id(&made)));
    assert_eq!(made["state"]["code"], "queued");
    assert_eq!(
        (&made["plan"], &made["asked_by"], &made["purpose"]),
        (&Value::Null, &json!("restore_operator"), &json!("ticket 7"))
    );
    let tell = |command: &str, etag: &str| {
        let ask = world.ask(Role::RestoreOperator, "POST", &format!("{path}/{command}"));
        ask.header("if-match", etag).send()
    };
    tell("confirm", "*").await.problem(409, "refused");

    world.work().await;
    let planned = world.get(&path).await.expect(200);
    let etag = planned.header("etag").to_owned();
    let planned = planned.json();
    assert_eq!(planned["state"]["code"], "waiting_for_person");
    assert_eq!(planned["state"]["reason"], "confirmation");
    assert_eq!(planned["waits_for_confirmation"], true);
    assert_eq!(planned["target_id"], other);
    let items = planned["plan"]["items"].as_u64().unwrap();
    assert!(items > 0, "{planned}");
    assert_eq!(planned["plan"]["to_create"], items);
    assert_eq!(world.admin().items(&other).unwrap().len(), before);
    let plan = world.get(&format!("{path}/plan")).await.expect(200).json();
    let folders = plan["folders"].as_array().unwrap().iter();
    let counted: u64 = folders.map(|it| it["items"].as_u64().unwrap()).sum();
    assert_eq!((counted, &plan["is_made"]), (items, &json!(true)));

    // Only the plan that was seen is confirmed.
    tell("confirm", "\"1\"")
        .await
        .problem(412, "version_changed");
    let confirmed = tell("confirm", &etag).await.expect(200).json();
    assert_eq!(confirmed["confirmed"]["by"], "restore_operator");
    world.work().await;
    let done = world.get(&path).await.expect(200).json();
    assert_eq!(done["state"]["code"], "completed", "{done}");
    assert_eq!(
        (&done["done"]["created"], &done["done"]["failed"]),
        (&json!(items), &json!(0))
    );
    let after = world.admin().items(&other).unwrap().len();
    assert_eq!(after, before + usize::try_from(items).unwrap());
    assert!(world.admin().sent().is_empty());
    tell("cancel", "*").await.problem(409, "refused");
    tell("resume", "*").await.problem(409, "refused");

    let problems = world.get(&format!("{path}/problems")).await.expect(200);
    assert_eq!(problems.json()["problems"], json!([]));
    let events = world.all(&format!("{path}/events"), 2).await;
    let what: Vec<_> = events.iter().map(|it| it["what"].clone()).collect();
    for wanted in ["asked", "planned", "confirmed", "state"] {
        assert!(what.contains(&json!(wanted)), "{what:?}");
    }
    let audit = world.audit().await;
    for (operation, outcome) in [
        ("createRestore", "done"),
        ("confirmRestore", "refused"),
        ("confirmRestore", "done"),
        ("cancelRestore", "refused"),
        ("getRestorePlan", "done"),
    ] {
        let entry = (operation.to_owned(), outcome.to_owned());
        assert!(audit.contains(&entry), "{entry:?}");
    }

    // It is a restore, and nothing else.
    assert_eq!(world.all("/v1/restores", 1).await.len(), 1);
    assert!(world.all("/v1/exports", 1).await.is_empty());
    let as_export = format!("/v1/exports/{}", id(&made));
    world.get(&as_export).await.problem(404, "no_such_export");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_is_over() {
    let world = World::start().await;
    let (other, body) = into_the_other(&world).await;
    let before = world.admin().items(&other).unwrap().len();
    let send = || {
        let ask = world.ask(Role::RestoreOperator, "POST", "/v1/restores");
        ask.header("idempotency-key", "k-1").json(&body).send()
    };
    let made = send().await.expect(201).json();
    let path = format!("/v1/restores/{}", id(&made));
    world.work().await;
    let cancelled = world.post(&format!("{path}/cancel"), &json!({})).await;
    let cancelled = cancelled.expect(200).json();
    assert_eq!(cancelled["state"]["code"], "cancelled");
    assert_eq!(cancelled["cancelled"]["by"], "administrator");
    // Again is so already; anything else is too late.
    let again = world.post(&format!("{path}/cancel"), &json!({})).await;
    again.expect(200);
    let late = world.post(&format!("{path}/confirm"), &json!({})).await;
    late.problem(409, "refused");
    world.work().await;
    assert_eq!(world.admin().items(&other).unwrap().len(), before);
    // The same request with the same key is the one that is there.
    assert_eq!(id(&send().await.expect(201).json()), id(&made));
    assert_eq!(world.all("/v1/restores", 5).await.len(), 1);
}

/// Links that say what was asked.
struct Echo;

#[async_trait]
impl Links for Echo {
    async fn link(
        &self,
        key: &Key,
        valid_for: Duration,
        file_name: &str,
    ) -> Result<String, StoreError> {
        let seconds = valid_for.as_secs();
        Ok(format!("https://files.example/{key}?{seconds}&{file_name}"))
    }
}

/// Asks for an export of the first mailbox, and has it made.
async fn exported(world: &World) -> String {
    let (_, mailbox) = world.mailbox().await;
    let body = json!({"mailbox": mailbox, "is_confirmed": true, "keep_days": 3});
    let ask = world.ask(Role::RestoreOperator, "POST", "/v1/exports");
    let made = ask.json(&body).send().await.expect(201);
    let path = made.header("location").to_owned();
    let early = format!("{path}/parts/1/link");
    world.post(&early, &json!({})).await.problem(409, "refused");
    world.work().await;
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_made_and_downloaded_part_by_part_until_it_is_cancelled() {
    let world = World::start().await;
    let path = exported(&world).await;
    let done = world.get(&path).await.expect(200).json();
    assert_eq!(done["state"]["code"], "link_ready", "{done}");
    assert_eq!(done["is_ready"], true);
    assert!(done["done"]["created"].as_u64().unwrap() > 0);
    let parts = world.all(&format!("{path}/parts"), 2).await;
    assert_eq!(json!(parts.len()), done["parts"]);
    assert!(parts.len() > 2, "{parts:?}");
    for part in &parts {
        let number = &part["number"];
        let linked = world
            .post(&format!("{path}/parts/{number}/link"), &json!({}))
            .await
            .expect(200)
            .json();
        assert_eq!(linked["needs_credentials"], true);
        assert_eq!(linked["part"], *part);
        let url = linked["url"].as_str().unwrap();
        let file = world.get(url).await.expect(200);
        let name = part["file_name"].as_str().unwrap();
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(file.header("content-disposition"), disposition);
        let digest: String = sha256(&file.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(part["sha256"], digest);
        assert_eq!(file.bytes.starts_with(b"PK"), name.ends_with(".zip"));
    }
    let none = format!("{path}/parts/{}/content", parts.len() + 1);
    world.get(&none).await.problem(404, "no_such_part");
    let operator = world.ask(Role::Operator, "GET", &format!("{path}/parts/1/content"));
    operator.send().await.problem(403, "forbidden");

    let cancelled = world.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(cancelled.expect(200).json()["is_ready"], false);
    let gone = world.get(&format!("{path}/parts/1/content")).await;
    gone.problem(409, "refused");
    world.work().await;
    assert!(world.exports.names().is_empty());
    let audit = world.audit().await;
    for (operation, outcome) in [
        ("createExport", "done"),
        ("linkExportPart", "done"),
        ("getExportPartContent", "done"),
        ("getExportPartContent", "denied"),
        ("getExportPartContent", "refused"),
        ("cancelExport", "done"),
    ] {
        let entry = (operation.to_owned(), outcome.to_owned());
        assert!(audit.contains(&entry), "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_to_the_store_and_ends_with_the_files() {
    let settings = ApiSettings {
        max_content_bytes: Some(100),
        ..ApiSettings::default()
    };
    let links: Arc<dyn Links> = Arc::new(Echo);
    let world = World::linking(settings, |table| table, Some(links)).await;
    let path = exported(&world).await;
    let part = format!("{path}/parts/1");
    let large = world.get(&format!("{part}/content")).await;
    large.problem(422, "content_too_large");
    let ask = |seconds: u32| {
        let body = json!({"valid_seconds": seconds});
        let ask = world.ask(Role::RestoreOperator, "POST", &format!("{part}/link"));
        async move { ask.json(&body).send().await }
    };
    for wrong in [0, 59, 43_201] {
        let problem = ask(wrong).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], "valid_seconds");
    }
    let linked = ask(600).await.expect(200).json();
    assert_eq!(linked["needs_credentials"], false);
    let url = linked["url"].as_str().unwrap();
    let name = linked["part"]["file_name"].as_str().unwrap();
    assert!(url.starts_with("https://files.example/exports/"), "{url}");
    assert!(url.ends_with(&format!("?600&{name}")), "{url}");
    let until = world.get(&path).await.json()["ready_until"].clone();
    let until: DateTime<Utc> = serde_json::from_value(until).unwrap();
    let left = (until - world.clock.now()).to_std().unwrap();
    world.clock.advance(left - Duration::from_secs(300));
    let linked = ask(600).await.expect(200).json();
    assert_eq!(
        linked["valid_until"],
        world.get(&path).await.json()["ready_until"]
    );
    world.clock.advance(Duration::from_secs(301));
    ask(600).await.problem(409, "refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named_as_it_was_sent() {
    let world = World::start().await;
    let restore = |change: fn(&mut Value)| {
        let mut body = json!({"mailbox": "m", "target": {"connection": "c"}});
        change(&mut body);
        body
    };
    let export = |change: fn(&mut Value)| {
        let mut body = json!({"mailbox": "m"});
        change(&mut body);
        body
    };
    let cases = [
        (
            "restores",
            restore(|it| it["mailbox"] = json!(" ")),
            "mailbox",
        ),
        (
            "restores",
            restore(|it| it["target"]["connection"] = json!("")),
            "target.connection",
        ),
        (
            "restores",
            restore(|it| it["target"]["placement"] = json!({"new_folder": {"name": "\n"}})),
            "target.placement.name",
        ),
        (
            "restores",
            restore(|it| it["selection"] = json!({"items": ["nonsense"]})),
            "selection.items[0]",
        ),
        (
            "restores",
            restore(|it| it["selection"] = json!({"folders": [[]]})),
            "selection.folders",
        ),
        (
            "exports",
            export(|it| it["keep_days"] = json!(31)),
            "keep_days",
        ),
        (
            "exports",
            export(|it| it["purpose"] = json!("x".repeat(1_001))),
            "purpose",
        ),
        (
            "exports",
            export(|it| it["selection"] = json!({"filter": {"from": "x".repeat(501)}})),
            "selection.filter.from",
        ),
    ];
    for (kind, body, field) in cases {
        let refused = world.post(&format!("/v1/{kind}"), &body).await;
        let problem = refused.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let unknown = restore(|it| it["storage"] = json!("main"));
    let refused = world.post("/v1/restores", &unknown).await;
    refused.problem(422, "invalid_body");
    // A mailbox that is not there is found out by the plan, and said.
    let made = world.post("/v1/exports", &export(|_| {})).await.expect(201);
    world.work().await;
    let path = made.header("location").to_owned();
    let over = world.get(&path).await.json();
    assert_eq!(
        (&over["state"]["code"], &over["state"]["reason"]),
        (&json!("failed"), &json!("not_found")),
        "{over}"
    );
    for nobody in [
        "/v1/restores/x",
        "/v1/restores/01J0000000000000000000000A/plan",
    ] {
        world.get(nobody).await.problem(404, "no_such_restore");
    }
}
