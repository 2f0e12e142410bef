//! What S3 and stores like it may answer.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use bytes::Bytes;
use mailkeep_aws::S3Store;
use mailkeep_ports::{
    ByteRange, Condition, ETag, GetOptions, Key, ListOptions, PutOptions, Retention, Store,
    StoreError, StoreErrorKind as Kind, sha256,
};
use tokio::net::TcpListener;

use crate::canned::{Canned, answer, config};

async fn store(server: &Canned) -> S3Store {
    S3Store::with_config(location(&server.url), &config(&server.url).await)
}

fn location(url: &str) -> mailkeep_aws::S3Location {
    format!("s3://bucket/v?endpoint={url}").parse().unwrap()
}

fn error(status: u16, code: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>said the store</Message></Error>");
    answer(status, "", &body)
}

fn key() -> Key {
    Key::new("m/x/log/1").unwrap()
}

async fn put(store: &S3Store, condition: Condition) -> Result<ETag, StoreError> {
    let options = PutOptions {
        condition,
        sha256: Some(sha256(b"body")),
        ..PutOptions::default()
    };
    store.put(&key(), Bytes::from("body"), options).await
}

#[tokio::test]
async fn each_answer_to_a_write_has_its_kind_and_is_not_retried_here() {
    let if_match = || Condition::IfMatch(ETag("\"1\"".into()));
    for (condition, status, code, kind) in [
        (
            Condition::IfAbsent,
            412,
            "PreconditionFailed",
            Kind::AlreadyExists,
        ),
        (if_match(), 412, "PreconditionFailed", Kind::Changed),
        (
            Condition::IfAbsent,
            409,
            "ConditionalRequestConflict",
            Kind::Conflict,
        ),
        (
            if_match(),
            409,
            "ConditionalRequestConflict",
            Kind::Conflict,
        ),
        (if_match(), 404, "NoSuchKey", Kind::Missing),
        (Condition::IfAbsent, 501, "NotImplemented", Kind::Invalid),
        (Condition::None, 503, "SlowDown", Kind::Busy),
        (Condition::None, 503, "ServiceUnavailable", Kind::Busy),
        (Condition::None, 429, "TooManyRequests", Kind::Busy),
        (Condition::None, 500, "InternalError", Kind::Unavailable),
        (Condition::None, 502, "", Kind::Unavailable),
        (Condition::None, 400, "RequestTimeout", Kind::Unavailable),
        (Condition::None, 400, "BadDigest", Kind::Corrupt),
        (Condition::None, 403, "AccessDenied", Kind::Denied),
        (Condition::None, 403, "InvalidAccessKeyId", Kind::Denied),
        (Condition::None, 403, "SignatureDoesNotMatch", Kind::Denied),
        (Condition::None, 400, "ExpiredToken", Kind::Denied),
        (Condition::None, 403, "RequestTimeTooSkewed", Kind::Denied),
        (Condition::None, 404, "NoSuchBucket", Kind::Invalid),
        (Condition::None, 301, "PermanentRedirect", Kind::Invalid),
        (
            Condition::None,
            400,
            "AuthorizationHeaderMalformed",
            Kind::Invalid,
        ),
        (Condition::None, 507, "XMinioStorageFull", Kind::Full),
        (Condition::None, 400, "InvalidRequest", Kind::Invalid),
    ] {
        let server = Canned::start([error(status, code)]).await;
        let error = put(&store(&server).await, condition).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {code}: {error}");
        assert!(error.to_string().contains("m/x/log/1"), "{error}");
        assert!(error.to_string().contains("bucket"), "{error}");
        assert_eq!(server.requests().len(), 1, "{status} {code}");
    }
}

#[tokio::test]
async fn a_write_says_what_it_wants() {
    let server = Canned::start([answer(200, "etag: \"7\"\n", "")]).await;
    let etag = put(&store(&server).await, Condition::IfAbsent).await;
    assert_eq!(etag.unwrap(), ETag("\"7\"".into()));
    let request = server.requests().remove(0).to_lowercase();
    assert!(request.starts_with("put /bucket/v/m/x/log/1"), "{request}");
    for header in [
        "if-none-match: *",
        "content-length: 4",
        // Of "body".
        "x-amz-checksum-sha256: iw2dwnyoijc0xy3utiks7i8gnxrpklziybmoap4xrlu=",
    ] {
        assert!(request.contains(header), "{header} in {request}");
    }
    assert!(!request.contains("x-amz-storage-class"), "{request}");
}

#[tokio::test]
async fn a_store_that_asks_to_wait_is_heard() {
    let body = "<Error><Code>SlowDown</Code></Error>";
    let server = Canned::start([answer(503, "retry-after: 7\n", body)]).await;
    let error = put(&store(&server).await, Condition::None)
        .await
        .unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn broken_answers_are_unavailable() {
    let time = "last-modified: Wed, 21 Oct 2026 07:28:00 GMT\n";
    let with = |more: &str| format!("etag: \"7\"\n{time}{more}");
    let part = GetOptions::range(ByteRange::Range(2..4));
    for (what, answer, options) in [
        ("no answer", String::new(), GetOptions::default()),
        ("no HTTP", "hello\r\n\r\n".to_owned(), GetOptions::default()),
        (
            "cut off",
            answer(200, &with(""), "0123").replace("content-length: 4", "content-length: 9"),
            GetOptions::default(),
        ),
        (
            "another checksum",
            answer(200, &with("x-amz-checksum-crc32: AAAAAA==\n"), "0123"),
            GetOptions::default(),
        ),
        ("no ETag", answer(200, time, "0123"), GetOptions::default()),
        (
            "another part",
            answer(206, &with("content-range: bytes 0-1/9\n"), "01"),
            part.clone(),
        ),
        (
            "a part without its place",
            answer(206, &with("content-range: bytes */9\n"), "23"),
            part.clone(),
        ),
        (
            "a part of another length",
            answer(206, &with("content-range: bytes 2-3/9\n"), "234"),
            part,
        ),
    ] {
        let server = Canned::start([answer]).await;
        let got = store(&server).await.get(&key(), options).await;
        let error = got.expect_err(what);
        assert_eq!(error.kind, Kind::Unavailable, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_store_without_ranges_still_gives_parts() {
    let headers = "etag: \"7\"\nlast-modified: Wed, 21 Oct 2026 07:28:00 GMT\n";
    let server = Canned::start([answer(200, headers, "0123456789")]).await;
    let options = GetOptions::range(ByteRange::Suffix(3));
    let object = store(&server).await.get(&key(), options).await.unwrap();
    assert_eq!((object.body.as_ref(), object.offset), (&b"789"[..], 7));
    assert_eq!(object.info.size_bytes, 10);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let headers = "etag: \"7\"\nlast-modified: Wed, 21 Oct 2026 07:28:00 GMT\n";
    let huge = answer(200, headers, "x").replace("content-length: 1", "content-length: 99999999");
    let server = Canned::start([huge]).await;
    let got = store(&server)
        .await
        .get(&key(), GetOptions::default())
        .await;
    assert_eq!(got.unwrap_err().kind, Kind::Invalid);
}

fn page(names: &[&str], is_truncated: bool) -> String {
    let objects: String = names
        .iter()
        .map(|name| {
            format!(
                "<Contents><Key>{name}</Key><Size>1</Size><ETag>\"1\"</ETag>\
                 <LastModified>2026-10-21T07:28:00.000Z</LastModified></Contents>"
            )
        })
        .collect();
    let body = format!(
        "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{objects}</ListBucketResult>"
    );
    answer(200, "", &body)
}

#[tokio::test]
async fn pages_of_what_others_left_are_skipped() {
    let pages = [
        page(&["v/", "v/a folder/", "v/b c"], true),
        page(&["v/x", "v/y/"], true),
        page(&[], false),
    ];
    let server = Canned::start(pages).await;
    let store = store(&server).await;
    let page = store.list(ListOptions::default()).await.unwrap();
    let names: Vec<_> = page.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(names, ["x"]);
    assert_eq!(server.requests().len(), 2);
    let rest = ListOptions {
        start_after: page.next,
        ..ListOptions::default()
    };
    let page = store.list(rest).await.unwrap();
    assert!(page.objects.is_empty() && page.next.is_none());
    let last = server.requests().remove(2);
    assert!(last.contains("start-after=v%2Fy%2F"), "{last}");
}

#[tokio::test]
async fn listings_that_would_lose_objects_are_refused() {
    for (what, answers, kind) in [
        (
            "another order",
            vec![page(&["v/b", "v/a"], false)],
            Kind::Invalid,
        ),
        (
            "nothing, but more to come",
            vec![page(&[], true)],
            Kind::Unavailable,
        ),
        (
            "the same again",
            vec![page(&["v/ö"], true), page(&["v/ö"], true)],
            Kind::Unavailable,
        ),
    ] {
        let server = Canned::start(answers).await;
        let listed = store(&server).await.list(ListOptions::default()).await;
        assert_eq!(listed.expect_err(what).kind, kind, "{what}");
    }
}

const HEAD: &str = "etag: \"7\"\nlast-modified: Wed, 21 Oct 2026 07:28:00 GMT\n\
                    x-amz-object-lock-mode: COMPLIANCE\n\
                    x-amz-object-lock-retain-until-date: 2027-01-01T00:00:00.000Z\n";

#[tokio::test]
async fn a_refused_deletion_says_whether_a_lock_is_the_reason() {
    let held = "etag: \"7\"\nx-amz-object-lock-legal-hold: ON\n";
    for (head, kind, words) in [
        (HEAD, Kind::Locked, "2027-01-01"),
        (held, Kind::Locked, "legal hold"),
        ("etag: \"7\"\n", Kind::Denied, "AccessDenied"),
    ] {
        let answers = [answer(200, head, ""), error(403, "AccessDenied")];
        let server = Canned::start(answers).await;
        let deleted = store(&server).await.delete(&key(), Condition::None).await;
        let error = deleted.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_refused_extension_says_whether_a_lock_is_the_reason() {
    let until = |text: &str| Retention {
        mode: mailkeep_ports::LockMode::Compliance,
        until: text.parse().unwrap(),
    };
    for (text, kind) in [
        ("2026-12-01T00:00:00Z", Kind::Locked),
        ("2027-12-01T00:00:00Z", Kind::Denied),
    ] {
        let answers = [error(403, "AccessDenied"), answer(200, HEAD, "")];
        let server = Canned::start(answers).await;
        let store = store(&server).await;
        let extended = store.extend_retention(&key(), until(text)).await;
        assert_eq!(extended.unwrap_err().kind, kind, "{text}");
    }
}

#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error: provider::Result = Err(CredentialsError::not_loaded("no profile has any"));
        future::ProvideCredentials::ready(error)
    }
}

#[tokio::test]
async fn missing_credentials_and_a_wrong_endpoint_are_told_apart() {
    let server = Canned::start([]).await;
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Nobody)
        .endpoint_url(&server.url)
        .load()
        .await;
    let store = S3Store::with_config(location(&server.url), &config);
    let error = store.head(&key()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.to_string().contains("AWS_PROFILE"), "{error}");
    assert!(server.requests().is_empty());

    // The port of a listener that is gone.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = S3Store::with_config(location(&url), &crate::canned::config(&url).await);
    let error = store.head(&key()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("endpoint"), "{error}");
}
