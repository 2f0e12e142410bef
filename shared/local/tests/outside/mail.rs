use mailkeep_local::notify::SmtpNotify;
use mailkeep_model::news::{MailServer, Security};
use mailkeep_ports::NotifyErrorKind as Kind;

use crate::smtp::{Protection, Rules, Server};
use crate::{message, secrets, tls};

fn settings(server: &Server, security: Security) -> MailServer {
    MailServer {
        server: "localhost".to_owned(),
        port: Some(server.port),
        security,
        from: "mailkeep@contoso.example".to_owned(),
        user: None,
        password: None,
        ca: (security != Security::None).then(|| "env:CA".to_owned()),
    }
}

async fn notify(settings: &MailServer) -> SmtpNotify {
    let secrets = secrets(&[("CA", tls::AUTHORITY), ("PASSWORD", b"hunter2")]);
    SmtpNotify::new(settings, &secrets).await.unwrap()
}

async fn failure(rules: Rules, security: Security, to: &str) -> (Kind, String) {
    let server = Server::start(rules).await;
    let notify = notify(&settings(&server, security)).await;
    let error = notify.deliver(to, &message()).await.unwrap_err();
    assert_eq!(server.taken(), []);
    (error.kind, error.to_string())
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = Server::start(Rules::default()).await;
    let notify = notify(&settings(&server, Security::None)).await;
    notify
        .deliver("ann@contoso.example", &message())
        .await
        .unwrap();
    let taken = server.taken().pop().unwrap();
    assert_eq!(taken.from, "mailkeep@contoso.example");
    assert_eq!(taken.to, ["ann@contoso.example"]);
    let (head, body) = taken.text.split_once("\n\n").unwrap();
    for line in [
        "From: mailkeep@contoso.example",
        "To: ann@contoso.example",
        "Date: Tue, 03 Feb 2026 10:20:30 +0000",
        "Message-ID: <news-run-1@contoso.example>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(
            head.lines().any(|it| it == line),
            "{line} is not in\n{head}"
        );
    }
    assert!(head.is_ascii(), "{head}");
    // Dots at the start of a line survive the way.
    assert!(body.contains("\n.\n.. a line with dots"), "{body}");
}

#[tokio::test]
async fn nothing_is_said_before_the_connection_is_protected() {
    for (protection, security) in [
        (Protection::StartTls, Security::StartTls),
        (Protection::Tls, Security::Tls),
    ] {
        let rules = Rules {
            protection,
            login: Some("mailkeep\0hunter2"),
            ..Rules::default()
        };
        let server = Server::start(rules).await;
        let mut settings = settings(&server, security);
        settings.user = Some("mailkeep".to_owned());
        settings.password = Some("env:PASSWORD".to_owned());
        let notify = notify(&settings).await;
        notify
            .deliver("ann@contoso.example", &message())
            .await
            .unwrap();
        let taken = server.taken();
        assert_eq!(taken.len(), 1);
        assert!(taken[0].was_protected);
    }
}

#[tokio::test]
async fn a_server_that_offers_no_protection_gets_nothing() {
    let plain = Rules::default();
    let (kind, _) = failure(plain, Security::StartTls, "a@b.example").await;
    assert_eq!(kind, Kind::Denied);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    for (protection, security) in [
        (Protection::StartTls, Security::StartTls),
        (Protection::Tls, Security::Tls),
    ] {
        let server = Server::start(Rules {
            protection,
            ..Rules::default()
        })
        .await;
        let mut settings = settings(&server, security);
        settings.ca = None;
        let error = notify(&settings).await;
        let error = error.deliver("a@b.example", &message()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Denied, "{error}");
        assert!(error.to_string().contains("`ca`"), "{error}");
        assert_eq!(server.taken(), []);
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_hold_no_secret() {
    let with = |recipient, data| Rules {
        recipient,
        data,
        ..Rules::default()
    };
    for (rules, kind) in [
        (
            with("550 no such user ann@b.example", "250 ok"),
            Kind::BadAddress,
        ),
        (with("452 too many", "250 ok"), Kind::Busy),
        (with("250 ok", "421 shutting down"), Kind::Busy),
        (with("250 ok", "554 spam by ann@b.example"), Kind::Refused),
    ] {
        let (found, words) = failure(rules, Security::None, "ann@b.example").await;
        assert_eq!(found, kind, "{words}");
        assert!(!words.contains("ann@"), "{words}");
    }
    let mut rules = with("250 ok", "250 ok");
    rules.login = Some("somebody\0else");
    let server = Server::start(rules).await;
    let mut settings = settings(&server, Security::None);
    settings.user = Some("mailkeep".to_owned());
    settings.password = Some("env:PASSWORD".to_owned());
    let error = notify(&settings).await;
    let error = error.deliver("a@b.example", &message()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let (kind, _) = failure(Rules::default(), Security::None, "no address").await;
    assert_eq!(kind, Kind::BadAddress);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = Server::start(Rules::default()).await;
    let settings = settings(&server, Security::None);
    drop(server);
    tokio::task::yield_now().await;
    let error = notify(&settings).await;
    let error = error.deliver("a@b.example", &message()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_with_its_field() {
    let server = Server::start(Rules::default()).await;
    let mut settings = settings(&server, Security::Tls);
    let bad = secrets(&[("CA", b"no certificate")]);
    let error = SmtpNotify::new(&settings, &bad).await.err().unwrap();
    assert!(error.to_string().starts_with("ca: "), "{error}");
    settings.ca = None;
    settings.user = Some("mailkeep".to_owned());
    settings.password = Some("env:MISSING".to_owned());
    let error = SmtpNotify::new(&settings, &bad).await.err().unwrap();
    assert!(error.to_string().starts_with("password: "), "{error}");
}
