//! What DynamoDB may answer.

use mailkeep_aws::DynamoTable;
use mailkeep_ports::{ItemKey, Query, Table, TableErrorKind as Kind, Write};

use crate::canned::{Canned, answer, config};

fn refusal(code: &str, more: &str) -> String {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
    let body = format!("{{\"__type\":\"{kind}\",\"message\":\"said the table\"{more}}}");
    answer(400, "content-type: application/x-amz-json-1.0\n", &body)
}

async fn table(server: &Canned) -> DynamoTable {
    DynamoTable::new(&config(&server.url).await, "jobs")
}

fn key(sort: &str) -> ItemKey {
    ItemKey::new("p", sort).unwrap()
}

#[tokio::test]
async fn each_answer_has_its_kind() {
    for (code, attempts, kind) in [
        ("ConditionalCheckFailedException", 1, Kind::Conflict),
        ("ProvisionedThroughputExceededException", 3, Kind::Busy),
        ("ThrottlingException", 3, Kind::Busy),
        ("RequestLimitExceeded", 3, Kind::Busy),
        ("TransactionConflictException", 1, Kind::Busy),
        ("AccessDeniedException", 1, Kind::Denied),
        ("UnrecognizedClientException", 1, Kind::Denied),
        ("ResourceNotFoundException", 1, Kind::Invalid),
        ("ValidationException", 1, Kind::Invalid),
        (
            "ItemCollectionSizeLimitExceededException",
            1,
            Kind::TooLarge,
        ),
    ] {
        let server = Canned::start((0..attempts).map(|_| refusal(code, ""))).await;
        let write = Write::create(key("s"), "x");
        let error = table(&server).await.write(write).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error}");
        assert_eq!(server.requests().len(), attempts, "{code}");
        assert!(error.to_string().contains("p s"), "{error}");
    }
}

#[tokio::test]
async fn a_cancelled_transaction_says_which_write_lost() {
    for (codes, kind, at) in [
        (["None", "ConditionalCheckFailed"], Kind::Conflict, Some(1)),
        (["TransactionConflict", "None"], Kind::Busy, None),
        (["None", "ThrottlingError"], Kind::Busy, None),
        (
            ["TransactionConflict", "ConditionalCheckFailed"],
            Kind::Conflict,
            Some(1),
        ),
        (["ValidationError", "None"], Kind::Invalid, None),
    ] {
        let reasons = codes
            .map(|code| format!("{{\"Code\":\"{code}\"}}"))
            .join(",");
        let more = format!(",\"CancellationReasons\":[{reasons}]");
        let refused = refusal("TransactionCanceledException", &more);
        let server = Canned::start([refused.clone(), refused.clone(), refused]).await;
        let writes = ["a", "b"].map(|sort| Write::create(key(sort), "x"));
        let transact = table(&server).await.transact(writes.into()).await;
        let error = transact.unwrap_err();
        assert_eq!(
            (error.kind, error.conflict_at),
            (kind, at),
            "{codes:?} {error}"
        );
    }
}

#[tokio::test]
async fn what_others_wrote_is_not_taken_for_ours() {
    for item in [
        r#"{"pk":{"S":"p"},"sk":{"S":"s"}}"#,
        r#"{"pk":{"S":"p"},"sk":{"S":"s"},"ver":{"N":"1"},"body":{"S":"text"}}"#,
        r#"{"pk":{"S":"p"},"sk":{"S":"s"},"ver":{"N":"x"},"body":{"B":"AA=="}}"#,
        r#"{"pk":{"S":"p"},"sk":{"S":"s"},"ver":{"N":"1"},"body":{"B":"AA=="},"ttl":{"S":"x"}}"#,
    ] {
        let header = "content-type: application/x-amz-json-1.0\n";
        let one = answer(200, header, &format!("{{\"Item\":{item}}}"));
        let server = Canned::start([one]).await;
        let error = table(&server).await.get(&key("s")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt, "{item}: {error}");
        let many = answer(200, header, &format!("{{\"Items\":[{item}]}}"));
        let server = Canned::start([many]).await;
        let error = table(&server).await.query(&Query::prefix("p", "")).await;
        assert_eq!(error.unwrap_err().kind, Kind::Corrupt, "{item}");
    }
}
