//! What Autodiscover says about an address. Asked is the server that serves EWS, and no other: the login
//! goes nowhere else.

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use mailkeep_model::FailureClass;

use crate::SourceError;
use crate::ews::error_map::{Asked, Operation, http_error};
use crate::ews::wire::{RequestBody, Wire, WireAnswer};
use crate::ews::xml::{Element, Event, EventReader, ReadError, XmlWriter};

static DISCOVER: Operation = Operation::new("look up address", Asked::Mailbox);

/// Path of the service.
pub(super) const PATH: &str = "/autodiscover/autodiscover.xml";
/// Elements of one answer.
const MOST_ELEMENTS: usize = 5_000;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The primary address.
    pub(super) address: Option<String>,
    /// The server as clients of the EXCH protocol call it: a GUID at a domain.
    pub(super) server: Option<String>,
    /// The mailbox with the hierarchy of public folders.
    pub(super) public_folders: Option<String>,
}

/// Asks about an address.
pub(super) async fn discover(wire: &Wire, address: &str) -> Result<Found, SourceError> {
    let body = RequestBody::Whole(Bytes::from(request(address)));
    let answer = wire.post(&[], &body).await;
    let answer = answer.map_err(|error| SourceError {
        operation: DISCOVER.name.into(),
        ..error
    })?;
    let kind = answer.headers.get(CONTENT_TYPE);
    let is_xml = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("xml"));
    if answer.status != 200 || !is_xml {
        let error = http_error(&DISCOVER, answer.status, None);
        return Err(match error.class {
            // That the service is missing concerns public folders only.
            FailureClass::Configuration => unusable("the server offers no Autodiscover"),
            _ => error,
        });
    }
    let root = read(answer).await?;
    let response = root.child("Response");
    let account = response.and_then(|response| response.child("Account"));
    if let Some(error) = response.and_then(|response| response.child("Error")) {
        let code = error.text_of("ErrorCode").unwrap_or_default();
        return match code {
            "500" | "" => Err(unusable("Autodiscover does not know the address")),
            _ => Err(unusable("Autodiscover failed")),
        };
    }
    let Some(account) = account else {
        return Err(unusable("Autodiscover gave no answer that can be read"));
    };
    if account
        .text_of("Action")
        .is_some_and(|what| what != "settings")
    {
        return Err(unusable(
            "Autodiscover leads to another server, which is not followed",
        ));
    }
    let text = |at: &Element, name: &str| at.text_of(name).map(str::to_owned);
    let exchange = account
        .all("Protocol")
        .find(|protocol| protocol.text_of("Type") == Some("EXCH"));
    Ok(Found {
        address: response
            .and_then(|response| response.child("User"))
            .and_then(|user| text(user, "AutoDiscoverSMTPAddress")),
        server: exchange.and_then(|protocol| text(protocol, "Server")),
        public_folders: account
            .child("PublicFolderInformation")
            .and_then(|found| text(found, "SmtpAddress")),
    })
}

/// An error that ends the work on public folders, and on nothing else.
pub(super) fn unusable(message: &str) -> SourceError {
    DISCOVER.error(FailureClass::MailboxUnavailable, "autodiscover", message)
}

fn request(address: &str) -> String {
    let mut writer = XmlWriter::new();
    writer
        .raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
        .raw("<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">")
        .start("Request", &[])
        .text("EMailAddress", address)
        .text(
            "AcceptableResponseSchema",
            "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
        )
        .end()
        .raw("</Autodiscover>");
    writer.finish()
}

/// The outermost element of an answer.
async fn read(answer: WireAnswer) -> Result<Element, SourceError> {
    let unreadable = |error: ReadError| match error {
        ReadError::Stream(error) => error,
        ReadError::Truncated => DISCOVER.error(
            FailureClass::Connection,
            "truncated_answer",
            "the answer broke off",
        ),
        ReadError::Xml(error) => DISCOVER.error(
            FailureClass::MailboxUnavailable,
            error.code(),
            "Autodiscover gave no answer that can be read",
        ),
    };
    let mut events = EventReader::new(answer.body.stream());
    let (mut open, mut count) = (vec![], 0);
    while let Some(event) = events.next().await.map_err(unreadable)? {
        match event {
            Event::Start { name, attributes } => {
                count += 1;
                if count > MOST_ELEMENTS {
                    break;
                }
                open.push(Element {
                    name,
                    attributes,
                    ..Element::default()
                });
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::End => match (open.pop(), open.last_mut()) {
                (Some(inner), Some(outer)) => outer.children.push(inner),
                (Some(root), None) => return Ok(root),
                (None, _) => break,
            },
        }
    }
    Err(unusable("Autodiscover gave no answer that can be read"))
}
