//! What KMS may answer, and what is remembered of it.

use std::sync::Arc;

use mailkeep_aws::KmsKeys;
use mailkeep_aws::kms::{MOST_REMEMBERED, REMEMBERED_FOR};
use mailkeep_ports::{KeyService, KeyServiceErrorKind as Kind, ServiceSecret, TestClock};

use crate::canned::{Canned, answer, config};

const JSON: &str = "content-type: application/x-amz-json-1.1\n";

async fn keys(server: &Canned, clock: &Arc<TestClock>) -> KmsKeys {
    KmsKeys::new(
        &config(&server.url).await,
        Some("alias/mail".into()),
        clock.clone(),
    )
}

#[tokio::test]
async fn each_answer_has_its_kind() {
    for (code, attempts, kind) in [
        ("InvalidCiphertextException", 1, Kind::WrongKey),
        ("IncorrectKeyException", 1, Kind::WrongKey),
        ("NotFoundException", 1, Kind::Missing),
        ("DisabledException", 1, Kind::Missing),
        ("KMSInvalidStateException", 1, Kind::Missing),
        ("AccessDeniedException", 1, Kind::Denied),
        ("ThrottlingException", 3, Kind::Unavailable),
    ] {
        let body = format!("{{\"__type\":\"{code}\",\"message\":\"no\"}}");
        let refusals = (0..attempts).map(|_| answer(400, JSON, &body));
        let server = Canned::start(refusals).await;
        let keys = keys(&server, &Arc::default()).await;
        let error = keys.open(b"sealed", "vault").await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error}");
        assert!(error.to_string().contains("alias/mail"), "{error}");
    }
}

#[tokio::test]
async fn an_opened_key_is_remembered_for_a_time_and_for_its_context() {
    // 32 bytes of zero.
    let body = format!("{{\"Plaintext\":\"{}=\"}}", "A".repeat(43));
    let server = Canned::start(vec![answer(200, JSON, &body); 40]).await;
    let clock = Arc::new(TestClock::default());
    let keys = keys(&server, &clock).await;
    let open = async |sealed: usize, context: &str| {
        let sealed = [1, u8::try_from(sealed).unwrap()];
        let opened = keys.open(&sealed, context).await.unwrap();
        assert_eq!(opened, ServiceSecret::new([0; 32]));
        server.requests().len()
    };
    assert_eq!((open(0, "a").await, open(0, "a").await), (1, 1));
    assert_eq!(open(0, "b").await, 2);
    assert!(server.bodies()[1].contains("\"mailkeep:vault\":\"b\""));
    clock.advance(REMEMBERED_FOR);
    assert_eq!((open(0, "a").await, open(0, "a").await), (3, 3));
    // The oldest makes room.
    for sealed in 1..=MOST_REMEMBERED {
        open(sealed, "a").await;
    }
    let asked = server.requests().len();
    assert_eq!(open(MOST_REMEMBERED, "a").await, asked);
    assert_eq!(open(0, "a").await, asked + 1);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let server = Canned::start([answer(200, JSON, "{\"Plaintext\":\"AAAA\"}")]).await;
    let keys = keys(&server, &Arc::default()).await;
    let error = keys.open(b"sealed", "vault").await.unwrap_err();
    assert_eq!(error.kind, Kind::WrongKey, "{error}");
}
