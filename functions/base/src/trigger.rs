//! What woke a function.

use mailkeep_ports::{Receipt, Received};
use serde::Serialize;
use serde_json::Value;

use crate::FunctionError;

/// What woke a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// A schedule, or somebody who called it: what they gave it.
    Call(Value),
    /// Messages of a queue.
    Messages(Vec<MessageTrigger>),
}

/// A message of a queue, as Lambda hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTrigger {
    /// By this it is named in the answer.
    pub id: String,
    /// What was received.
    pub received: Received,
}

impl Trigger {
    /// Reads an event.
    ///
    /// # Errors
    /// When it has records of something else than a queue.
    pub fn read(event: Value) -> Result<Self, FunctionError> {
        let Some(records) = event.get("Records") else {
            return Ok(Self::Call(event));
        };
        let records = records.as_array().map(Vec::as_slice).unwrap_or_default();
        let messages = records.iter().map(message);
        messages
            .collect::<Option<Vec<_>>>()
            .map(Self::Messages)
            .ok_or_else(|| FunctionError::Event("a record of it is no message of SQS".to_owned()))
    }
}

/// A record. One that is broken is no reason to hold up others, but Lambda itself makes these.
fn message(record: &Value) -> Option<MessageTrigger> {
    let text = |name: &str| record.get(name)?.as_str().map(str::to_owned);
    let receives = record.get("attributes").and_then(|attributes| {
        attributes
            .get("ApproximateReceiveCount")?
            .as_str()?
            .parse()
            .ok()
    });
    Some(MessageTrigger {
        id: text("messageId")?,
        received: Received {
            body: text("body")?,
            receipt: Receipt(text("receiptHandle")?),
            receives: receives.unwrap_or(1),
        },
    })
}

/// The answer to messages: which of them failed and must come back. All others are removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedMessages {
    batch_item_failures: Vec<FailedMessage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedMessage {
    item_identifier: String,
}

impl FailedMessages {
    /// This one failed.
    pub fn add(&mut self, id: impl Into<String>) {
        self.batch_item_failures.push(FailedMessage {
            item_identifier: id.into(),
        });
    }

    /// The ids of those that failed.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.batch_item_failures
            .iter()
            .map(|failed| failed.item_identifier.as_str())
    }

    /// As the function answers.
    #[must_use]
    pub fn answer(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_and_messages_are_told_apart() {
        let schedule = json!({"survey": true});
        assert_eq!(
            Trigger::read(schedule.clone()).unwrap(),
            Trigger::Call(schedule)
        );
        let event = json!({"Records": [{
            "messageId": "m1", "receiptHandle": "r1", "body": "{}", "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": "3"},
        }]});
        let Trigger::Messages(messages) = Trigger::read(event).unwrap() else {
            panic!("no messages");
        };
        assert_eq!(
            (messages[0].id.as_str(), messages[0].received.receives),
            ("m1", 3)
        );
        assert!(Trigger::read(json!({"Records": [{"s3": {}}]})).is_err());
    }

    #[test]
    fn failed_messages_are_named_as_lambda_wants_it() {
        let mut failed = FailedMessages::default();
        assert_eq!(failed.answer(), json!({"batchItemFailures": []}));
        failed.add("m1");
        let answer = json!({"batchItemFailures": [{"itemIdentifier": "m1"}]});
        assert_eq!(failed.answer(), answer);
    }
}
