//! Creating an item so that no attempt makes a second one: it bears our mark, and after an answer that got
//! lost it is looked for by that.

use mailkeep_model::{FailureClass, SourceMailboxId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::SourceError;
use crate::graph::call::Call;
use crate::graph::client::GraphClient;
use crate::graph::error_map::Operation;
use crate::graph::message_json::{Object, text};
use crate::graph::properties;
use crate::retry::is_retryable;

/// What is given up, one after the other, when the service refuses more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// The time zone of an event.
    pub(crate) zone: bool,
    /// Extended properties beside our mark.
    pub(crate) extras: bool,
    /// A recurrence.
    pub(crate) recurrence: bool,
}

impl Allowed {
    pub(crate) const ALL: Self = Self {
        zone: true,
        extras: true,
        recurrence: true,
    };

    /// The next attempt; `None` when there is nothing left to give up.
    fn less(self) -> Option<Self> {
        match self {
            Self { zone: true, .. } => Some(Self {
                zone: false,
                ..self
            }),
            Self { extras: true, .. } => Some(Self {
                extras: false,
                ..self
            }),
            Self {
                recurrence: true, ..
            } => Some(Self {
                recurrence: false,
                ..self
            }),
            _ => None,
        }
    }
}

/// How items of a folder bear our mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// As an extended property.
    Extended,
    /// As a link with an id of ours: tasks have no extended properties.
    Links,
}

/// Where items are made.
pub(crate) struct Making<'a> {
    pub(crate) mailbox: &'a SourceMailboxId,
    /// The list that they are added to.
    pub(crate) path: Vec<&'a str>,
    pub(crate) create: Operation,
    pub(crate) find: Operation,
    pub(crate) marks: Marks,
    pub(crate) mark: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    pub(crate) next: Option<String>,
}

/// Pages of one listing, at most.
const MOST_PAGES: usize = 100_000;

/// Our mark on a task.
pub(crate) fn mark_of_links(object: &Object) -> Option<(String, String)> {
    let links = object.get("linkedResources")?.as_array()?;
    let own = links
        .iter()
        .filter_map(Value::as_object)
        .find(|link| text(link, "applicationName") == super::task::APPLICATION)?;
    Some((text(own, "id"), text(own, "externalId")))
}

impl GraphClient {
    /// Creates an item of what `build` makes; gives its id and what was lost.
    pub(crate) async fn create_marked(
        &self,
        making: &Making<'_>,
        mut build: impl FnMut(Allowed) -> (Object, Vec<String>) + Send,
    ) -> Result<(String, Vec<String>), SourceError> {
        let url = self.links.user(making.mailbox.as_str(), &making.path, &[]);
        let mut allowed = Allowed::ALL;
        let mut last: Option<Value> = None;
        let mut backoff = self.backoff(None);
        loop {
            let (json, losses) = build(allowed);
            let body = Value::Object(json);
            // What is the same again is refused again.
            if last.as_ref() == Some(&body)
                && let Some(less) = allowed.less()
            {
                allowed = less;
                continue;
            }
            let operation = &making.create;
            let call = Call::write(operation, making.mailbox, Method::POST, url.clone(), &body);
            let error = match self.json::<Object>(&call).await {
                Ok(created) => match text(&created, "id") {
                    id if !id.is_empty() => return Ok((id, losses)),
                    _ => operation.error(
                        FailureClass::Transient,
                        "unreadable_answer",
                        "the service did not name the new item",
                    ),
                },
                Err(error) => error,
            };
            let less = allowed
                .less()
                .filter(|_| error.class == FailureClass::RequestBug);
            if let Some(less) = less {
                allowed = less;
                last = Some(body);
                continue;
            }
            let is_conflict = error.class == FailureClass::Conflict;
            if !is_conflict && !is_retryable(error.class) {
                return Err(told(error));
            }
            if let Some(id) = self.find_marked(making).await? {
                return Ok((id, losses));
            }
            if is_conflict {
                return Err(error);
            }
            backoff.wait(error, &*self.clock, &*self.rng).await?;
        }
    }

    /// The item that bears the mark.
    async fn find_marked(&self, making: &Making<'_>) -> Result<Option<String>, SourceError> {
        if making.marks == Marks::Links {
            let query = [("$expand", "linkedResources"), ("$top", "100")];
            let url = self
                .links
                .user(making.mailbox.as_str(), &making.path, &query);
            let all = self.listed(&making.find, making.mailbox, url).await?;
            let is_ours =
                |task: &&Object| mark_of_links(task).is_some_and(|(_, mark)| mark == making.mark);
            return Ok(all.iter().find(is_ours).map(|task| text(task, "id")));
        }
        let filter = format!(
            "singleValueExtendedProperties/any(ep:ep/id eq '{}' and ep/value eq '{}')",
            properties::MARKER,
            making.mark.replace('\'', "''")
        );
        let query = [("$filter", filter.as_str()), ("$select", "id")];
        let url = self
            .links
            .user(making.mailbox.as_str(), &making.path, &query);
        let call = Call::get(&making.find, Some(making.mailbox), url);
        let page: Page = self.json(&call).await?;
        Ok(page.value.first().map(|found| text(found, "id")))
    }

    /// Everything that a listing has.
    pub(crate) async fn listed(
        &self,
        operation: &Operation,
        mailbox: &SourceMailboxId,
        url: Url,
    ) -> Result<Vec<Object>, SourceError> {
        let call = Call::get(operation, Some(mailbox), url);
        let page: Page = self.json(&call).await?;
        self.rest_listed(operation, mailbox, page).await
    }

    /// What a listing has whose first page is here.
    pub(crate) async fn rest_listed(
        &self,
        operation: &Operation,
        mailbox: &SourceMailboxId,
        mut page: Page,
    ) -> Result<Vec<Object>, SourceError> {
        let mut all = vec![];
        for _ in 0..MOST_PAGES {
            all.append(&mut page.value);
            let Some(next) = page.next else {
                return Ok(all);
            };
            let url = self.links.check(operation, &next)?;
            page = self.json(&Call::get(operation, Some(mailbox), url)).await?;
        }
        Err(operation.error(
            FailureClass::Transient,
            "endless_listing",
            "the listing does not end",
        ))
    }
}

/// A permission that misses for one kind of items ends the restore of no other kind.
pub(crate) fn told(error: SourceError) -> SourceError {
    match error.class {
        FailureClass::AuthScope | FailureClass::AuthConsent | FailureClass::RequestBug => {
            SourceError {
                class: FailureClass::ItemPermanent,
                ..error
            }
        }
        _ => error,
    }
}
