//! One call: its SOAP envelope with version, impersonation and body.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use mailkeep_model::SourceMailboxId;

use super::connection::MailboxAccess;
use super::error_map::Operation;
use super::wire::RequestBody;
use super::xml::{XmlWriter, attribute_text};
use crate::ByteStream;

/// Schema versions, the newest that is needed first. A server that does not know one is asked with
/// the next.
pub(crate) const VERSIONS: [&str; 4] = [
    "Exchange2013_SP1",
    "Exchange2013",
    "Exchange2010_SP2",
    "Exchange2010_SP1",
];

/// What the body of a call holds.
pub(crate) enum CallBody {
    /// All of it.
    Whole(String),
    /// Long content between two texts.
    Streamed {
        /// Before.
        before: String,
        /// Length of the content.
        length: u64,
        /// The content, already in its XML form.
        open: Arc<dyn Fn() -> ByteStream + Send + Sync>,
        /// After.
        after: String,
    },
}

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) mailbox: Option<&'a SourceMailboxId>,
    pub(crate) body: CallBody,
    /// Long content of the answer comes as bytes.
    pub(crate) leads_out: bool,
    /// May be sent again although the first may have been carried out.
    pub(crate) is_replayable: bool,
    /// Attempts; `None` means as configured.
    pub(crate) attempts: Option<u32>,
}

impl<'a> Call<'a> {
    /// A call that only reads.
    pub(crate) fn read(
        operation: &'static Operation,
        mailbox: &'a SourceMailboxId,
        body: String,
    ) -> Self {
        Self {
            operation,
            mailbox: Some(mailbox),
            body: CallBody::Whole(body),
            leads_out: false,
            is_replayable: true,
            attempts: None,
        }
    }

    /// A call that only reads, about the directory: it belongs to no mailbox.
    pub(crate) fn directory(operation: &'static Operation, body: String) -> Self {
        Self {
            operation,
            mailbox: None,
            body: CallBody::Whole(body),
            leads_out: false,
            is_replayable: true,
            attempts: None,
        }
    }

    /// A call that writes: not sent again when it may have been carried out.
    pub(crate) fn write(
        operation: &'static Operation,
        mailbox: &'a SourceMailboxId,
        body: CallBody,
    ) -> Self {
        Self {
            body,
            is_replayable: false,
            ..Self::read(operation, mailbox, String::new())
        }
    }

    /// Leads long content out.
    pub(crate) fn leading_out(mut self) -> Self {
        self.leads_out = true;
        self
    }

    /// Limits the attempts.
    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The whole request; the server takes it as one of `acting` if that is given.
    pub(crate) fn envelope(&self, version: usize, acting: Option<&str>) -> RequestBody {
        let version = VERSIONS.get(version).copied().unwrap_or(VERSIONS[0]);
        let mut head = XmlWriter::new();
        head.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope")
            .raw(" xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"")
            .raw(" xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\"")
            .raw(
                " xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><s:Header>",
            )
            .empty("t:RequestServerVersion", &[("Version", version)]);
        if let Some(acting) = acting {
            head.start("t:ExchangeImpersonation", &[])
                .start("t:ConnectingSID", &[])
                .text("t:PrimarySmtpAddress", acting)
                .end()
                .end();
        }
        head.raw("</s:Header><s:Body>");
        let head = head.finish();
        const TAIL: &str = "</s:Body></s:Envelope>";
        match &self.body {
            CallBody::Whole(body) => RequestBody::Whole(Bytes::from([&head, body, TAIL].concat())),
            CallBody::Streamed {
                before,
                length,
                open,
                after,
            } => {
                let first = Bytes::from(head + before);
                let last = Bytes::from([after, TAIL].concat());
                let open = open.clone();
                RequestBody::Streamed {
                    length: first.len() as u64 + length + last.len() as u64,
                    open: Box::new(move || {
                        let first = stream::iter([Ok(first.clone())]);
                        let last = stream::iter([Ok(last.clone())]);
                        Box::pin(first.chain(open()).chain(last))
                    }),
                }
            }
        }
    }
}

/// The element of a well-known folder of a mailbox.
pub(crate) fn distinguished(
    name: &str,
    mailbox: &SourceMailboxId,
    access: MailboxAccess,
) -> String {
    let mut writer = XmlWriter::new();
    match access {
        MailboxAccess::Impersonation => {
            writer.empty("t:DistinguishedFolderId", &[("Id", name)]);
        }
        MailboxAccess::Delegate => {
            writer
                .start("t:DistinguishedFolderId", &[("Id", name)])
                .start("t:Mailbox", &[])
                .text("t:EmailAddress", mailbox.as_str());
        }
    }
    writer.finish()
}

/// The element of a folder by id.
pub(crate) fn folder_id(id: &str) -> String {
    format!("<t:FolderId Id=\"{}\"/>", attribute_text(id))
}

#[cfg(test)]
mod tests {
    use super::super::error_map::Asked;
    use super::*;

    static READ: Operation = Operation::new("read", Asked::Item);

    #[test]
    fn impersonation_only_when_it_is_the_way() {
        let mailbox = SourceMailboxId("a&b@x".into());
        let call = Call::read(&READ, &mailbox, "<m:X/>".into());
        let text = |acting| match call.envelope(0, acting) {
            RequestBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            RequestBody::Streamed { .. } => unreachable!(),
        };
        let owner = text(Some(mailbox.as_str()));
        assert!(owner.contains("<t:PrimarySmtpAddress>a&amp;b@x</t:PrimarySmtpAddress>"));
        assert!(owner.contains("Exchange2013_SP1") && owner.contains("<s:Body><m:X/></s:Body>"));
        assert!(!text(None).contains("Impersonation"));
        let folder = distinguished("inbox", &mailbox, MailboxAccess::Delegate);
        assert!(folder.contains("<t:EmailAddress>a&amp;b@x<"));
    }
}
