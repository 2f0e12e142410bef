//! Jobs by API.

use std::sync::Arc;

use mailkeep_api::ApiSettings;
use mailkeep_api::auth::Role;
use mailkeep_ports::{CallFault, FaultPlan, FaultTable};
use serde_json::{Value, json};

use crate::support::{World, definition};

async fn make(world: &World, name: &str) -> (String, String) {
    let made = world.post("/v1/jobs", &definition(name)).await.expect(201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/v1/jobs/{id}"));
    (format!("/v1/jobs/{id}"), made.header("etag").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_made_edited_by_version_started_stopped_and_deleted() {
    let world = World::start().await;
    let (job, etag) = make(&world, "All mail").await;
    assert_eq!(etag, "\"1\"");
    world
        .post("/v1/jobs", &definition(" ALL mail"))
        .await
        .problem(409, "name_taken");

    // Only who has seen the newest definition may change it.
    let path = format!("{job}/definition");
    let read = world.get(&path).await.expect(200);
    assert_eq!(read.header("etag"), etag);
    let mut changed = read.json();
    changed["priority"] = json!(1);
    let put = |etag: &'static str, body: Value| {
        let mut ask = world.ask(Role::Operator, "PUT", &path).json(&body);
        if !etag.is_empty() {
            ask = ask.header("if-match", etag);
        }
        ask.send()
    };
    put("", changed.clone())
        .await
        .problem(428, "version_required");
    put("\"7\"", changed.clone())
        .await
        .problem(412, "version_changed");
    let edited = put("\"1\"", changed.clone()).await.expect(200);
    assert_eq!(edited.header("etag"), "\"2\"");
    changed["priority"] = json!(2);
    put("\"1\"", changed.clone())
        .await
        .problem(412, "version_changed");
    assert_eq!(world.get(&path).await.json()["priority"], 1);
    put("*", changed.clone()).await.expect(200);
    changed["priority"] = json!(9);
    let wrong = put("*", changed.clone())
        .await
        .problem(422, "invalid_definition");
    assert_eq!(wrong["errors"][0]["field"], "priority");
    changed["colour"] = json!(1);
    let unknown = put("*", changed).await.problem(422, "invalid_body");
    assert!(unknown["detail"].as_str().unwrap().contains("colour"));
    let versions = world.all(&format!("{job}/versions"), 2).await;
    let numbers: Vec<_> = versions.iter().map(|it| it["version"].clone()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let first = world.get(&format!("{job}/versions/1")).await.expect(200);
    assert_eq!(first.json()["definition"]["priority"], 3);
    world
        .get(&format!("{job}/versions/9"))
        .await
        .problem(404, "no_such_version");

    // What runs on the machine of the service is an administrator's to say.
    let mut with_hook = definition("Hooked");
    with_hook["hooks"] = json!({"before": {"call": {"exec": ["true"]}}});
    let by = |role: Role| world.ask(role, "POST", "/v1/jobs").json(&with_hook).send();
    by(Role::Operator).await.problem(403, "hooks_forbidden");
    let hooked = by(Role::Administrator).await.expect(201).json();
    let hooked = format!("/v1/jobs/{}", hooked["id"].as_str().unwrap());
    let edit = |body: &Value| {
        let path = format!("{hooked}/definition");
        let ask = world.ask(Role::Operator, "PUT", &path).json(body);
        ask.header("if-match", "*").send()
    };
    with_hook["priority"] = json!(2);
    edit(&with_hook).await.expect(200);
    with_hook["hooks"]["before"]["call"]["exec"] = json!(["false"]);
    edit(&with_hook).await.problem(403, "hooks_forbidden");
    let delete = world.ask(Role::Operator, "DELETE", &hooked).send().await;
    delete.expect(204);

    let started = world
        .post(&format!("{job}/start"), &json!({"scope": "failed"}))
        .await;
    assert_eq!(started.expect(202).json()["state"]["code"], "queued");
    let nobody = json!({"scope": {"chosen": []}});
    world
        .post(&format!("{job}/run"), &nobody)
        .await
        .problem(422, "invalid_field");
    let off = world
        .ask(Role::Operator, "POST", &format!("{job}/deactivate"))
        .send()
        .await;
    assert_eq!(off.expect(200).json()["is_active"], false);
    world
        .post(&format!("{job}/run"), &json!({}))
        .await
        .problem(409, "refused");
    world
        .post(&format!("{job}/activate"), &json!({}))
        .await
        .expect(200);
    world
        .post(&format!("{job}/run"), &json!({}))
        .await
        .expect(202);
    let stopped = world
        .post(&format!("{job}/stop"), &json!({}))
        .await
        .expect(202);
    assert_eq!(stopped.json()["is_started"], false);

    let preview = json!({"count": 2, "definition": {
        "name": "n", "connection": "c", "storage": "s",
        "schedule": {"zone": "Europe/Warsaw", "pattern": {"daily": {"hours": {"from": "22:00", "to": "06:00"}}}},
    }});
    let preview = world
        .post("/v1/jobs/preview", &preview)
        .await
        .expect(200)
        .json();
    assert_eq!(preview["periods"].as_array().unwrap().len(), 2);
    let periods = world
        .get(&format!("{job}/preview?count=1"))
        .await
        .expect(200)
        .json();
    assert_eq!(periods["periods"][0]["to"], Value::Null);

    let events = world.all(&format!("{job}/events"), 3).await;
    let what: Vec<_> = events
        .iter()
        .map(|it| it["what"].as_str().unwrap())
        .collect();
    for wanted in [
        "created",
        "edited",
        "start_requested",
        "deactivated",
        "activated",
    ] {
        assert!(what.contains(&wanted), "{what:?}");
    }
    let delete = |etag: &'static str| {
        let ask = world.ask(Role::Operator, "DELETE", &job);
        ask.header("if-match", etag).send()
    };
    delete("\"1\"").await.problem(412, "version_changed");
    delete("\"3\"").await.expect(204);
    delete("\"3\"").await.problem(404, "no_such_job");
    world.get(&job).await.problem(404, "no_such_job");
    assert!(world.all("/v1/jobs", 5).await.is_empty());

    let audit = world.audit().await;
    let count = |operation: &str, outcome: &str| {
        let wanted = (operation.to_owned(), outcome.to_owned());
        audit.iter().filter(|it| **it == wanted).count()
    };
    assert_eq!(count("createJob", "done"), 2);
    assert_eq!(count("createJob", "refused"), 1);
    assert_eq!(count("putJobDefinition", "done"), 3);
    assert_eq!(count("createJob", "denied"), 1);
    assert_eq!(count("deleteJob", "done"), 2);
    assert!(audit.iter().all(|(_, outcome)| outcome != "begun"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_with_the_same_key_is_carried_out_once() {
    let world = World::start().await;
    let send = |role: Role, key: &'static str, name: &str| {
        let ask = world.ask(role, "POST", "/v1/jobs").json(&definition(name));
        ask.header("idempotency-key", key).send()
    };
    let first = send(Role::Operator, "k-1", "One").await.expect(201);
    let again = send(Role::Operator, "k-1", "One").await.expect(201);
    assert_eq!(first.bytes, again.bytes);
    for header in ["location", "etag", "content-type"] {
        assert_eq!(first.header(header), again.header(header), "{header}");
    }
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("idempotent-replayed"), "");
    send(Role::Operator, "k-1", "Two")
        .await
        .problem(422, "idempotency_key_reused");
    // Somebody else's key is another one.
    send(Role::Administrator, "k-1", "Two").await.expect(201);
    // Nothing was done: the key may be used again.
    send(Role::Operator, "k-2", "One")
        .await
        .problem(409, "name_taken");
    send(Role::Operator, "k-2", "Three").await.expect(201);
    send(Role::Operator, "a b", "Four")
        .await
        .problem(400, "invalid_idempotency_key");
    assert_eq!(world.all("/v1/jobs", 2).await.len(), 3);
    world
        .clock
        .advance(std::time::Duration::from_secs(25 * 3_600));
    send(Role::Operator, "k-1", "One")
        .await
        .problem(409, "name_taken");
}

/// Whichever answer of the table is lost: asking again with the same key gives what was done, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_table_that_is_lost_holds_no_key_up() {
    let plan = FaultPlan::new();
    let faults = plan.clone();
    let world = World::with(ApiSettings::default(), |table| {
        Arc::new(FaultTable::new(table, faults))
    })
    .await;
    // Whoever waits before trying again does so by this clock.
    let clock = world.clock.clone();
    let ticking = tokio::spawn(async move {
        loop {
            clock.advance(std::time::Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    });
    let mut faulty = 0;
    for number in 1..=12 {
        let _ = plan
            .clone()
            .at(plan.calls() + number, CallFault::AnswerLost);
        let (name, before) = (format!("Job {number}"), plan.faults());
        let key = format!("k-{number}");
        let mut tries = 0;
        loop {
            tries += 1;
            let ask = world.ask(Role::Operator, "POST", "/v1/jobs");
            let ask = ask.json(&definition(&name)).header("idempotency-key", &key);
            let answer = ask.send().await;
            if answer.status.as_u16() == 201 {
                break;
            }
            assert!(tries < 3, "call {number}: {answer:?}");
            answer.expect(503);
        }
        faulty += plan.faults() - before;
    }
    assert!(faulty >= 6, "{faulty}");
    assert_eq!(world.all("/v1/jobs", 50).await.len(), 12);
    ticking.abort();
}
