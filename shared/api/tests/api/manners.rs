//! What holds for every request: bounds, strictness, ids, headers, stopping.

use std::time::Duration;

use mailkeep_api::ApiSettings;
use mailkeep_api::auth::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{World, definition};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_refused_with_a_reason() {
    let world = World::start().await;
    let post = || world.ask(Role::Administrator, "POST", "/v1/jobs");
    let json = "application/json";
    for (body, kind, status, code) in [
        ("{", json, 400, "invalid_json"),
        ("[]", json, 422, "invalid_body"),
        ("", json, 422, "invalid_body"),
        ("{}", "text/plain", 415, "unsupported_media_type"),
        (
            "{\"name\": 1}",
            "Application/JSON; charset=utf-8",
            422,
            "invalid_body",
        ),
    ] {
        let answer = post().header("content-type", kind).raw(body).send().await;
        answer.problem(status, code);
    }
    let large = "x".repeat((1 << 20) + 1);
    post()
        .raw(large)
        .send()
        .await
        .problem(413, "body_too_large");
    for path in [
        "/v1/jobs?limit=0",
        "/v1/jobs?limit=201",
        "/v1/jobs?limit=x",
        "/v1/jobs?colour=1",
        "/v1/version?x=1",
    ] {
        world.get(path).await.problem(400, "invalid_request");
    }
    world
        .get("/v1/jobs?cursor=AAAA")
        .await
        .problem(400, "invalid_cursor");
    world
        .get("/v1/jobs/a%2Fb")
        .await
        .problem(404, "no_such_job");
    world.get("/v1/jobs/%FF").await.expect(404);
}

/// What the document does not permit is not taken, either, even where it could be understood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_document_forbids_is_refused() {
    let world = World::start().await;
    let (_, mailbox) = world.mailbox().await;
    let search = format!("/v1/mailboxes/{mailbox}/items/search");
    for list in [json!([]), json!({"filter": []})] {
        let refused = world.post(&search, &list).await;
        let problem = refused.problem(422, "invalid_body");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("expected an object"), "{detail}");
    }
    world.connect("simulated").await;
    let test = "/v1/connections/simulated/test";
    for wrong in ["", &"x".repeat(1_001)] {
        let refused = world.post(test, &json!({"mailbox": wrong})).await;
        let problem = refused.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], "mailbox");
    }
    let secret = "s".repeat(16_385);
    let connection = json!({"name": "new", "reach": {"graph": {
        "tenant": "t", "client_id": "c", "credential": {"secret": secret},
    }}});
    let refused = world.post("/v1/connections", &connection).await;
    let problem = refused.problem(422, "invalid_body");
    assert!(!problem.to_string().contains("ssss"), "{problem}");
    let ask = world.ask(Role::Administrator, "DELETE", "/v1/jobs/x");
    let empty = ask.header("if-match", "").send().await;
    empty.problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_id_and_is_not_stored_on_the_way() {
    let world = World::start().await;
    for path in [
        "/v1/health",
        "/v1/version",
        "/v1/nothing",
        "/v1/storages/other",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
    let own = |id: &'static str| {
        let ask = world.ask(Role::Viewer, "GET", "/v1/me");
        ask.header("x-request-id", id).send()
    };
    assert_eq!(own("mine-1").await.header("x-request-id"), "mine-1");
    assert_eq!(own("not mine").await.header("x-request-id").len(), 32);
    assert_eq!(own("mine-1").await.json()["roles"], json!(["viewer"]));
    let health = world.ask_as(None, "GET", "/v1/health").send().await;
    assert_eq!(health.expect(200).json(), json!({"status": "ok"}));
    let nobody = world.ask_as(None, "GET", "/v1/me").send().await;
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    nobody.problem(401, "credentials_missing");
    let storages = world.all("/v1/storages", 1).await;
    assert_eq!(storages[0]["name"], "main");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_may_be_worked_on_are_told_to_come_back() {
    let settings = ApiSettings {
        max_requests: 0,
        ..ApiSettings::default()
    };
    let world = World::with(settings, |table| table).await;
    let answer = world.get("/v1/version").await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "busy");
}

/// Sends the head of a request that says that a body follows, and never sends it.
async fn slow(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(&world.base["http://".len()..])
        .await
        .unwrap();
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 9\r\n\r\n",
        world.keys[&Role::Operator]
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let world = World::start().await;
    let sleepers = world.clock.sleepers();
    let mut stream = slow(&world).await;
    while world.clock.sleepers() <= sleepers {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(31));
    let mut answer = vec![0; 400];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_stop_nobody_is_let_in_and_who_is_in_may_finish() {
    let world = World::start().await;
    world.get("/v1/version").await.expect(200);
    let sleepers = world.clock.sleepers();
    let mut stream = slow(&world).await;
    while world.clock.sleepers() <= sleepers {
        tokio::task::yield_now().await;
    }
    world.stop.stop();
    world.clock.advance(Duration::from_millis(250));
    // The socket closes; then what is under way still gets its answer.
    while TcpStream::connect(&world.base["http://".len()..])
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    let rest = &definition("A").to_string()[..9];
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}
