//! Connections by API: their secrets go in and never come out.

use mailkeep_api::auth::Role;
use serde_json::{Value, json};

use crate::support::World;

const SECRET: &str = "s3cr3t-that-nobody-sees";

fn reach(world: &World, secret: &str) -> Value {
    json!({"graph": {
        "tenant": world.sim.tenant_id, "client_id": world.sim.client_id,
        "login_url": world.sim.base_url(), "graph_url": world.sim.base_url(),
        "credential": {"secret": secret},
    }})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_stored_tested_replaced_and_forgotten_and_its_secret_is_never_shown() {
    let world = World::start().await;
    let mut seen = String::new();
    let body = json!({"name": "contoso", "reach": reach(&world, SECRET)});
    let made = world.post("/v1/connections", &body).await.expect(201);
    assert_eq!(made.header("location"), "/v1/connections/contoso");
    seen += &String::from_utf8_lossy(&made.bytes);
    let taken = world
        .post("/v1/connections", &body)
        .await
        .problem(409, "name_taken");
    seen += &taken.to_string();
    let path = "/v1/connections/contoso";
    let test = format!("{path}/test");
    let refused = world.post(&test, &json!({})).await;
    assert_eq!(
        refused.status.as_u16(),
        502,
        "a wrong secret is refused by the tenant"
    );
    seen += &refused.problem(502, "source_refused").to_string();

    let right = reach(&world, &world.sim.client_secret.clone());
    let put = world
        .ask(Role::Administrator, "PUT", path)
        .json(&right)
        .send()
        .await;
    seen += &String::from_utf8_lossy(&put.expect(200).bytes);
    let tested = world
        .ask(Role::Administrator, "POST", &test)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&tested["backups_work"], &tested["restores_work"]),
        (&json!(true), &json!(true))
    );
    let listed = world.all(&format!("{path}/mailboxes"), 200).await;
    assert_eq!(listed.len(), 2);

    let all = world.all("/v1/connections", 1).await;
    assert_eq!(all[0]["sign_in"], "secret");
    seen += &Value::from(all).to_string();
    seen += &world.get(path).await.expect(200).json().to_string();
    let audit = world.all("/v1/audit", 50).await;
    seen += &Value::from(audit).to_string();
    // What is wrong is told without quoting what was sent.
    for wrong in [
        json!({"name": "x", "reach": {"graph": {"tenant": "t", "client_id": "c", "credential": {"secret": [SECRET]}}}}),
        json!({"name": "x", "reach": {"graph": {"tenant": "t", "client_id": "c", "credential": SECRET}}}),
        json!({"name": "x y", "reach": reach(&world, SECRET)}),
        json!({"name": "x", "secret": SECRET, "reach": reach(&world, SECRET)}),
    ] {
        let answer = world.post("/v1/connections", &wrong).await.expect(422);
        seen += &answer.json().to_string();
    }
    for secret in [SECRET, &world.sim.client_secret] {
        assert!(!seen.contains(secret), "{seen}");
    }
    let delete = || world.ask(Role::Administrator, "DELETE", path).send();
    delete().await.expect(204);
    delete().await.problem(404, "no_such_connection");
    world
        .post(&test, &json!({}))
        .await
        .problem(404, "no_such_connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_exchange_are_checked_and_stored() {
    let world = World::start().await;
    let exchange = |mailboxes: Value| {
        json!({"name": "hq", "reach": {"exchange": {
            "organisation": "mail.example", "url": "https://mail.example/EWS/Exchange.asmx",
            "login": {"ntlm": {"user": "CORP\\svc", "password": SECRET}},
            "access": "delegate", "mailboxes": mailboxes,
        }}})
    };
    let empty = exchange(json!([]));
    world
        .post("/v1/connections", &empty)
        .await
        .problem(422, "invalid_field");
    let made = exchange(json!(["a@mail.example"]));
    let made = world
        .post("/v1/connections", &made)
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&made["protocol"], &made["access"]),
        (&json!("exchange"), &json!("delegate"))
    );
    assert_eq!(
        (&made["realm"], &made["mailboxes"]),
        (&json!("mail.example"), &json!(1))
    );
    assert!(!made.to_string().contains(SECRET));
}
