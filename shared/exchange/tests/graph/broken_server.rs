//! A server that answers what the simulator never would.

use std::sync::Arc;

use mailkeep_exchange::Source;
use mailkeep_exchange::graph::{Cloud, Credential, GraphConnection, GraphSource};
use mailkeep_model::{FailureClass, Item, ItemId, SourceMailboxId};
use mailkeep_ports::SeededRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::setup::{clock, collect};

const TOKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 59\r\n\
    Connection: close\r\n\r\n{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":999}";

/// A source on a server that gives one token and then always `answer`.
async fn source(answer: &'static str) -> GraphSource {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let length = socket.read(&mut request).await.unwrap_or(0);
                let is_token = request[..length].starts_with(b"POST /t/oauth2");
                let text = if is_token { TOKEN } else { answer };
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
