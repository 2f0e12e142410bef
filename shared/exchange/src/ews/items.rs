//! Items in batches: bounded, cut in half when a batch fails, each item with its own answer.

use std::collections::VecDeque;

use mailkeep_model::{Action, FailureClass, ItemId, SourceMailboxId};

use super::call::Call;
use super::client::EwsClient;
use super::error_map::{Asked, Operation, message_error};
use super::shape::{Shape, get_item};
use super::xml::Element;
use crate::SourceError;
use crate::retry::is_retryable;

static DESCRIBE: Operation = Operation::new("read items", Asked::Item);

/// Items described in one call.
const MAIL_AT_ONCE: usize = 128;
const FULL_AT_ONCE: usize = 32;
/// Attempts for a batch before it is cut in half, and for an item before it counts as unreadable: a
/// damaged item may fail with a code that looks like a passing fault.
const ATTEMPTS: u32 = 3;
/// How often an item that a server left for later is asked again.
const ROUNDS: u32 = 6;

/// One item's answer.
pub(crate) type Described = Result<Element, SourceError>;

/// Ids that are asked together.
struct Batch {
    places: Vec<usize>,
    round: u32,
}

impl EwsClient {
    /// Reads items, in the order of `ids`.
    ///
    /// # Errors
    /// When nothing can be asked any more; single items fail inside the answer.
    pub(crate) async fn get_items(
        &self,
        mailbox: &SourceMailboxId,
        shape: Shape,
        ids: &[ItemId],
    ) -> Result<Vec<Described>, SourceError> {
        let at_once = match shape {
            Shape::Mail | Shape::Bare => MAIL_AT_ONCE,
            _ => FULL_AT_ONCE,
        };
        let mut found: Vec<Option<Described>> = ids.iter().map(|_| None).collect();
        let places: Vec<usize> = (0..ids.len()).collect();
        let mut queue: VecDeque<Batch> = places
            .chunks(at_once)
            .map(|places| Batch {
                places: places.to_vec(),
                round: 0,
            })
            .collect();
        while let Some(batch) = queue.pop_front() {
            let asked: Vec<ItemId> = batch
                .places
                .iter()
                .filter_map(|place| ids.get(*place).cloned())
                .collect();
            let call = Call::read(&DESCRIBE, mailbox, get_item(shape, &asked));
            let call = call.attempts(ATTEMPTS);
            match self.all(&call).await {
                Ok(messages) => settle(batch, messages, &mut found, &mut queue),
                Err(error) if stops(&error) => return Err(error),
                Err(error) if asked.len() == 1 => fill(&batch, &mut found, &error),
                Err(_) => cut(batch, &mut queue),
            }
        }
        let missing = || DESCRIBE.error(FailureClass::Transient, "no_answer", "no answer");
        Ok(found
            .into_iter()
            .map(|one| one.unwrap_or_else(|| Err(missing())))
            .collect())
    }
}

/// True for what smaller batches do not cure.
pub(crate) fn stops(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::Throttled | FailureClass::Connection | FailureClass::MailboxBusy
    ) || matches!(
        error.class.action(),
        Action::StopConnection | Action::StopMailbox
    )
}

/// Messages answer ids by their place. What a server left for later is asked again.
fn settle(
    batch: Batch,
    messages: Vec<Described>,
    found: &mut [Option<Described>],
    queue: &mut VecDeque<Batch>,
) {
    let mut later = vec![];
    let mut messages = messages.into_iter();
    for place in &batch.places {
        let answer = match messages.next() {
            Some(Ok(message)) => first_item(message),
            Some(Err(error)) => Err(error),
            None => Err(DESCRIBE.error(FailureClass::Transient, "no_answer", "no answer")),
        };
        match answer {
            Err(error) if is_retryable(error.class) && batch.round < ROUNDS => {
                // The last word, should no other come.
                if let Some(slot) = found.get_mut(*place) {
                    *slot = Some(Err(error));
                }
                later.push(*place);
            }
            answer => {
                if let Some(slot) = found.get_mut(*place) {
                    *slot = Some(answer);
                }
            }
        }
    }
    let round = batch.round + 1;
    // The first of those left may be what holds up the others.
    if let Some((first, others)) = later.split_first() {
        for places in [vec![*first], others.to_vec()] {
            if !places.is_empty() {
                queue.push_back(Batch { places, round });
            }
        }
    }
}

/// The item inside a response message.
fn first_item(message: Element) -> Described {
    if let Some(error) = message_error(&DESCRIBE, &message) {
        return Err(error);
    }
    let items = message
        .children
        .into_iter()
        .find(|child| child.name == "Items");
    items
        .and_then(|items| items.children.into_iter().next())
        .ok_or_else(|| DESCRIBE.error(FailureClass::ItemGone, "no_item", "the item is gone"))
}

fn fill(batch: &Batch, found: &mut [Option<Described>], error: &SourceError) {
    for place in &batch.places {
        if let Some(slot) = found.get_mut(*place) {
            *slot = Some(Err(error.clone()));
        }
    }
}

fn cut(batch: Batch, queue: &mut VecDeque<Batch>) {
    let (a, b) = batch.places.split_at(batch.places.len() / 2);
    for places in [b, a] {
        queue.push_front(Batch {
            places: places.to_vec(),
            round: batch.round,
        });
    }
}
