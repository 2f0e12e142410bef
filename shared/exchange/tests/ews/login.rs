//! Logins, and answers that are no EWS.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use base64_simd::STANDARD;
use mailkeep_exchange::Source;
use mailkeep_exchange::ews::{EwsLogin, MailboxAccess};
use mailkeep_model::{FailureClass, SourceMailboxId};
use mailkeep_ports::Clock;
use secrecy::SecretString;

use super::server::{Request, Response, Server};
use super::{ann, canned, rig, rig_with};
use mailkeep_exchange::SyncRequest;

/// A mailbox without folders but the root.
fn empty_mailbox(request: &Request) -> Response {
    match request.operation().as_str() {
        "FindFolder" => canned::folders(""),
        "GetFolder" => canned::well_known(request),
        other => panic!("{other}"),
    }
}

fn ntlm(connection: &mut mailkeep_exchange::ews::EwsConnection) {
    connection.login = EwsLogin::Ntlm {
        user: "CORP\\backup".into(),
        password: SecretString::from("hush"),
    };
}

/// A second message with the server's time.
fn challenge() -> String {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([0; 8]);
    message.extend(0xa289_8205u32.to_le_bytes());
    message.extend([7; 8]);
    message.extend([0; 8]);
    message.extend([16, 0, 16, 0, 56, 0, 0, 0]);
    message.extend([0; 8]);
    message.extend([7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    message.extend([0; 4]);
    format!("NTLM {}", STANDARD.encode_to_string(message))
}

/// Logs connections in as IIS does: not requests.
fn ntlm_server(is_forgetful: bool) -> impl Fn(&Request) -> Response + Send + Sync {
    let states: Mutex<HashMap<usize, u8>> = Mutex::default();
    move |request| {
        let mut states = states.lock().unwrap();
        let state = states.entry(request.connection).or_default();
        let message = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("NTLM "))
            .map(|text| STANDARD.decode_to_vec(text).unwrap()[8]);
        match (message, *state) {
            (Some(1), _) => {
                assert_eq!(request.body, "");
                *state = 1;
                Response::status(401).with("WWW-Authenticate", &challenge())
            }
            (Some(3), 1) => {
                *state = if is_forgetful { 0 } else { 2 };
                empty_mailbox(request)
            }
            (None, 2) => empty_mailbox(request),
            _ => Response::status(401)
                .with("WWW-Authenticate", "Negotiate")
                .with("WWW-Authenticate", "NTLM"),
        }
    }
}

#[tokio::test]
async fn ntlm_logs_a_connection_in_once() {
    let rig = rig_with(Server::start(ntlm_server(false)).await, ntlm);
    for _ in 0..3 {
        rig.source
            .sync(&ann(), SyncRequest::default())
            .await
            .unwrap();
    }
    let requests = rig.server.requests();
    assert_eq!(requests.len(), 1 + 6, "one message more than calls");
    assert!(requests.iter().all(|request| request.connection == 1));
}

#[tokio::test]
async fn a_connection_that_lost_its_login_gets_another() {
    let rig = rig_with(Server::start(ntlm_server(true)).await, ntlm);
    rig.source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap();
    rig.source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wrong_password_stops_the_connection() {
    let refuse = |request: &Request| match request.header("authorization") {
        Some(text) if text.starts_with("NTLM TlRMTVNTUAAB") => {
            Response::status(401).with("WWW-Authenticate", &challenge())
        }
        _ => Response::status(401).with("WWW-Authenticate", "NTLM"),
    };
    let rig = rig_with(Server::start(refuse).await, ntlm);
    let error = rig
        .source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::AuthCredential);
    assert_eq!(
        rig.server.requests().len(),
        2,
        "a password must not be tried again and again"
    );
    assert!(!format!("{error:?}").contains("hush"));
}

#[tokio::test]
async fn a_server_without_ntlm_says_so() {
    let server =
        Server::start(|_| Response::status(401).with("WWW-Authenticate", "Basic realm=\"x\""));
    let rig = rig_with(server.await, ntlm);
    let error = rig
        .source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (FailureClass::AuthCredential, "ntlm_401")
    );
}

#[tokio::test]
async fn basic_impersonation_and_routing() {
    let rig = rig(Server::start(|request| {
        empty_mailbox(request).with(
            "Set-Cookie",
            "X-BackEndOverrideCookie=back1; path=/; secure",
        )
    })
    .await);
    rig.source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap();
    let bob = SourceMailboxId("bob@corp.example".into());
    rig.source.sync(&bob, SyncRequest::default()).await.unwrap();
    let requests = rig.server.requests();
    let first = &requests[0];
    assert_eq!(
        first.header("authorization"),
        Some("Basic YmFja3VwOmh1c2g=")
    );
    assert_eq!(first.header("x-anchormailbox"), Some("ann@corp.example"));
    assert!(
        first
            .body
            .contains("<t:PrimarySmtpAddress>ann@corp.example<")
    );
    assert_eq!(first.header("cookie"), None);
    assert_eq!(
        requests[1].header("cookie"),
        Some("X-BackEndOverrideCookie=back1")
    );
    assert_eq!(
        requests[2].header("cookie"),
        None,
        "cookies belong to a mailbox"
    );
}

#[tokio::test]
async fn pages_that_are_no_ews() {
    for (status, class) in [
        (302, FailureClass::Configuration),
        (200, FailureClass::Configuration),
        (403, FailureClass::Configuration),
        (404, FailureClass::Configuration),
        (413, FailureClass::RequestBug),
        (503, FailureClass::Transient),
    ] {
        let server = Server::start(move |_| Response::status(status)).await;
        let rig = rig(server);
        let tree = rig.source.sync(&ann(), SyncRequest::default()).await;
        let error = tree.and_then(|round| round.tree.map(|_| ())).unwrap_err();
        assert_eq!(error.class, class, "{status}");
        let expected = if class == FailureClass::Transient {
            6
        } else {
            1
        };
        assert_eq!(rig.server.requests().len(), expected, "{status}");
    }
}

#[tokio::test]
async fn an_older_server_is_asked_in_its_version() {
    let server = Server::start(|request| {
        if request.body.contains("Exchange2013") {
            return Response {
                status: 200,
                ..canned::fault("ErrorInvalidServerVersion", None)
            };
        }
        if request.body.contains("conversationhistory") {
            return canned::fault("ErrorSchemaValidation", None);
        }
        empty_mailbox(request)
    });
    let rig = rig(server.await);
    rig.source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap()
        .tree
        .unwrap();
    let last = rig.server.requests().pop().unwrap();
    assert!(last.body.contains("Version=\"Exchange2010_SP2\""));
}

#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let asked = Mutex::new(0);
    let server = Server::start(move |request| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        match *asked {
            1 => canned::fault("ErrorServerBusy", Some(297_749)),
            _ => empty_mailbox(request),
        }
    });
    let rig = rig(server.await);
    rig.source
        .sync(&ann(), SyncRequest::default())
        .await
        .unwrap()
        .tree
        .unwrap();
    assert_eq!(rig.clock.monotonic(), Duration::from_millis(297_749));
    assert_eq!(rig.source.metrics(Some(&ann())).throttles, 1);
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_told_and_holds_for_the_whole_budget() {
    for access in [MailboxAccess::Impersonation, MailboxAccess::Delegate] {
        let server = Server::start(|_| canned::fault("ErrorServerBusy", Some(3_000_000)));
        let rig = rig_with(server.await, |connection| connection.access = access);
        let round = rig
            .source
            .sync(&ann(), SyncRequest::default())
            .await
            .unwrap();
        let error = round.tree.unwrap_err();
        assert_eq!(error.class, FailureClass::Throttled);
        assert_eq!(error.retry_after, Some(Duration::from_secs(3000)));
        assert!(rig.source.throttled_until(&ann()).is_some());
        let bob = SourceMailboxId("bob@corp.example".into());
        let is_shared = access == MailboxAccess::Delegate;
        assert_eq!(rig.source.throttled_until(&bob).is_some(), is_shared);
        assert_eq!(rig.clock.monotonic(), Duration::ZERO);
    }
}
