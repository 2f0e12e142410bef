//! Envelopes of answers.

use super::context::Style;
use super::error::{EwsError, Fault};
use super::options::ExchangeVersion;
use super::out::Out;
use crate::content::segment::Segment;

/// One response message: what failed, if anything, and what it carries.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) error: Option<EwsError>,
    pub(crate) payload: Out,
}

impl Message {
    /// A success.
    pub(crate) fn good(payload: Out) -> Self {
        Self {
            error: None,
            payload,
        }
    }

    /// An error with what an error carries.
    pub(crate) fn bad(error: EwsError, payload: Out) -> Self {
        Self {
            error: Some(error),
            payload,
        }
    }
}

fn begin(style: Style, version: ExchangeVersion) -> Out {
    let mut out = Out::new(style.prefixes);
    out.envelope();
    if !style.dialect.no_header {
        let [major, minor, build, revision] = version.build();
        out.start("s:Header", &[]).empty(
            "t:ServerVersionInfo",
            &[
                ("MajorVersion", major),
                ("MinorVersion", minor),
                ("MajorBuildNumber", build),
                ("MinorBuildNumber", revision),
                ("Version", version.newest_schema()),
            ],
        );
        out.end();
    }
    out.start("s:Body", &[]);
    out
}

/// The answer to an operation.
pub(crate) fn answer(
    style: Style,
    version: ExchangeVersion,
    operation: &str,
    messages: Vec<Message>,
) -> Vec<Segment> {
    let mut out = begin(style, version);
    out.start(&format!("m:{operation}Response"), &[])
        .start("m:ResponseMessages", &[]);
    for message in messages {
        let class = match &message.error {
            None => "Success",
            Some(error) if error.is_warning => "Warning",
            Some(_) => "Error",
        };
        out.start(
            &format!("m:{operation}ResponseMessage"),
            &[("ResponseClass", class)],
        );
        match &message.error {
            None => {
                out.text("m:ResponseCode", "NoError");
            }
            Some(error) => {
                out.text("m:MessageText", &error.text)
                    .text("m:ResponseCode", &error.code)
                    .text("m:DescriptiveLinkKey", "0");
                values(&mut out, "m:MessageXml", &error.values);
            }
        }
        out.append(message.payload).end();
    }
    out.finish()
}

fn values(out: &mut Out, name: &str, values: &[(&'static str, String)]) {
    if values.is_empty() {
        return;
    }
    out.start(name, &[]);
    for (key, value) in values {
        out.start("t:Value", &[("Name", key)]).raw_text(value).end();
    }
    out.end();
}

/// The answer when the whole request failed.
pub(crate) fn fault(style: Style, version: ExchangeVersion, fault: &Fault) -> Vec<Segment> {
    const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";
    let mut out = begin(style, version);
    out.start("s:Fault", &[])
        .start("faultcode", &[("xmlns:a", super::xml::TYPES)])
        .raw_text(&format!("a:{}", fault.code))
        .end()
        .start("faultstring", &[("xml:lang", "en-US")])
        .raw_text(&fault.text)
        .end()
        .start("detail", &[])
        .start("e:ResponseCode", &[("xmlns:e", ERRORS)])
        .raw_text(&fault.code)
        .end()
        .start("e:Message", &[("xmlns:e", ERRORS)])
        .raw_text(&fault.text)
        .end();
    values(&mut out, "t:MessageXml", &fault.values);
    out.finish()
}
