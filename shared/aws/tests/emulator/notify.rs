//! News by SES and by SNS.

use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use mailkeep_aws::AwsNotify;
use mailkeep_model::news::{NotificationSettings, SesSender, Topic};
use mailkeep_ports::conformance::{self, KnownRecipients, Mailroom};
use mailkeep_ports::{MemoryNotify, Notify as _, NotifyErrorKind, Recipient};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{config, endpoint, fresh_name};

fn settings() -> NotificationSettings {
    let mut settings = NotificationSettings::new();
    settings.ses = Some(SesSender {
        from: "backup@contoso.example".to_owned(),
        configuration_set: None,
    });
    settings
}

async fn notify(settings: &NotificationSettings) -> AwsNotify {
    let others = Arc::new(MemoryNotify::new());
    AwsNotify::new(&config().await, settings, others)
}

/// What the emulator sent to one address.
struct Outbox(String);

#[async_trait]
impl Mailroom for Outbox {
    async fn arrived(&self) -> Vec<String> {
        let all: Value = serde_json::from_str(&ask("/_ministack/ses/messages").await).unwrap();
        let mut found = vec![];
        collect(&all, &self.0, &mut found);
        found
    }
}

/// Asks the emulator itself.
async fn ask(path: &str) -> String {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The emulator groups mails by account; each of ours is an object that names its recipients.
fn collect(value: &Value, to: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let is_to =
                |value: &Value| value.as_array().is_some_and(|all| all.contains(&to.into()));
            if members.get("To").is_some_and(is_to) {
                assert_eq!(members["Source"], "backup@contoso.example");
                found.push(value.to_string());
            } else {
                members.values().for_each(|value| collect(value, to, found));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, to, found)),
        _ => {}
    }
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn mail_by_ses_keeps_the_contract() {
    let client = aws_sdk_sesv2::Client::new(&config().await);
    let domain = client
        .create_email_identity()
        .email_identity("contoso.example");
    // Another run on the same emulator made it.
    let _ = domain.send().await;
    let to = format!("{}@contoso.example", fresh_name("ann"));
    let outbox = Outbox(to.clone());
    let known = KnownRecipients {
        good: Recipient::Mail(to),
        bad: vec![
            Recipient::Mail("no address".to_owned()),
            Recipient::Topic("operators".to_owned()),
        ],
        mailroom: &outbox,
    };
    let notify = notify(&settings()).await;
    conformance::notify(&notify, &known).await.unwrap();
}

/// A queue that subscribes to a topic.
struct Subscriber {
    client: aws_sdk_sqs::Client,
    url: String,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Mailroom for Subscriber {
    async fn arrived(&self) -> Vec<String> {
        loop {
            let receive = self.client.receive_message().queue_url(&self.url);
            let answer = receive.max_number_of_messages(10).send().await.unwrap();
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return self.seen.lock().unwrap().clone();
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                let delete = self.client.delete_message().queue_url(&self.url);
                delete.receipt_handle(handle).send().await.unwrap();
                self.seen.lock().unwrap().push(message.body.unwrap());
            }
        }
    }
}

async fn topic(name: &str) -> (Topic, Subscriber) {
    let config = config().await;
    let (sns, client) = (
        aws_sdk_sns::Client::new(&config),
        aws_sdk_sqs::Client::new(&config),
    );
    let url = client.create_queue().queue_name(name).send().await.unwrap();
    let url = url.queue_url.unwrap();
    let asked = client.get_queue_attributes().queue_url(&url);
    let asked = asked.attribute_names(QueueAttributeName::QueueArn);
    let queue = asked.send().await.unwrap().attributes.unwrap();
    let queue = queue[&QueueAttributeName::QueueArn].clone();
    let arn = sns.create_topic().name(name).send().await.unwrap();
    let arn = arn.topic_arn.unwrap();
    let subscribe = sns.subscribe().topic_arn(&arn).protocol("sqs");
    subscribe.endpoint(queue).send().await.unwrap();
    let topic = Topic {
        name: "ops".to_owned(),
        arn,
    };
    let seen = Mutex::default();
    (topic, Subscriber { client, url, seen })
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn topics_keep_the_contract_and_give_json_to_programs() {
    let (topic, subscriber) = topic(&fresh_name("news")).await;
    let mut settings = settings();
    settings.topics = vec![
        topic.clone(),
        Topic {
            name: "gone".to_owned(),
            arn: format!("{}-that-is-gone", topic.arn),
        },
    ];
    let notify = notify(&settings).await;
    let known = KnownRecipients {
        good: Recipient::Topic("ops".to_owned()),
        bad: vec![
            Recipient::Topic("gone".to_owned()),
            Recipient::Topic("developers".to_owned()),
        ],
        mailroom: &subscriber,
    };
    conformance::notify(&notify, &known).await.unwrap();
    let first = subscriber.arrived().await.remove(0);
    let envelope: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(envelope["Subject"], "News run-1.a_b");
    let sent = conformance::message("run-1.a_b", "The backup is complete.");
    assert_eq!(envelope["Message"], sent.json);
    let id = &envelope["MessageAttributes"]["mailkeep-message-id"]["Value"];
    assert_eq!(id, "run-1.a_b");
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn what_is_neither_goes_another_way() {
    let others = Arc::new(MemoryNotify::new());
    let notify = AwsNotify::new(&config().await, &settings(), others.clone());
    let hook = Recipient::Webhook("ops".to_owned());
    let message = conformance::message("a", "b");
    notify.deliver(&hook, &message).await.unwrap();
    assert_eq!(others.delivered().len(), 1);
    let without = AwsNotify::new(
        &config().await,
        &NotificationSettings::new(),
        others.clone(),
    );
    let mail = Recipient::Mail("ann@contoso.example".to_owned());
    others.fail_next(mail.clone(), NotifyErrorKind::Denied, false);
    let refused = without.deliver(&mail, &message).await.unwrap_err();
    assert_eq!(refused.kind, NotifyErrorKind::Denied);
}
