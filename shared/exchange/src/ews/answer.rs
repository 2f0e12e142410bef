//! An answer as it comes in: response messages one by one, long content as bytes.

use bytes::Bytes;
use mailkeep_model::FailureClass;

use super::error_map::{Operation, fault_error, http_error};
use super::xml::{Base64Decoder, Element, Event, EventReader, ReadError, XmlError};
use crate::{ByteStream, SourceError};

/// Text of one answer beside its long content. A batch that is longer is asked for in halves.
const LONGEST_ANSWER: usize = 48 * 1024 * 1024;
/// Elements of one answer.
const MOST_ELEMENTS: usize = 500_000;
/// Elements whose text is long content in base64.
const LONG: [&str; 3] = ["MimeContent", "Content", "Data"];

/// A part of the answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Decoded bytes of the long content of the message that comes next.
    Bytes(Bytes),
    /// A response message, without long content.
    Message(Element),
}

/// Reads one answer.
pub(crate) struct AnswerReader {
    events: EventReader,
    operation: Operation,
    request_id: Option<String>,
    /// Long content comes as bytes; otherwise it stays text.
    leads_out: bool,
    /// Names on the way to the response messages.
    path: Vec<String>,
    /// The message that is being read, from the outside in.
    open: Vec<Element>,
    decoder: Option<Base64Decoder>,
    used: usize,
    elements: usize,
    has_fault: Option<Element>,
    is_soap: bool,
    first: Option<Reply>,
    version: Option<Element>,
}

impl AnswerReader {
    pub(crate) fn new(
        bytes: ByteStream,
        operation: &Operation,
        request_id: Option<String>,
        leads_out: bool,
    ) -> Self {
        Self {
            events: EventReader::new(bytes),
            operation: *operation,
            request_id,
            leads_out,
            path: vec![],
            open: vec![],
            decoder: None,
            used: 0,
            elements: 0,
            has_fault: None,
            is_soap: false,
            first: None,
            version: None,
        }
    }

    /// Reads up to the first part, so that a fault shows at once.
    pub(crate) async fn begin(&mut self) -> Result<(), SourceError> {
        self.first = self.next().await?;
        Ok(())
    }

    /// The version of the server, if the header told it.
    pub(crate) fn server_version(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        let parts = [
            "MajorVersion",
            "MinorVersion",
            "MajorBuildNumber",
            "MinorBuildNumber",
        ];
        let number = |name: &str| {
            let text = version.attribute(name)?;
            let is_number = text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then_some(text)
        };
        let numbers: Vec<&str> = parts.into_iter().map_while(number).collect();
        (numbers.len() >= 2).then(|| numbers.join("."))
    }

    /// The next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Reply>, SourceError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            let event = match self.events.next().await {
                Ok(Some(event)) => event,
                Ok(None) if self.is_soap => return Ok(None),
                Ok(None) => return Err(self.named(http_error(&self.operation, 200, None))),
                Err(error) => return Err(self.unreadable(error)),
            };
            match self.take(event) {
                Ok(None) => {}
                Ok(Some(reply)) => return Ok(Some(reply)),
                Err(error) => return Err(self.unreadable(ReadError::Xml(error))),
            }
            if let Some(fault) = self.has_fault.take() {
                return Err(self.named(fault_error(&self.operation, &fault)));
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<Option<Reply>, XmlError> {
        match event {
            Event::Start { name, attributes } => {
                let element = Element {
                    name,
                    attributes,
                    ..Element::default()
                };
                self.start(element)?;
                Ok(None)
            }
            Event::Text(text) => self.text(text),
            Event::End => self.end(),
        }
    }

    fn start(&mut self, element: Element) -> Result<(), XmlError> {
        if self.open.is_empty() {
            let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
            let begins = match (path.as_slice(), element.name.as_str()) {
                (["Envelope", "Body"], "Fault") => true,
                (["Envelope", "Body", _, "ResponseMessages"], _) => true,
                ([], name) if name != "Envelope" => return Err(XmlError::Malformed),
                (["Envelope", "Header"], "ServerVersionInfo") => {
                    self.version = Some(element.clone());
                    false
                }
                (["Envelope"], "Body") => {
                    self.is_soap = true;
                    false
                }
                _ => false,
            };
            if !begins {
                self.path.push(element.name);
                return Ok(());
            }
        }
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(XmlError::TooLarge);
        }
        let attributes = element.attributes.iter();
        self.grow(attributes.map(|(key, value)| key.len() + value.len()).sum())?;
        if self.leads_out && LONG.contains(&element.name.as_str()) {
            self.decoder = Some(Base64Decoder::default());
        }
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: String) -> Result<Option<Reply>, XmlError> {
        if let Some(decoder) = &mut self.decoder {
            let bytes = decoder.push(&text)?;
            return Ok((!bytes.is_empty()).then_some(Reply::Bytes(bytes)));
        }
        if !self.open.is_empty() {
            self.grow(text.len())?;
        }
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(&text);
        }
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<Reply>, XmlError> {
        let rest = match self.decoder.take() {
            Some(mut decoder) => decoder.finish()?,
            None => Bytes::new(),
        };
        let Some(mut element) = self.open.pop() else {
            self.path.pop();
            return Ok(None);
        };
        if !element.children.is_empty() && element.text.trim().is_empty() {
            element.text = String::new();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None if element.name == "Fault" => self.has_fault = Some(element),
            None => return Ok(Some(Reply::Message(element))),
        }
        Ok((!rest.is_empty()).then_some(Reply::Bytes(rest)))
    }

    fn grow(&mut self, by: usize) -> Result<(), XmlError> {
        self.used += by;
        if self.used > LONGEST_ANSWER {
            return Err(XmlError::TooLarge);
        }
        Ok(())
    }

    fn named(&self, error: SourceError) -> SourceError {
        SourceError {
            request_id: error.request_id.clone().or_else(|| self.request_id.clone()),
            ..error
        }
    }

    fn unreadable(&self, error: ReadError) -> SourceError {
        let error = match error {
            ReadError::Stream(error) => SourceError {
                operation: self.operation.name.into(),
                ..error
            },
            ReadError::Xml(error) => self.operation.error(
                FailureClass::Transient,
                error.code(),
                "the answer is no readable XML",
            ),
            ReadError::Truncated => self.operation.error(
                FailureClass::Transient,
                "truncated_answer",
                "the answer was cut off",
            ),
        };
        self.named(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::error_map::{Asked, message_error};
    use super::*;
    use futures::stream;

    const READ: Operation = Operation::new("read item", Asked::Item);

    /// Parts, with the bytes of each message joined.
    async fn read(text: &str, step: usize) -> Result<Vec<(Vec<u8>, Element)>, SourceError> {
        let chunks: Vec<_> = text
            .as_bytes()
            .chunks(step)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        let chunks = Box::pin(stream::iter(chunks));
        let mut reader = AnswerReader::new(chunks, &READ, Some("rid".into()), true);
        let (mut out, mut bytes) = (vec![], vec![]);
        while let Some(reply) = reader.next().await? {
            match reply {
                Reply::Bytes(more) => bytes.extend(more),
                Reply::Message(message) => out.push((std::mem::take(&mut bytes), message)),
            }
        }
        Ok(out)
    }

    fn envelope(body: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><SOAP:Envelope xmlns:SOAP=\"http://schemas.xmlsoap.org/soap/envelope/\">\
             <SOAP:Body xmlns:z=\"u\">{body}</SOAP:Body></SOAP:Envelope>"
        )
    }

    #[tokio::test]
    async fn messages_come_one_by_one_with_their_content() {
        let text = envelope(
            "<z:GetItemResponse><z:ResponseMessages>\
             <z:GetItemResponseMessage ResponseClass=\"Success\"><z:ResponseCode>NoError</z:ResponseCode>\
             <z:Items><q:BrandNewItem><q:MimeContent CharacterSet=\"UTF-8\">QUJD\r\nREVG</q:MimeContent>\
             <q:ItemId Id=\"1\"/><q:Odd><q:Values><q:Value>a</q:Value><q:Value>b</q:Value></q:Values></q:Odd>\
             </q:BrandNewItem></z:Items></z:GetItemResponseMessage>\
             <z:GetItemResponseMessage ResponseClass=\"Error\"><z:ResponseCode>ErrorBrandNew</z:ResponseCode>\
             <z:Items/></z:GetItemResponseMessage>\
             </z:ResponseMessages></z:GetItemResponse>",
        );
        for step in [1, 7, 10_000] {
            let found = read(&text, step).await.unwrap();
            assert_eq!(found[0].0, b"ABCDEF");
            let item = &found[0].1.child("Items").unwrap().children[0];
            assert_eq!(item.name, "BrandNewItem");
            assert_eq!(item.id_of("ItemId"), Some("1"));
            assert_eq!(item.path(&["Odd", "Values"]).unwrap().children.len(), 2);
            assert!(message_error(&READ, &found[0].1).is_none());
            let error = message_error(&READ, &found[1].1).unwrap();
            assert_eq!(error.code, "ErrorBrandNew");
            assert_eq!(found.len(), 2);
        }
    }

    #[tokio::test]
    async fn faults_in_their_forms() {
        let detail = envelope(
            "<SOAP:Fault><faultcode>a:ErrorX</faultcode><faultstring>ann@corp.example</faultstring>\
             <detail><e:ResponseCode>ErrorServerBusy</e:ResponseCode><t:MessageXml>\
             <t:Value Name=\"BackOffMilliseconds\">297749</t:Value></t:MessageXml></detail></SOAP:Fault>",
        );
        let error = read(&detail, 50).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Throttled);
        assert_eq!(error.retry_after.unwrap().as_millis(), 297_749);
        assert_eq!(error.request_id.as_deref(), Some("rid"));
        assert!(!format!("{error:?}").contains("ann@"));
        let bare = envelope("<s:Fault><faultcode>a:ErrorSchemaValidation</faultcode></s:Fault>");
        let error = read(&bare, 50).await.unwrap_err();
        assert_eq!(error.class, FailureClass::RequestBug);
        let inner = envelope(
            "<s:Fault><detail><e:ResponseCode>ErrorInternalServerError</e:ResponseCode><t:MessageXml>\
             <t:Value Name=\"InnerErrorResponseCode\">ErrorServerBusy</t:Value></t:MessageXml></detail></s:Fault>",
        );
        let error = read(&inner, 50).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Throttled);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_no_soap() {
        let text = envelope("<m:R><m:ResponseMessages><m:M/></m:ResponseMessages></m:R>");
        let error = read(&text[..text.len() - 3], 20).await.unwrap_err();
        assert_eq!(error.code, "truncated_answer");
        let error = read("<html><body>log on</body></html>", 9)
            .await
            .unwrap_err();
        assert_eq!(error.class, FailureClass::Transient);
        assert_eq!(error.code, "malformed_xml");
    }
}
