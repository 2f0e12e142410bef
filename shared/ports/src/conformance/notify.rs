//! The suite of [`Notify`].

use async_trait::async_trait;
use chrono::DateTime;

use super::{Broken, broken, check, equal};
use crate::{Message, Notify, NotifyErrorKind, Recipient};

/// Where a test looks at what arrived.
#[async_trait]
pub trait Mailroom: Send + Sync {
    /// Everything that arrived so far, each as the text that a receiver sees.
    async fn arrived(&self) -> Vec<String>;
}

/// Recipients that the adapter under test was prepared for.
pub struct KnownRecipients<'a> {
    /// Gets what is sent; starts with nothing.
    pub good: Recipient,
    /// Are not there, or are no recipients of this adapter.
    pub bad: Vec<Recipient>,
    /// What arrived at `good`.
    pub mailroom: &'a dyn Mailroom,
}

/// A message whose subject bears its id.
#[must_use]
pub fn message(id: &str, text: &str) -> Message {
    let subject = format!("News {id}");
    Message {
        id: id.to_owned(),
        at: DateTime::UNIX_EPOCH,
        json: format!("{{\"id\":\"{id}\",\"subject\":\"{subject}\"}}"),
        subject,
        text: text.to_owned(),
    }
}

/// Every clause of the contract of [`Notify`], as far as it shows from outside.
///
/// # Errors
/// The first clause that does not hold.
pub async fn notify(notify: &dyn Notify, known: &KnownRecipients<'_>) -> Result<(), Broken> {
    let long = "A line with what happened, as long as lines are.\n".repeat(1_000);
    let messages = [
        message("run-1.a_b", "The backup is complete."),
        message("run-2", &long),
        message(
            "run-3",
            ".\n.. dots at the start of a line, and Umlaute: Prüfung.\n",
        ),
        Message {
            subject: format!("News run-4 {}", "of many words ".repeat(40)),
            ..message("run-4", "A subject that is too long for some.")
        },
        Message {
            subject: "News run-5 \u{2013} Prüfung".to_owned(),
            ..message("run-5", "")
        },
    ];
    for (sent, message) in messages.iter().enumerate() {
        let clause = "a message that is delivered arrives, once";
        deliver(notify, &known.good, message, clause).await?;
        let arrived = known.mailroom.arrived().await;
        equal(&arrived.len(), &(sent + 1), clause)?;
        // What stands in the subject or the document; some write what is not ASCII in another way.
        let is_plain = message.subject.is_ascii();
        let bears = |text: &String| text.contains(&message.id);
        check(!is_plain || arrived.iter().any(bears), clause, || {
            format!("{} is not in what arrived", message.id)
        })?;
    }
    let again = "a message that is delivered again arrives again";
    let first = message("run-1.a_b", "The backup is complete.");
    deliver(notify, &known.good, &first, again).await?;
    let arrived = known.mailroom.arrived().await;
    equal(&arrived.len(), &(messages.len() + 1), again)?;
    for bad in &known.bad {
        let clause = "who is not there is told, and not named";
        match notify.deliver(bad, &first).await {
            Ok(()) => return Err(broken(clause, "the delivery succeeded")),
            Err(error) => {
                let is_right = error.kind == NotifyErrorKind::BadAddress;
                let words = error.to_string();
                let name = match bad {
                    Recipient::Mail(name) | Recipient::Webhook(name) | Recipient::Topic(name) => {
                        name
                    }
                };
                check(is_right && !words.contains(name.as_str()), clause, || {
                    format!("{:?}: {words}", error.kind)
                })?;
            }
        }
    }
    let arrived = known.mailroom.arrived().await;
    equal(
        &arrived.len(),
        &(messages.len() + 1),
        "what cannot be delivered reaches nobody else",
    )
}

async fn deliver(
    notify: &dyn Notify,
    to: &Recipient,
    message: &Message,
    clause: &str,
) -> Result<(), Broken> {
    let delivered = notify.deliver(to, message).await;
    delivered.map_err(|error| broken(clause, format!("{:?}: {error}", error.kind)))
}
