//! A queue in SQS, and its queue of dead letters.
//!
//! * How often a message is received before it is a dead letter is a setting of the queue (its redrive
//!   policy), not of this adapter; `receive` hides messages for as long as its caller says.
//! * A batch of which SQS took only a part is sent again for the rest, a few times.
//! * `redrive` moves messages one by one: it sends, then deletes. Dying in between doubles a message,
//!   never loses one. (SQS can move them by itself, but not a given number, nor does it say how many.)
//! * Counts are approximate, as SQS has them.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use mailkeep_ports::queue::{MAX_BATCH, MAX_VISIBILITY, check_batch};
use mailkeep_ports::{Depth, Outgoing, Queue, QueueError, QueueErrorKind, Receipt, Received};

use crate::fault::{Fault, FaultKind};

/// What the receipts of dead letters begin with, so that they are acknowledged in their own queue.
const DEAD: &str = "dead:";

/// How often the rest of a batch is sent.
const PARTIAL_ATTEMPTS: u32 = 3;

/// How long a dead letter is hidden while it is moved.
const MOVING: Duration = Duration::from_secs(60);

/// A queue of SQS. See the module for what it must look like.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    dead_url: String,
}

impl SqsQueue {
    /// The queues with these addresses. Sends nothing yet.
    #[must_use]
    pub fn new(config: &SdkConfig, url: impl Into<String>, dead_url: impl Into<String>) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config)
            .retry_config(crate::client::few_retries())
            .build();
        Self {
            client: Client::from_conf(config),
            url: url.into(),
            dead_url: dead_url.into(),
        }
    }

    /// The queue of a receipt, and the receipt as SQS knows it.
    fn split<'a>(&'a self, receipt: &'a Receipt) -> (&'a str, &'a str) {
        match receipt.0.strip_prefix(DEAD) {
            Some(handle) => (&self.dead_url, handle),
            None => (&self.url, &receipt.0),
        }
    }

    async fn receive_from(
        &self,
        url: &str,
        call: &'static str,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        if most == 0 {
            return Ok(vec![]);
        }
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(most.min(MAX_BATCH)).unwrap_or(i32::MAX))
            .visibility_timeout(seconds(visibility.min(MAX_VISIBILITY)))
            .wait_time_seconds(0)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await;
        let answer = answer.map_err(|error| failed(call, error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn delete(&self, url: &str, call: &'static str, handle: &str) -> Result<(), QueueError> {
        let request = self.client.delete_message();
        let request = request.queue_url(url).receipt_handle(handle);
        let sent = request.send().await;
        sent.map(drop).map_err(|error| failed(call, error))
    }

    async fn count(
        &self,
        url: &str,
        attributes: &[QueueAttributeName],
    ) -> Result<Vec<u64>, QueueError> {
        let request = self.client.get_queue_attributes().queue_url(url);
        let request = request.set_attribute_names(Some(attributes.to_vec()));
        let answer = request.send().await;
        let answer = answer.map_err(|error| failed("depth", error))?;
        let found = answer.attributes.unwrap_or_default();
        let counts = attributes.iter().map(|name| {
            let count = found.get(name).and_then(|count| count.parse().ok());
            count.ok_or_else(|| broken_answer("depth", "a count is missing"))
        });
        counts.collect()
    }
}

fn broken_answer(call: &'static str, what: &str) -> QueueError {
    let cause = format!("the answer is broken: {what}");
    QueueError::new(QueueErrorKind::Unavailable, call, cause)
}

/// SQS counts in seconds; a part of one is a whole one.
fn seconds(duration: Duration) -> i32 {
    let part = u64::from(duration.subsec_nanos() > 0);
    i32::try_from(duration.as_secs().saturating_add(part)).unwrap_or(i32::MAX)
}

fn received(message: Message, prefix: &str, call: &'static str) -> Result<Received, QueueError> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok());
    match (message.body, message.receipt_handle, receives) {
        (Some(body), Some(handle), Some(receives)) => Ok(Received {
            body,
            receipt: Receipt(format!("{prefix}{handle}")),
            receives,
        }),
        _ => Err(broken_answer(call, "a message is not whole")),
    }
}

fn failed<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let fault = Fault::of(&error);
    let code = fault.code.as_deref().unwrap_or_default();
    // The old protocol's names of errors come with a namespace before them.
    let code = code.rsplit(['.', '#']).next().unwrap_or_default();
    let (kind, hint) = match code {
        "MessageNotInflight" | "ReceiptHandleIsInvalid" => (QueueErrorKind::Gone, ""),
        "BatchRequestTooLong" => (QueueErrorKind::TooLarge, ""),
        "OverLimit" => (
            QueueErrorKind::TooLarge,
            "; too many messages are received and not acknowledged",
        ),
        "QueueDoesNotExist" | "NonExistentQueue" => (
            QueueErrorKind::Invalid,
            "; check the queue's address and the region",
        ),
        // What S3 and others call busy is a refusal here.
        "KmsThrottled" => (QueueErrorKind::Busy, ""),
        "KmsAccessDenied" => (QueueErrorKind::Denied, ""),
        // Of a message that is gone, too, when its receipt is well-formed.
        "InvalidParameterValue" if call == "extend" => (QueueErrorKind::Gone, ""),
        _ => match fault.kind {
            FaultKind::NoCredentials | FaultKind::Denied => (QueueErrorKind::Denied, ""),
            FaultKind::Busy => (QueueErrorKind::Busy, ""),
            FaultKind::InDoubt => (QueueErrorKind::Unavailable, ""),
            FaultKind::NotSent | FaultKind::Refused => (QueueErrorKind::Invalid, ""),
        },
    };
    QueueError::new(kind, call, format!("{}{hint}", fault.words)).with_source(error)
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        check_batch(&messages)?;
        let mut entries = vec![];
        for (at, message) in messages.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(&message.body)
                .delay_seconds(seconds(message.delay));
            let entry = entry.build().map_err(|error| {
                let cause = "the message cannot be expressed";
                QueueError::new(QueueErrorKind::Invalid, "send", cause).with_source(error)
            })?;
            entries.push(entry);
        }
        let mut attempt = 1;
        loop {
            let request = self.client.send_message_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.clone()));
            let answer = request.send().await;
            let answer = answer.map_err(|error| failed("send", error))?;
            let Some(first) = answer.failed.first() else {
                return Ok(());
            };
            let cause = format!(
                "{} of the batch's messages were refused, the first with {}",
                answer.failed.len(),
                first.code
            );
            if answer.failed.iter().any(|failed| failed.sender_fault) {
                return Err(QueueError::new(QueueErrorKind::Invalid, "send", cause));
            }
            if attempt == PARTIAL_ATTEMPTS {
                return Err(QueueError::new(QueueErrorKind::Busy, "send", cause));
            }
            attempt += 1;
            entries.retain(|entry| answer.failed.iter().any(|failed| failed.id == entry.id));
        }
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let messages = self.receive_from(&self.url, "receive", most, visibility);
        let messages = messages.await?.into_iter();
        messages
            .map(|message| received(message, "", "receive"))
            .collect()
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let (url, handle) = self.split(receipt);
        let request = self
            .client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(handle)
            .visibility_timeout(seconds(visibility.min(MAX_VISIBILITY)));
        let sent = request.send().await;
        sent.map(drop).map_err(|error| failed("extend", error))
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let (url, handle) = self.split(receipt);
        match self.delete(url, "acknowledge", handle).await {
            // Removed already.
            Err(error) if error.kind == QueueErrorKind::Gone => Ok(()),
            deleted => deleted,
        }
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let call = "dead_letters";
        let messages = self.receive_from(&self.dead_url, call, most, visibility);
        let messages = messages.await?.into_iter();
        messages
            .map(|message| received(message, DEAD, call))
            .collect()
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        let mut moved = 0;
        while moved < most {
            let dead = self.receive_from(&self.dead_url, "redrive", most - moved, MOVING);
            let dead = dead.await?;
            if dead.is_empty() {
                break;
            }
            for message in dead {
                let (Some(body), Some(handle)) = (message.body, message.receipt_handle) else {
                    return Err(broken_answer("redrive", "a message is not whole"));
                };
                self.send(vec![Outgoing::now(body)]).await?;
                self.delete(&self.dead_url, "redrive", &handle).await?;
                moved += 1;
            }
        }
        Ok(moved)
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let ready = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        let own = [ready.clone(), hidden.clone(), delayed];
        let own = self.count(&self.url, &own).await?;
        // Dead letters that somebody looks at are dead letters all the same.
        let dead = self.count(&self.dead_url, &[ready, hidden]).await?;
        let [ready, in_flight, delayed] = own.as_slice() else {
            return Err(broken_answer("depth", "a count is missing"));
        };
        Ok(Depth {
            ready: *ready,
            in_flight: *in_flight,
            delayed: *delayed,
            dead: dead.iter().sum(),
        })
    }
}
