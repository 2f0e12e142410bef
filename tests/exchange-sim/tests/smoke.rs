//! The basic path over HTTP: token, users, folders, change feed, MIME, batch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;

use client::Client;
use exchange_sim::SimTenant;
use serde_json::json;

#[tokio::test]
async fn a_client_walks_through_the_tenant() {
    let sim = SimTenant::builder()
        .seed(3)
        .mailboxes(2)
        .items_per_mailbox(150)
        .start()
        .await
        .unwrap();
    let client = Client::login(&sim).await;
    let users = client.get("/users?$select=id,mail&$top=2").await;
    assert_eq!(users.status, 200);
    assert_eq!(users.body["value"].as_array().unwrap().len(), 2);
    assert!(users.body["@odata.nextLink"].is_string());

    let truth = sim.admin().mailboxes();
    let user = &truth[0].id;
    let mut present = 0;
    for folder in client.folder_delta(user).await {
        if folder["@odata.type"] == "#microsoft.graph.mailSearchFolder" {
            continue;
        }
        let id = folder["id"].as_str().unwrap();
        let (items, _) = client.first_round(user, id, "id,subject").await;
        assert_eq!(
            items.len() as u64,
            folder["totalItemCount"].as_u64().unwrap()
        );
        present += items.len() as u64;
        if let Some(item) = items.first() {
            let item = item["id"].as_str().unwrap();
            let mime = client
                .raw(&format!("/users/{user}/messages/{item}/$value"))
                .await;
            let parsed = mail_parser::MessageParser::default().parse(&mime).unwrap();
            assert_eq!(
                parsed.subject().unwrap_or_default(),
                items[0]["subject"].as_str().unwrap()
            );
        }
    }
    assert_eq!(present, truth[0].items);

    let batch = client
        .post(
            "/$batch",
            json!({"requests": [
                {"id": "1", "method": "GET", "url": format!("/users/{user}/mailboxSettings/userPurpose")},
                {"id": "2", "method": "GET", "url": format!("/users/{user}/mailFolders/nowhere")},
            ]}),
        )
        .await;
    let mut statuses: Vec<u64> = batch.body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
    sim.shutdown().await;
}
