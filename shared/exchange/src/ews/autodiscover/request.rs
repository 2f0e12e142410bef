//! What is asked.

use crate::ews::xml::XmlWriter;

/// The settings that are asked for.
const SETTINGS: [&str; 7] = [
    "ExternalEwsUrl",
    "InternalEwsUrl",
    "PublicFolderInformation",
    "InternalRpcClientServer",
    "AutoDiscoverSMTPAddress",
    "EwsSupportedSchemas",
    "AlternateMailboxes",
];
const ACTION: &str =
    "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings";

/// `GetUserSettings` for one address, to a service at `url`.
pub(super) fn soap(address: &str, url: &str) -> String {
    let mut writer = XmlWriter::new();
    writer
        .raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
        .start(
            "s:Envelope",
            &[
                ("xmlns:s", "http://schemas.xmlsoap.org/soap/envelope/"),
                ("xmlns:a", "http://www.w3.org/2005/08/addressing"),
                (
                    "xmlns:d",
                    "http://schemas.microsoft.com/exchange/2010/Autodiscover",
                ),
            ],
        )
        .start("s:Header", &[])
        .text("d:RequestedServerVersion", "Exchange2013")
        .text("a:Action", ACTION)
        .text("a:To", url)
        .end()
        .start("s:Body", &[])
        .start("d:GetUserSettingsRequestMessage", &[])
        .start("d:Request", &[])
        .start("d:Users", &[])
        .start("d:User", &[])
        .text("d:Mailbox", address)
        .end()
        .end()
        .start("d:RequestedSettings", &[]);
    for setting in SETTINGS {
        writer.text("d:Setting", setting);
    }
    writer.finish()
}

/// The same question in plain XML.
pub(super) fn pox(address: &str) -> String {
    let mut writer = XmlWriter::new();
    writer
        .raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
        .start(
            "Autodiscover",
            &[(
                "xmlns",
                "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006",
            )],
        )
        .start("Request", &[])
        .text("EMailAddress", address)
        .text(
            "AcceptableResponseSchema",
            "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
        );
    writer.finish()
}
