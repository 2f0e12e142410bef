//! `ConvertId`: between the ways to write one id.

use super::Answer;
use crate::ews::context::Context;
use crate::ews::error::EwsError;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let to = request.attribute("DestinationFormat").unwrap_or_default();
    let ids = super::list(request, "m:SourceIds");
    Ok(super::each(context, ids, "", |source| {
        if source.name != "t:AlternateId" {
            return Err(EwsError::new(
                "ErrorUnsupportedTypeForConversion",
                "Ids of public folders cannot be converted.",
            ));
        }
        let from = source.attribute("Format").unwrap_or_default();
        let text = source.attribute("Id").unwrap_or_default();
        let plain = decoded(from, text).ok_or_else(EwsError::malformed_id)?;
        let id = Node::new("m:AlternateId")
            .set("xsi:type", "t:AlternateIdType")
            .set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
            .set("Format", to)
            .set("Id", encoded(to, &plain))
            .set("Mailbox", source.attribute("Mailbox").unwrap_or_default());
        let mut out = context.out();
        out.node(&id);
        Ok(out)
    }))
}

/// The id as EWS writes it.
fn decoded(format: &str, text: &str) -> Option<String> {
    match format {
        "HexEntryId" => {
            let digits: Option<Vec<u8>> = text
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect();
            String::from_utf8(digits?).ok()
        }
        "EntryId" | "StoreId" => {
            let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
            String::from_utf8(bytes).ok()
        }
        "OwaId" => Some(
            text.replace("%2b", "+")
                .replace("%2f", "/")
                .replace("%3d", "="),
        ),
        _ => Some(text.to_owned()),
    }
}

fn encoded(format: &str, plain: &str) -> String {
    match format {
        "HexEntryId" => plain.bytes().map(|byte| format!("{byte:02X}")).collect(),
        "EntryId" | "StoreId" => base64_simd::STANDARD.encode_to_string(plain),
        "OwaId" => plain
            .replace('+', "%2b")
            .replace('/', "%2f")
            .replace('=', "%3d"),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_leads_back() {
        for format in ["EwsId", "HexEntryId", "EntryId", "StoreId", "OwaId"] {
            let text = encoded(format, "AAMk+/a=");
            assert_eq!(
                decoded(format, &text).as_deref(),
                Some("AAMk+/a="),
                "{format}"
            );
        }
    }
}
