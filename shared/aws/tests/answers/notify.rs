//! What SES and SNS may answer.

use std::sync::Arc;

use mailkeep_aws::AwsNotify;
use mailkeep_model::news::{NotificationSettings, SesSender, Topic};
use mailkeep_ports::conformance::message;
use mailkeep_ports::{MemoryNotify, Notify, NotifyError, NotifyErrorKind as Kind, Recipient};

use crate::canned::{Canned, answer, config};

const SECRET: &str = "ann@contoso.example";

async fn deliver(server: &Canned, to: Recipient) -> Result<(), NotifyError> {
    let mut settings = NotificationSettings::new();
    settings.ses = Some(SesSender {
        from: "backup@contoso.example".to_owned(),
        configuration_set: Some("backup".to_owned()),
    });
    settings.topics = ["ops", "ops.fifo"]
        .map(|name| Topic {
            name: name.to_owned(),
            arn: format!("arn:aws:sns:eu-central-1:1:{name}"),
        })
        .into();
    let config = config(&server.url).await;
    let notify = AwsNotify::new(&config, &settings, Arc::new(MemoryNotify::new()));
    notify.deliver(&to, &message("run-1", "Text")).await
}

fn ses_refusal(status: u16, code: &str) -> String {
    let headers = format!("content-type: application/json\nx-amzn-errortype: {code}\n");
    answer(status, &headers, &format!("{{\"message\":\"{SECRET}\"}}"))
}

fn sns_refusal(status: u16, code: &str) -> String {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{SECRET}</Message></Error></ErrorResponse>"
    );
    answer(status, "content-type: text/xml\n", &body)
}

#[tokio::test]
async fn each_answer_of_ses_has_its_kind_and_none_is_quoted() {
    for (status, code, kind, attempts) in [
        (400, "MessageRejected", Kind::Refused, 1),
        (400, "MailFromDomainNotVerifiedException", Kind::Denied, 1),
        (400, "SendingPausedException", Kind::Busy, 1),
        (400, "BadRequestException", Kind::BadAddress, 1),
        (404, "NotFoundException", Kind::Refused, 1),
        (403, "AccessDeniedException", Kind::Denied, 1),
        (429, "TooManyRequestsException", Kind::Busy, 3),
    ] {
        let answers = (0..attempts).map(|_| ses_refusal(status, code));
        let server = Canned::start(answers).await;
        let sent = deliver(&server, Recipient::Mail(SECRET.to_owned())).await;
        let error = sent.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn each_answer_of_sns_has_its_kind_and_none_is_quoted() {
    for (status, code, kind, attempts) in [
        (404, "NotFound", Kind::BadAddress, 1),
        (403, "AuthorizationError", Kind::Denied, 1),
        (400, "InvalidParameter", Kind::Refused, 1),
        (400, "KMSAccessDenied", Kind::Denied, 1),
        (400, "Throttling", Kind::Busy, 3),
    ] {
        let answers = (0..attempts).map(|_| sns_refusal(status, code));
        let server = Canned::start(answers).await;
        let sent = deliver(&server, Recipient::Topic("ops".to_owned())).await;
        let error = sent.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn a_mail_says_what_it_is_and_a_fifo_topic_gets_what_it_needs() {
    let taken = answer(
        200,
        "content-type: application/json\n",
        "{\"MessageId\":\"1\"}",
    );
    let server = Canned::start([taken]).await;
    deliver(&server, Recipient::Mail(SECRET.to_owned()))
        .await
        .unwrap();
    let body: serde_json::Value = serde_json::from_str(&server.bodies()[0]).unwrap();
    assert_eq!(body["ConfigurationSetName"], "backup");
    assert_eq!(body["Destination"]["ToAddresses"][0], SECRET);
    let headers = body["Content"]["Simple"]["Headers"].to_string();
    assert!(
        headers.contains("auto-generated") && headers.contains("run-1"),
        "{headers}"
    );

    let body = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
    let taken = answer(200, "content-type: text/xml\n", body);
    let server = Canned::start([taken]).await;
    let to = Recipient::Topic("ops.fifo".to_owned());
    deliver(&server, to).await.unwrap();
    let body = &server.bodies()[0];
    for part in [
        "MessageDeduplicationId=run-1",
        "MessageGroupId=mailkeep",
        "MessageStructure=json",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}
