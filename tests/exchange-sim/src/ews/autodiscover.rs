//! Autodiscover: POX and SOAP (`GetUserSettings`), with redirections on demand.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::exchange::{Exchange, Login};
use super::front::Incoming;
use super::out::{Out, Prefixes};
use super::pages;
use super::xml::Node;
use crate::content::segment::{Segment, collect};
use crate::graph::reply::Reply;
use crate::numbers::locked;
use crate::tenant::Tenant;

const POX: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const REQUEST: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const SOAP: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

/// Where Autodiscover sends a client instead of answering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// By status 302, to this address.
    Status(String),
    /// By the answer, to another address of the service.
    Url(String),
    /// By the answer, to another mail address.
    Address(String),
}

/// Answers Autodiscover.
pub(crate) fn answer(
    tenant: &Arc<Tenant>,
    exchange: &Exchange,
    _login: &Login,
    incoming: &Incoming,
) -> Reply {
    let redirect = locked(&exchange.redirects).pop_front();
    if let Some(Redirect::Status(url)) = &redirect {
        return pages::html(302).header("Location", url.clone());
    }
    let path = incoming.path.to_ascii_lowercase();
    let request = Node::parse(&incoming.body);
    let text = match (path.as_str(), request) {
        ("/autodiscover/autodiscover.xml", Ok(request)) => {
            pox(tenant, exchange, &request, redirect.as_ref())
        }
        ("/autodiscover/autodiscover.svc", Ok(request)) => {
            soap(tenant, exchange, &request, redirect.as_ref())
        }
        (_, Err(_)) => return pages::html(400),
        _ => return pages::html(404),
    };
    let bytes = Bytes::from(collect(text));
    pages::xml(200, vec![Segment::Text(bytes)])
}

/// What is known about an address.
struct Found {
    name: String,
    address: String,
    /// What clients of the EXCH protocol call its server: since 2013 the mailbox's own GUID.
    server: String,
}

fn find(tenant: &Tenant, exchange: &Exchange, address: &str) -> Option<Found> {
    for number in 0..locked(&exchange.options).public_mailboxes {
        let (id, public) = exchange.public_mailbox(number);
        if address.eq_ignore_ascii_case(&public)
            || address.eq_ignore_ascii_case(&format!("{id}@sim.example"))
        {
            return Some(Found {
                name: format!("Public folders {number}"),
                address: public,
                server: format!("{id}@sim.example"),
            });
        }
    }
    let account = tenant.account(address)?;
    account.mailbox.as_ref()?;
    Some(Found {
        name: account.name.clone(),
        address: account.mail.clone()?,
        server: format!("{}@sim.example", account.id),
    })
}

fn ews_url(tenant: &Tenant) -> String {
    format!("{}/EWS/Exchange.asmx", tenant.base_url())
}

fn pox(
    tenant: &Tenant,
    exchange: &Exchange,
    request: &Node,
    redirect: Option<&Redirect>,
) -> Vec<Segment> {
    let asked = request
        .child(&format!("{{{REQUEST}}}Request"))
        .and_then(|request| request.text_of(&format!("{{{REQUEST}}}EMailAddress")))
        .unwrap_or_default()
        .trim();
    let mut out = Out::new(Prefixes::Usual);
    out.start("Autodiscover", &[("xmlns", POX)]);
    let Some(found) = find(tenant, exchange, asked) else {
        out.start("Response", &[])
            .start("Error", &[("Time", "08:00:00.0000000"), ("Id", "1")])
            .text("ErrorCode", "500")
            .text("Message", "The email address can't be found.")
            .empty("DebugData", &[]);
        return out.finish();
    };
    out.start("Response", &[("xmlns", OUTLOOK)]);
    match redirect {
        Some(Redirect::Url(url)) => {
            out.start("Account", &[])
                .text("Action", "redirectUrl")
                .text("RedirectUrl", url);
            return out.finish();
        }
        Some(Redirect::Address(address)) => {
            out.start("Account", &[])
                .text("Action", "redirectAddr")
                .text("RedirectAddr", address);
            return out.finish();
        }
        _ => {}
    }
    out.start("User", &[])
        .text("DisplayName", &found.name)
        .text("AutoDiscoverSMTPAddress", &found.address)
        .end()
        .start("Account", &[])
        .text("AccountType", "email")
        .text("Action", "settings");
    for kind in ["EXCH", "EXPR"] {
        out.start("Protocol", &[])
            .text("Type", kind)
            .text("Server", &found.server)
            .text("EwsUrl", &ews_url(tenant))
            .end();
    }
    let (_, public) = exchange.public_mailbox(0);
    out.start("PublicFolderInformation", &[])
        .text("SmtpAddress", &public)
        .end();
    out.finish()
}

fn soap(
    tenant: &Tenant,
    exchange: &Exchange,
    request: &Node,
    redirect: Option<&Redirect>,
) -> Vec<Segment> {
    let name = |local: &str| format!("{{{SOAP}}}{local}");
    let body = request
        .child("s:Body")
        .and_then(|body| body.children.first());
    let inner = body.and_then(|message| message.child(&name("Request")));
    let users: Vec<&str> = inner
        .and_then(|request| request.child(&name("Users")))
        .iter()
        .flat_map(|users| &users.children)
        .filter_map(|user| user.text_of(&name("Mailbox")))
        .collect();
    let settings: Vec<&str> = inner
        .and_then(|request| request.child(&name("RequestedSettings")))
        .iter()
        .flat_map(|settings| &settings.children)
        .map(|setting| setting.text.as_str())
        .collect();
    let version = locked(&exchange.options).version;
    let [major, minor, build, revision] = version.build();
    let mut out = Out::new(Prefixes::Usual);
    out.envelope()
        .start("s:Header", &[])
        .start(
            "a:Action",
            &[("xmlns:a", ADDRESSING), ("s:mustUnderstand", "1")],
        )
        .raw_text(&format!("{SOAP}/Autodiscover/GetUserSettingsResponse"))
        .end()
        .start("h:ServerVersionInfo", &[("xmlns:h", SOAP)])
        .text("h:MajorVersion", major)
        .text("h:MinorVersion", minor)
        .text("h:MajorBuildNumber", build)
        .text("h:MinorBuildNumber", revision)
        .text("h:Version", "Exchange2016")
        .end()
        .end()
        .start("s:Body", &[])
        .start("GetUserSettingsResponseMessage", &[("xmlns", SOAP)])
        .start(
            "Response",
            &[("xmlns:i", "http://www.w3.org/2001/XMLSchema-instance")],
        )
        .text("ErrorCode", "NoError")
        .empty("ErrorMessage", &[])
        .start("UserResponses", &[]);
    for user in users {
        out.start("UserResponse", &[]);
        user_response(tenant, exchange, &mut out, user.trim(), &settings, redirect);
        out.end();
    }
    out.finish()
}

fn user_response(
    tenant: &Tenant,
    exchange: &Exchange,
    out: &mut Out,
    user: &str,
    settings: &[&str],
    redirect: Option<&Redirect>,
) {
    let found = find(tenant, exchange, user);
    let (code, text, target) = match (&found, redirect) {
        (_, Some(Redirect::Url(url))) => ("RedirectUrl", "Redirection.", Some(url.as_str())),
        (_, Some(Redirect::Address(to))) => ("RedirectAddress", "Redirection.", Some(to.as_str())),
        (None, _) => ("InvalidUser", "Invalid user.", None),
        (Some(_), _) => ("NoError", "No error.", None),
    };
    out.text("ErrorCode", code).text("ErrorMessage", text);
    match target {
        Some(target) => out.text("RedirectTarget", target),
        None => out.empty("RedirectTarget", &[("i:nil", "true")]),
    };
    let Some(found) = found.filter(|_| code == "NoError") else {
        out.empty("UserSettingErrors", &[])
            .empty("UserSettings", &[]);
        return;
    };
    let (public_id, public) = exchange.public_mailbox(0);
    let version = locked(&exchange.options).version;
    let values: Vec<(&str, Option<String>)> = settings
        .iter()
        .map(|name| {
            let value = match *name {
                "ExternalEwsUrl" | "InternalEwsUrl" => Some(ews_url(tenant)),
                "UserDisplayName" => Some(found.name.clone()),
                "AutoDiscoverSMTPAddress" => Some(found.address.clone()),
                "PublicFolderInformation" => Some(public.clone()),
                "InternalRpcClientServer" => Some(format!("{public_id}@sim.example")),
                "EwsSupportedSchemas" => Some(
                    "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, Exchange2010_SP2, Exchange2013, Exchange2013_SP1".to_owned(),
                ),
                "ExternalEwsVersion" => Some(version.build().join(".")),
                _ => None,
            };
            (*name, value)
        })
        .collect();
    out.start("UserSettingErrors", &[]);
    for (name, _) in values.iter().filter(|(_, value)| value.is_none()) {
        out.start("UserSettingError", &[])
            .text("ErrorCode", "SettingIsNotAvailable")
            .text("ErrorMessage", "The setting is not available.")
            .text("SettingName", name)
            .end();
    }
    out.end().start("UserSettings", &[]);
    for (name, value) in values {
        if let Some(value) = value {
            out.start("UserSetting", &[("i:type", "StringSetting")])
                .text("Name", name)
                .text("Value", &value)
                .end();
        }
    }
    out.end();
}
