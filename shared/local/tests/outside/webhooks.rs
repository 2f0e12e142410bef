use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use mailkeep_local::notify::WebhookNotify;
use mailkeep_model::news::Webhook;
use mailkeep_ports::{Clock, NotifyErrorKind as Kind, TestClock};

use crate::http::{Receiver, Request, status};
use crate::{message, secrets};

const KEY: &[u8] = b"a key of more than 16 bytes";

fn webhook(port: u16) -> Webhook {
    Webhook {
        name: "ops".to_owned(),
        url: format!("http://127.0.0.1:{port}/hook?token=hidden"),
        secret: "env:KEY".to_owned(),
        ca: None,
    }
}

async fn notify(port: u16, clock: &Arc<TestClock>) -> WebhookNotify {
    let secrets = secrets(&[("KEY", KEY)]);
    let clock: Arc<dyn Clock> = clock.clone();
    WebhookNotify::new(&webhook(port), &secrets, clock)
        .await
        .unwrap()
}

/// What a receiver does: the signature must be right and fresh.
fn is_genuine(request: &Request, now: i64) -> bool {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let time: i64 = header("webhook-timestamp").parse().unwrap_or_default();
    let signed = format!("{}.{time}.{}", header("webhook-id"), request.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
    let signature = header("webhook-signature");
    let signature = signature.strip_prefix("v1,").unwrap_or_default();
    let signature = BASE64.decode(signature.as_bytes()).unwrap_or_default();
    (now - time).abs() <= 300 && hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn a_message_arrives_with_a_signature_that_can_be_checked() {
    let receiver = Receiver::start(&[&status(204, "")]).await;
    let clock = Arc::new(TestClock::default());
    let notify = notify(receiver.port, &clock).await;
    notify.deliver(&message()).await.unwrap();
    let request = receiver.requests().pop().unwrap();
    assert_eq!(request.line, "POST /hook?token=hidden HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["webhook-id"], "news-run-1");
    assert_eq!(request.body, message().json);
    let now = clock.now().timestamp();
    assert!(is_genuine(&request, now));
    // Changed, or sent again much later, it is not.
    assert!(!is_genuine(&request, now + 3_600));
    let changed = Request {
        body: request.body.replace('1', "2"),
        ..request
    };
    assert!(!is_genuine(&changed, now));
}

#[tokio::test]
async fn what_passes_is_tried_again_a_few_times_with_the_same_id_and_a_new_signature() {
    let bad = status(500, "");
    let receiver = Receiver::start(&[&bad, &bad, &status(200, "")]).await;
    let clock = Arc::new(TestClock::default());
    let notify = notify(receiver.port, &clock).await;
    notify.deliver(&message()).await.unwrap();
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    let distinct = |header: &str| {
        let values = requests.iter().map(|it| it.headers[header].clone());
        values.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(distinct("webhook-id"), 1);
    assert_eq!(distinct("webhook-signature"), 3);
    assert_eq!(clock.total_slept(), Duration::from_secs(3));
    let receiver = Receiver::start(&[&bad]).await;
    let notify = self::notify(receiver.port, &clock).await;
    let error = notify.deliver(&message()).await.unwrap_err();
    assert_eq!(
        (error.kind, receiver.requests().len()),
        (Kind::Unreachable, 3)
    );
}

#[tokio::test]
async fn whoever_asks_for_a_long_wait_is_left_alone() {
    let receiver = Receiver::start(&[&status(429, "retry-after: 120\r\n")]).await;
    let clock = Arc::new(TestClock::default());
    let error = notify(receiver.port, &clock)
        .await
        .deliver(&message())
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    assert_eq!(error.retry_after, Some(Duration::from_secs(120)));
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Receiver::start(&[&status(200, "")]).await;
    for code in [301, 302, 307, 308] {
        let target = format!("location: http://127.0.0.1:{}/x\r\n", elsewhere.port);
        let receiver = Receiver::start(&[&status(code, &target)]).await;
        let notify = notify(receiver.port, &Arc::new(TestClock::default())).await;
        let error = notify.deliver(&message()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{code}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn refusals_are_told_apart_and_hold_no_address() {
    for (code, kind) in [
        (400, Kind::Refused),
        (401, Kind::Denied),
        (403, Kind::Denied),
        (404, Kind::BadAddress),
        (410, Kind::BadAddress),
        (413, Kind::Refused),
    ] {
        let receiver = Receiver::start(&[&status(code, "")]).await;
        let notify = notify(receiver.port, &Arc::new(TestClock::default())).await;
        let error = notify.deliver(&message()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        assert_eq!(receiver.requests().len(), 1);
    }
    let receiver = Receiver::start(&[&status(200, "")]).await;
    let notify = notify(receiver.port, &Arc::new(TestClock::default())).await;
    drop(receiver);
    tokio::task::yield_now().await;
    let error = notify.deliver(&message()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(!error.to_string().contains("hidden"), "{error}");
}

#[tokio::test]
async fn a_weak_or_missing_key_is_told_with_its_field() {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
    for bad in [secrets(&[("KEY", b"short")]), secrets(&[])] {
        let error = WebhookNotify::new(&webhook(1), &bad, clock.clone()).await;
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with("secret: "), "{error}");
        assert!(!error.contains("short;"), "{error}");
    }
}
