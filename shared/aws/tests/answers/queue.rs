//! What SQS may answer.

use std::time::Duration;

use mailkeep_aws::SqsQueue;
use mailkeep_ports::{Outgoing, Queue, QueueErrorKind as Kind, Receipt};

use crate::canned::{Canned, answer, config};

const JSON: &str = "content-type: application/x-amz-json-1.0\n";

fn refusal(code: &str) -> String {
    let body = format!("{{\"__type\":\"com.amazonaws.sqs#{code}\",\"message\":\"no\"}}");
    answer(400, JSON, &body)
}

async fn queue(server: &Canned) -> SqsQueue {
    let url = format!("{}/1/queue", server.url);
    let dead = format!("{}/1/dead", server.url);
    SqsQueue::new(&config(&server.url).await, url, dead)
}

fn three() -> Vec<Outgoing> {
    ["a", "b", "c"].map(Outgoing::now).into()
}

/// An answer to a batch in which these messages failed.
fn partly(failed: &[(&str, bool)]) -> String {
    let failed: Vec<_> = failed
        .iter()
        .map(|(id, is_sender)| {
            format!("{{\"Id\":\"{id}\",\"SenderFault\":{is_sender},\"Code\":\"Odd\"}}")
        })
        .collect();
    let body = format!("{{\"Successful\":[],\"Failed\":[{}]}}", failed.join(","));
    answer(200, JSON, &body)
}

#[tokio::test]
async fn each_answer_has_its_kind() {
    for (code, attempts, kind) in [
        ("ReceiptHandleIsInvalid", 1, Kind::Gone),
        ("MessageNotInflight", 1, Kind::Gone),
        ("InvalidParameterValue", 1, Kind::Gone),
        ("QueueDoesNotExist", 1, Kind::Invalid),
        ("RequestThrottled", 3, Kind::Busy),
        ("ThrottlingException", 3, Kind::Busy),
        ("AccessDeniedException", 1, Kind::Denied),
        ("KmsAccessDenied", 1, Kind::Denied),
    ] {
        let server = Canned::start((0..attempts).map(|_| refusal(code))).await;
        let receipt = Receipt("handle".into());
        let extended = queue(&server).await.extend(&receipt, Duration::ZERO).await;
        let error = extended.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error}");
    }
}

#[tokio::test]
async fn what_a_batch_left_behind_is_sent_again() {
    let answers = [
        partly(&[("0", false), ("2", false)]),
        partly(&[("2", false)]),
        partly(&[]),
    ];
    let server = Canned::start(answers).await;
    queue(&server).await.send(three()).await.unwrap();
    assert_eq!(server.requests().len(), 3);

    let server = Canned::start((0..3).map(|_| partly(&[("1", false)]))).await;
    let error = queue(&server).await.send(three()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy, "{error}");

    let server = Canned::start([partly(&[("1", true)])]).await;
    let error = queue(&server).await.send(three()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid, "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_dead_letter_is_acknowledged_in_its_own_queue() {
    let message = r#"{"Messages":[{"Body":"b","ReceiptHandle":"h","Attributes":{"ApproximateReceiveCount":"3"}}]}"#;
    let server = Canned::start([answer(200, JSON, message), answer(200, JSON, "{}")]).await;
    let queue = queue(&server).await;
    let dead = queue.dead_letters(1, Duration::from_secs(1)).await.unwrap();
    assert_eq!((dead.len(), dead[0].receives), (1, 3));
    queue.acknowledge(&dead[0].receipt).await.unwrap();
    let bodies = server.bodies();
    assert!(
        bodies.iter().all(|body| body.contains("/1/dead")),
        "{bodies:?}"
    );
    assert!(bodies[1].contains("\"ReceiptHandle\":\"h\""), "{bodies:?}");
}
