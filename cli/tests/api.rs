//! The HTTP API of `mailkeep serve`, from the first key to the last byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod support;

use exchange_sim::{MailProfile, SimTenant};
use serde_json::{Value, json};
use support::World;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// `mailkeep serve` with its API, and a client.
struct Service {
    child: Child,
    base: String,
    key: String,
    http: reqwest::Client,
}

impl Service {
    async fn start(world: &World) -> Self {
        let made = world
            .json(&["api-key", "add", "test", "--role", "administrator"])
            .await;
        let key = made.expect(0).object("api_key_added")["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut command = world.command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "2",
            "--json",
            "--log-level",
            "info",
        ]);
        command.stdout(std::process::Stdio::piped());
        let log = std::fs::File::create(world.path("serve.log")).unwrap();
        command.stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let serving: Value =
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        // Nobody reads on, and nothing stops because of that.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            base: format!("http://{}/v1", serving["listen"].as_str().unwrap()),
            key,
            http: reqwest::Client::new(),
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Vec<u8>) {
        let method: reqwest::Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.bytes().await.unwrap().to_vec())
    }

    #[track_caller]
    fn json(answer: (u16, Vec<u8>), status: u16) -> Value {
        let text = String::from_utf8_lossy(&answer.1);
        assert_eq!(answer.0, status, "{text}");
        serde_json::from_slice(&answer.1).unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        Self::json(self.send("GET", path, None).await, 200)
    }

    async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        Self::json(self.send("POST", path, Some(body)).await, status)
    }

    /// Asks until what is there fits: planner and messenger look once a second, an answer takes less than a
    /// millisecond.
    async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..60_000 {
            last = self.get(path).await;
            if fits(&last) {
                return last;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path} does not become that: {last}");
    }

    async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        let status = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status();
        assert!(status.unwrap().success());
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_made_run_and_looked_into_by_api() {
    let tenant = SimTenant::builder()
        .mailboxes(2)
        .items_per_mailbox(12)
        .profile(MailProfile::Small)
        .unusual_mail(false)
        .other_accounts(false)
        .rebuild_mime(false);
    let world = World::ready(tenant).await;
    let service = Service::start(&world).await;
    assert_eq!(service.get("/health").await["status"], "ok");

    let definition = json!({
        "name": "All mail", "type": "one_time", "connection": support::CONNECTION, "storage": "main",
    });
    let job = service.post("/jobs", definition, 201).await;
    let job = format!("/jobs/{}", job["id"].as_str().unwrap());
    service.post(&format!("{job}/run"), json!({}), 202).await;
    let done = service
        .until(&job, |job| job["state"]["code"] == "completed")
        .await;
    assert_eq!(done["state"]["words"], "finished");
    let run = service.get(&format!("{job}/runs/1")).await;
    assert_eq!(
        (&run["tasks_ended"], &run["tasks_failed"]),
        (&json!(2), &json!(0))
    );
    let tasks = service.get(&format!("{job}/runs/1/tasks")).await;
    let task = &tasks["data"][0];
    assert_eq!(task["state"]["code"], "completed");
    let news = service
        .until("/events", |news| news["data"] != json!([]))
        .await;
    assert_eq!(news["data"][0]["type"], "completed");

    // Mailbox, restore point, item, message.
    let mailbox = format!("/mailboxes/{}", task["mailbox"].as_str().unwrap());
    let detail = service.get(&mailbox).await;
    let source = detail["owner"]["source_id"].as_str().unwrap();
    let address = detail["owner"]["address"].as_str().unwrap();
    let items = service.get(&format!("{mailbox}/items?limit=200")).await;
    assert_eq!(
        items["data"].as_array().unwrap().len(),
        detail["figures"]["items"]
    );
    let item = &items["data"][0];
    let search = json!({"filter": {"subject": item["subject"]}});
    let found = service
        .post(&format!("{mailbox}/items/search"), search, 200)
        .await;
    assert!(found["data"].as_array().unwrap().contains(item));
    let content = format!("{mailbox}/items/{}/content", item["id"].as_str().unwrap());
    let (status, bytes) = service.send("GET", &content, None).await;
    assert_eq!(status, 200);
    let admin = world.tenant.admin();
    let truth = admin.items(source).unwrap();
    let truth = truth
        .iter()
        .find(|it| it.internet_message_id.as_deref() == item["internet_message_id"].as_str());
    assert!(bytes == admin.raw(source, &truth.unwrap().id).unwrap());

    let audit = service.get("/audit").await;
    let operations: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["operation"])
        .collect();
    for wanted in [
        "getItemContent",
        "findItems",
        "listItems",
        "runJob",
        "createJob",
    ] {
        assert!(operations.contains(&&json!(wanted)), "{operations:?}");
    }
    let key = service.key.clone();
    service.stop().await;

    // Neither what one looked at, nor whose it is, nor the key is in the log.
    let log = std::fs::read_to_string(world.path("serve.log")).unwrap();
    assert!(log.contains("getItemContent"), "{log}");
    let subject = item["subject"].as_str().unwrap();
    for hidden in [
        address,
        subject,
        source,
        &key,
        key.rsplit('_').next().unwrap(),
    ] {
        assert!(!log.contains(hidden), "{hidden}\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_listed_and_removed_and_the_api_is_not_offered_to_the_network() {
    let tenant = SimTenant::builder().mailboxes(1).items_per_mailbox(1);
    let world = World::ready(tenant).await;
    let made = world
        .run(&["api-key", "add", "ci", "--role", "operator", "--days", "2"])
        .await;
    let made = made.expect(0);
    let key = made.text().trim().to_owned();
    assert!(key.starts_with("mk_") && made.stderr.contains("only time"));
    let listed = world.json(&["api-key", "ls"]).await.expect(0);
    assert!(!listed.text().contains(&key));
    let listed = listed.object("api_key");
    assert_eq!(
        (&listed["name"], &listed["roles"]),
        (&json!("ci"), &json!(["operator"]))
    );
    let id = listed["id"].as_str().unwrap();
    world.run(&["api-key", "rm", id]).await.expect(0);
    world.run(&["api-key", "rm", id]).await.expect(1);
    world
        .run(&["api-key", "add", "ci", "--role", "root"])
        .await
        .expect(2);
    world
        .run(&["api-key", "add", " ", "--role", "viewer"])
        .await
        .expect(2);
    let refused = world
        .run(&["serve", "--listen", "0.0.0.0:0"])
        .await
        .expect(2);
    assert!(refused.stderr.contains("TLS"), "{}", refused.stderr);
    world.run(&["serve", "--behind-tls-proxy"]).await.expect(2);
}
