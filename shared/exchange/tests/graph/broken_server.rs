//! A server that answers what the simulator never would.

use std::sync::Arc;

use mailkeep_exchange::graph::{Cloud, Credential, GraphConnection, GraphSource};
use mailkeep_exchange::{FolderCursor, ItemChange, Source};
use mailkeep_model::{FailureClass, FolderId, Item, ItemId, SourceMailboxId};
use mailkeep_ports::SeededRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::setup::{clock, collect};

const TOKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 59\r\n\
    Connection: close\r\n\r\n{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":999}";

/// A source on a server that gives one token and then always `answer`.
async fn source(answer: &'static str) -> GraphSource {
    scripted(move |_| answer.to_owned()).await
}

/// A JSON answer.
fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A source on a server that gives one token and then what `answer` says to each request.
async fn scripted(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> GraphSource {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let length = socket.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]);
                let text = match request.starts_with("POST /t/oauth2") {
                    true => TOKEN.to_owned(),
                    false => answer(&request),
                };
                let _ = socket.write_all(text.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    let secret = Credential::Secret("s3cr3t".to_owned().into());
    let connection = GraphConnection {
        login_url: base.clone(),
        graph_url: base,
        ..GraphConnection::new("t", "c", secret, Cloud::Worldwide)
    };
    GraphSource::new(&connection, clock(), Arc::new(SeededRng::new(1))).unwrap()
}

fn mailbox() -> SourceMailboxId {
    SourceMailboxId("m".into())
}

fn item() -> Item {
    Item::new(
        ItemId("secret-item".into()),
        mailkeep_model::FolderId("f".into()),
    )
}

async fn content_error(answer: &'static str) -> mailkeep_exchange::SourceError {
    let source = source(answer).await;
    match source.content(&mailbox(), &item()).await {
        Ok(content) => collect(content).await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nFrom: a\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         9\r\nFrom: a\r\n\r\n5\r\nTo",
    ] {
        let error = content_error(answer).await;
        assert_eq!(error.class, FailureClass::Connection);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let error = content_error(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n",
    )
    .await;
    assert_eq!(error.class, FailureClass::Configuration);
}

#[tokio::test]
async fn errors_hold_neither_address_nor_secret() {
    for answer in [
        "HTTP/1.1 503 Busy\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>",
        "HTTP/1.1 200 OK\r\nContent-Length: 99",
        "rubbish",
        "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 403 No\r\nContent-Length: 75\r\nConnection: close\r\n\r\n\
         {\"error\":{\"code\":\"ErrorAccessDenied\",\"message\":\"ann@x.example may not.....\"}}",
    ] {
        let error = content_error(answer).await;
        let text = format!("{error:?} {error}");
        for secret in ["s3cr3t", "secret-item", "127.0.0.1", "ann@"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn nothing_there_is_a_connection_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let secret = Credential::Secret("s3cr3t".to_owned().into());
    let connection = GraphConnection {
        login_url: base.clone(),
        graph_url: base,
        ..GraphConnection::new("t", "c", secret, Cloud::Worldwide)
    };
    let source = GraphSource::new(&connection, clock(), Arc::new(SeededRng::new(1))).unwrap();
    let error = source.mailboxes(None).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (FailureClass::Connection, "connect")
    );
}

#[tokio::test]
async fn a_service_that_does_not_expand_in_a_feed_is_asked_item_by_item() {
    let source = scripted(|request| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        if request.contains("$expand") && request.starts_with("GET") {
            let refusal = r#"{"error":{"code":"ErrorInvalidUrlQuery","message":"No expand."}}"#;
            return json("400 Bad Request", refusal);
        }
        if request.starts_with("GET") {
            let link = format!("http://{host}/v1.0/users/m/mailFolders/f/messages/delta?$deltatoken=1");
            let page = serde_json::json!({ "value": [{ "id": "a" }, { "id": "b" }, { "id": "gone" }],
                "@odata.deltaLink": link });
            return json("200 OK", &page.to_string());
        }
        let item = |id: &str| {
            serde_json::json!({ "id": id, "parentFolderId": "f", "subject": format!("Subject {id}"),
                "singleValueExtendedProperties": [{ "id": "Integer 0xe08", "value": "77" }] })
        };
        let error = serde_json::json!({ "error": { "code": "ErrorItemNotFound" } });
        let answer = serde_json::json!({ "responses": [
            { "id": "1", "status": 200, "body": item("b") },
            { "id": "2", "status": 404, "body": error },
            { "id": "0", "status": 200, "body": item("a") },
        ] });
        json("200 OK", &answer.to_string())
    })
    .await;
    let folder = FolderCursor {
        folder: FolderId("f".into()),
        cursor: None,
    };
    let page = source.changes(&mailbox(), &folder).await.unwrap();
    assert!(page.is_last);
    let found = crate::setup::present(&page.changes);
    let subjects: Vec<&str> = found
        .iter()
        .map(|item| item.item.subject.as_str())
        .collect();
    assert_eq!(subjects, ["Subject a", "Subject b"]);
    assert!(found.iter().all(|item| item.item.size_bytes == 77));
    assert!(
        page.changes
            .contains(&ItemChange::Removed(ItemId("gone".into())))
    );
}
