//! What the service says.

use std::collections::BTreeMap;

use crate::ews::xml::Element;

/// What one answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The settings.
    Settings(BTreeMap<String, String>),
    /// Ask there.
    Url(String),
    /// Ask about this mail address.
    Address(String),
    /// It knows no such address, or refuses for this reason.
    Refused(String),
}

/// Reads either form.
pub(super) fn read(document: &Element) -> Told {
    match document.name.as_str() {
        "Autodiscover" => pox(document),
        _ => soap(document),
    }
}

fn soap(document: &Element) -> Told {
    let Some(user) = document.find("UserResponse") else {
        let code = document.find("ErrorCode").map(|code| code.text.trim());
        return Told::Refused(safe(code.unwrap_or("no_user_response")));
    };
    let target = || {
        user.text_of("RedirectTarget")
            .unwrap_or_default()
            .to_owned()
    };
    match user.text_of("ErrorCode").unwrap_or("NoError") {
        "RedirectUrl" => Told::Url(target()),
        "RedirectAddress" => Told::Address(target()),
        "NoError" => {
            let list = user.child("UserSettings");
            let settings = list.into_iter().flat_map(|list| &list.children);
            Told::Settings(
                settings
                    .filter_map(|one| {
                        Some((
                            one.text_of("Name")?.to_owned(),
                            one.text_of("Value")?.to_owned(),
                        ))
                    })
                    .collect(),
            )
        }
        code => Told::Refused(safe(code)),
    }
}

fn pox(document: &Element) -> Told {
    let Some(account) = document.find("Account") else {
        let code = document.find("ErrorCode").map(|code| code.text.trim());
        return Told::Refused(safe(code.unwrap_or("no_account")));
    };
    let text = |name: &str| account.text_of(name).unwrap_or_default().to_owned();
    match account.text_of("Action").unwrap_or("settings") {
        "redirectUrl" => return Told::Url(text("RedirectUrl")),
        "redirectAddr" => return Told::Address(text("RedirectAddr")),
        _ => {}
    }
    let mut settings = BTreeMap::new();
    let mut keep = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            settings.insert(name.to_owned(), value.to_owned());
        }
    };
    for protocol in account.all("Protocol") {
        let name = match protocol.text_of("Type") {
            Some("EXPR") => "ExternalEwsUrl",
            Some("EXCH") => "InternalEwsUrl",
            _ => continue,
        };
        keep(name, protocol.text_of("EwsUrl"));
        if name == "InternalEwsUrl" {
            keep("InternalRpcClientServer", protocol.text_of("Server"));
        }
    }
    let public = account.child("PublicFolderInformation");
    keep(
        "PublicFolderInformation",
        public.and_then(|one| one.text_of("SmtpAddress")),
    );
    let user = document.find("User");
    keep(
        "AutoDiscoverSMTPAddress",
        user.and_then(|user| user.text_of("AutoDiscoverSMTPAddress")),
    );
    Told::Settings(settings)
}

/// A code without anything that could be personal.
fn safe(code: &str) -> String {
    let is_code = !code.is_empty()
        && code.len() <= 60
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_code {
        code.into()
    } else {
        "unknown_code".into()
    }
}
