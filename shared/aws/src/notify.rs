//! News by Amazon SES and Amazon SNS; everything else is left to others.
//!
//! * A mail by SES is plain text, of the sender whom the settings name. SES gives it an id of its own; ours
//!   stands in the header `X-Mailkeep-Message-Id`.
//! * A message to a topic is its text to people and its JSON to programs: SNS chooses by the kind of each
//!   subscription. Our id is an attribute, and what a FIFO topic drops doubled messages by.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message as Mail, MessageHeader,
};
use aws_sdk_sns::types::MessageAttributeValue;
use mailkeep_model::news::{NotificationSettings, SesSender};
use mailkeep_ports::{Message, Notify, NotifyError, NotifyErrorKind, Recipient};

use crate::fault::{Fault, FaultKind};

/// Longest subject of SNS, in ASCII.
const MAX_SUBJECT: usize = 99;
/// Largest message of SNS, less room for names and attributes.
const MAX_PUBLISHED: usize = 250 << 10;
/// The group of a FIFO topic: news stay in their order.
const GROUP: &str = "mailkeep";
const ID_HEADER: &str = "X-Mailkeep-Message-Id";
const ID_ATTRIBUTE: &str = "mailkeep-message-id";

/// Delivers mail by SES, when the settings say so, and to topics by SNS.
pub struct AwsNotify {
    ses: Option<(aws_sdk_sesv2::Client, SesSender)>,
    sns: aws_sdk_sns::Client,
    /// ARNs by name.
    topics: BTreeMap<String, String>,
    others: Arc<dyn Notify>,
}

impl AwsNotify {
    /// Delivers as these settings say; what is neither mail by SES nor a topic is left to `others`.
    #[must_use]
    pub fn new(
        config: &SdkConfig,
        settings: &NotificationSettings,
        others: Arc<dyn Notify>,
    ) -> Self {
        let ses = settings.ses.as_ref().map(|sender| {
            let config = aws_sdk_sesv2::config::Builder::from(config)
                .retry_config(crate::client::few_retries())
                .build();
            (aws_sdk_sesv2::Client::from_conf(config), sender.clone())
        });
        let config = aws_sdk_sns::config::Builder::from(config)
            .retry_config(crate::client::few_retries())
            .build();
        let topics = settings.topics.iter();
        Self {
            ses,
            sns: aws_sdk_sns::Client::from_conf(config),
            topics: topics
                .map(|topic| (topic.name.clone(), topic.arn.clone()))
                .collect(),
            others,
        }
    }

    /// True when these settings need this adapter.
    #[must_use]
    pub fn is_needed(settings: &NotificationSettings) -> bool {
        settings.ses.is_some() || !settings.topics.is_empty()
    }

    async fn mail(
        &self,
        client: &aws_sdk_sesv2::Client,
        sender: &SesSender,
        to: &str,
        message: &Message,
    ) -> Result<(), NotifyError> {
        if !is_address(to) {
            let cause = "this is no mail address";
            return Err(NotifyError::new(NotifyErrorKind::BadAddress, cause));
        }
        let content = mail(message).map_err(|_| unexpressed())?;
        let sent = client
            .send_email()
            .from_email_address(&sender.from)
            .set_configuration_set_name(sender.configuration_set.clone())
            .destination(Destination::builder().to_addresses(to).build())
            .content(EmailContent::builder().simple(content).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| of_ses(&Fault::of(&error)))
    }

    async fn publish(&self, arn: &str, message: &Message) -> Result<(), NotifyError> {
        let (body, structure) = published(message);
        let id = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(&message.id)
            .build()
            .map_err(|_| unexpressed())?;
        let is_fifo = arn.ends_with(".fifo");
        let sent = self
            .sns
            .publish()
            .topic_arn(arn)
            .subject(subject(&message.subject))
            .message(body)
            .set_message_structure(structure)
            .message_attributes(ID_ATTRIBUTE, id)
            .set_message_group_id(is_fifo.then(|| GROUP.to_owned()))
            .set_message_deduplication_id(is_fifo.then(|| message.id.clone()))
            .send()
            .await;
        sent.map(drop).map_err(|error| of_sns(&Fault::of(&error)))
    }
}

fn unexpressed() -> NotifyError {
    NotifyError::new(NotifyErrorKind::Refused, "the message cannot be expressed")
}

/// SES tells a bad address with the same code as a message that it does not like.
fn is_address(to: &str) -> bool {
    let is_plain = to.is_ascii() && !to.contains(char::is_whitespace);
    let halves = to.rsplit_once('@');
    is_plain && halves.is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
}

fn mail(message: &Message) -> Result<Mail, aws_sdk_sesv2::error::BuildError> {
    let text = |data: &str| Content::builder().data(data).charset("UTF-8").build();
    let header = |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build();
    Ok(Mail::builder()
        .subject(text(&message.subject)?)
        .body(Body::builder().text(text(&message.text)?).build())
        // Nobody's vacation notice should answer.
        .headers(header("Auto-Submitted", "auto-generated")?)
        .headers(header(ID_HEADER, &message.id)?)
        .build())
}

/// The body, and whether it holds one for each kind of subscription.
fn published(message: &Message) -> (String, Option<String>) {
    // SNS takes no empty message.
    let text = match message.text.as_str() {
        "" => message.subject.as_str(),
        text => text,
    };
    let json = message.json.as_str();
    let mut parts = BTreeMap::from([("default", text)]);
    for program in ["http", "https", "lambda", "sqs", "firehose"] {
        parts.insert(program, json);
    }
    let body = object(&parts);
    if body.len() <= MAX_PUBLISHED {
        return (body, Some("json".to_owned()));
    }
    // Too large for all: people get what fits.
    (start(text, MAX_PUBLISHED).to_owned(), None)
}

/// A JSON object of texts.
fn object(parts: &BTreeMap<&str, &str>) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}

/// As much of a text as fits.
fn start(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A subject as SNS takes it: ASCII, one line, short, and beginning with a letter, a digit or a sign.
fn subject(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        ' '..='~' => c,
        _ => '?',
    });
    let plain: String = plain.collect();
    let plain = start(plain.trim_start(), MAX_SUBJECT);
    if plain.is_empty() {
        "mailkeep".to_owned()
    } else {
        plain.to_owned()
    }
}

fn of_ses(fault: &Fault) -> NotifyError {
    use NotifyErrorKind as K;
    let (kind, cause) = match fault.code.as_deref().unwrap_or_default() {
        "MailFromDomainNotVerifiedException" => (
            K::Denied,
            "SES does not know the sender; verify its address or domain",
        ),
        // Its words hold addresses.
        "MessageRejected" => (
            K::Refused,
            "SES refused the message; verify the sender's address or domain, and while the account is in \
             the sandbox the recipient's",
        ),
        "AccountSuspendedException" => (K::Denied, "SES has suspended the account"),
        "SendingPausedException" => (K::Busy, "sending is paused in SES"),
        "NotFoundException" => (K::Refused, "SES has no such configuration set"),
        "BadRequestException" => (
            K::BadAddress,
            "SES takes neither sender nor recipient like this",
        ),
        _ => return general(fault, "SES", "ses:SendEmail"),
    };
    told(kind, cause, fault)
}

fn of_sns(fault: &Fault) -> NotifyError {
    use NotifyErrorKind as K;
    let (kind, cause) = match fault.code.as_deref().unwrap_or_default() {
        "NotFound" | "NotFoundException" => (
            K::BadAddress,
            "SNS has no such topic; check its ARN and the region",
        ),
        "AuthorizationError" | "AuthorizationErrorException" => {
            (K::Denied, "SNS does not let us in; it takes sns:Publish")
        }
        "KMSAccessDenied" | "KMSAccessDeniedException" => (
            K::Denied,
            "the topic's key does not permit this; it takes kms:GenerateDataKey and kms:Decrypt",
        ),
        "InvalidParameter" | "InvalidParameterException" | "InvalidParameterValue" => (
            K::Refused,
            "SNS refused the message; check that the ARN is a topic's",
        ),
        _ => return general(fault, "SNS", "sns:Publish"),
    };
    told(kind, cause, fault)
}

/// What means the same for both. Their own words may hold addresses and are not used.
fn general(fault: &Fault, service: &str, permission: &str) -> NotifyError {
    use NotifyErrorKind as K;
    let code = match (&fault.code, fault.status) {
        (Some(code), _) => format!(" ({code})"),
        (None, Some(status)) => format!(" (HTTP status {status})"),
        (None, None) => String::new(),
    };
    let (kind, cause) = match fault.kind {
        FaultKind::NoCredentials => (K::Denied, fault.words.clone()),
        FaultKind::Denied => (
            K::Denied,
            format!("{service} does not let us in{code}; it takes {permission}"),
        ),
        FaultKind::Busy => (K::Busy, format!("{service} asks to come back later{code}")),
        FaultKind::InDoubt => (K::Unreachable, format!("{service} did not answer{code}")),
        FaultKind::NotSent | FaultKind::Refused => {
            (K::Refused, format!("{service} refused the message{code}"))
        }
    };
    told(kind, &cause, fault)
}

fn told(kind: NotifyErrorKind, cause: &str, fault: &Fault) -> NotifyError {
    NotifyError {
        retry_after: fault.retry_after,
        ..NotifyError::new(kind, cause)
    }
}

#[async_trait]
impl Notify for AwsNotify {
    async fn deliver(&self, to: &Recipient, message: &Message) -> Result<(), NotifyError> {
        match (to, &self.ses) {
            (Recipient::Mail(address), Some((client, sender))) => {
                self.mail(client, sender, address, message).await
            }
            (Recipient::Topic(name), _) => match self.topics.get(name) {
                Some(arn) => self.publish(arn, message).await,
                None => Err(NotifyError::new(
                    NotifyErrorKind::BadAddress,
                    "there is no topic by this name in the settings",
                )),
            },
            _ => self.others.deliver(to, message).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_made_one_that_sns_takes() {
        assert_eq!(
            subject("[mailkeep] Nächtlich\nfailed"),
            "[mailkeep] N?chtlich?failed"
        );
        assert_eq!(subject(&"x".repeat(300)).len(), MAX_SUBJECT);
        assert_eq!(subject("  "), "mailkeep");
    }

    #[test]
    fn what_is_too_large_for_all_goes_to_people() {
        let message = |bytes: usize| Message {
            id: "a".to_owned(),
            at: chrono::DateTime::UNIX_EPOCH,
            subject: "s".to_owned(),
            text: "ü".repeat(bytes / 2),
            json: "{}".to_owned(),
        };
        let (body, structure) = published(&message(1_000));
        assert!(
            structure.is_some() && body.starts_with("{\"default\":\""),
            "{body}"
        );
        assert!(body.contains("\"sqs\":\"{}\""), "{body}");
        let (body, structure) = published(&message(300 << 10));
        assert!(structure.is_none() && body.len() <= MAX_PUBLISHED);
        let (body, _) = published(&message(0));
        assert!(body.contains("\"default\":\"s\""), "{body}");
    }
}
