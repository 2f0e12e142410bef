//! HTTP in front of the Exchange organisation.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::context::{Context, Style, impersonated};
use super::error::{EwsError, Fault};
use super::exchange::{Exchange, Login, Over};
use super::login::{Connection, authenticate};
use super::ops;
use super::out::Prefixes;
use super::schema;
use super::soap::{self, Message};
use super::xml::Node;
use super::{autodiscover, pages, version};
use crate::content::segment::{Segment, collect};
use crate::faults::FaultKind;
use crate::graph::dispatch::Outcome;
use crate::graph::reply::{Content, Reply};
use crate::journal::LoggedRequest;
use crate::numbers::locked;
use crate::store::users::Account;
use crate::tenant::Tenant;

/// A request that came in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) connection: Connection,
}

impl Incoming {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// True for addresses that belong to Exchange.
pub(crate) fn is_here(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("/ews/") || path.starts_with("/autodiscover/")
}

/// Answers a request to Exchange.
pub(crate) async fn answer(
    tenant: &Arc<Tenant>,
    exchange: &Arc<Exchange>,
    incoming: Incoming,
) -> Outcome {
    let login = match authenticate(tenant, exchange, &incoming.connection, &incoming.headers) {
        Ok(login) => login,
        Err(refused) => {
            let mut reply = pages::html(401);
            for offer in refused.offers {
                reply.headers.push(("WWW-Authenticate".to_owned(), offer));
            }
            note(tenant, "/EWS", None, 401);
            return plain(reply);
        }
    };
    let path = incoming.path.to_ascii_lowercase();
    if path.starts_with("/autodiscover/") {
        let reply = autodiscover::answer(tenant, exchange, &login, &incoming);
        note(tenant, "/autodiscover", None, reply.status);
        return plain(reply);
    }
    let is_soap = incoming
        .header("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/xml"));
    let refused = match (path.as_str(), is_soap) {
        ("/ews/exchange.asmx", true) if incoming.method == http::Method::POST => None,
        ("/ews/exchange.asmx", false) if incoming.method == http::Method::POST => Some(415),
        ("/ews/exchange.asmx", _) => Some(405),
        _ => Some(404),
    };
    if let Some(status) = refused {
        note(tenant, "/EWS", None, status);
        return plain(pages::html(status));
    }
    let options = *locked(&exchange.options);
    let style = Style {
        dialect: options.dialect,
        prefixes: if options.dialect.other_prefixes {
            Prefixes::Other
        } else {
            Prefixes::Usual
        },
    };
    let mut name = "unknown".to_owned();
    let mut mailbox = None;
    let outcome = match prepare(tenant, exchange, &login, &incoming, style) {
        Ok(call) => {
            name = call.operation.local().to_owned();
            mailbox = call.context.acting.as_ref().map(|one| one.id.clone());
            carry_out(call).await
        }
        Err(fault) => plain(fault_reply(exchange, style, &fault)),
    };
    note(
        tenant,
        &format!("/EWS/{name}"),
        mailbox,
        outcome.reply.status,
    );
    outcome
}

/// A call that may be carried out.
struct Prepared {
    context: Context,
    operation: Node,
    budget: String,
}

fn prepare(
    tenant: &Arc<Tenant>,
    exchange: &Arc<Exchange>,
    login: &Arc<Login>,
    incoming: &Incoming,
    style: Style,
) -> Result<Prepared, Fault> {
    let document = &incoming.body;
    let mut envelope =
        Node::parse(document).map_err(|bad| Fault::schema(document, bad.at, &bad.why))?;
    let header = envelope.child("s:Header").cloned();
    let body = envelope
        .children
        .iter_mut()
        .find(|child| child.name == "s:Body")
        .map(|body| std::mem::take(&mut body.children))
        .unwrap_or_default();
    let operation = match <[Node; 1]>::try_from(body) {
        Ok([operation]) if envelope.name == "s:Envelope" => operation,
        _ => {
            return Err(Fault::schema(
                document,
                envelope.at,
                "The body must hold exactly one operation.",
            ));
        }
    };
    let server = locked(&exchange.options).version;
    let rank = version::requested(header.as_ref(), server)?;
    let known = |node: &&Node| node.name.starts_with("t:");
    let headers = header.iter().flat_map(|header| &header.children);
    for node in headers.filter(known).chain([&operation]) {
        schema::check(node).map_err(|bad| Fault::schema(document, bad.at, &bad.text))?;
        version::check(document, node, rank)?;
    }
    let Some(routing) = ops::routing(operation.local()) else {
        return Err(Fault::new(
            "ErrorInvalidRequest",
            "The request is invalid: there is no such operation.",
        ));
    };
    let wanted = header
        .as_ref()
        .and_then(|header| header.child("t:ExchangeImpersonation"));
    let acting = match wanted {
        Some(node) => Some(impersonated(tenant, exchange, login, node)?),
        None => login.account.and_then(|number| {
            let mut all = tenant.visible_accounts().into_iter();
            all.find(|account| account.number == number)
        }),
    };
    let budget = match (&acting, wanted) {
        (Some(account), Some(_)) => account.id.clone(),
        _ => format!("login {}", login.user),
    };
    let context = Context {
        tenant: Arc::clone(tenant),
        exchange: Arc::clone(exchange),
        login: Arc::clone(login),
        is_impersonated: wanted.is_some(),
        acting,
        anchor: incoming.header("x-anchormailbox").map(str::to_owned),
        public_mailbox: incoming.header("x-publicfoldermailbox").map(str::to_owned),
        routing,
        style,
    };
    Ok(Prepared {
        context,
        operation,
        budget,
    })
}

async fn carry_out(call: Prepared) -> Outcome {
    let Prepared {
        context,
        operation,
        budget,
    } = call;
    let (tenant, exchange) = (&context.tenant, &context.exchange);
    let now = tenant.clock.unix_millis();
    let guard = match exchange.enter(&budget, now) {
        Ok(guard) => guard,
        Err(over) => {
            return plain(fault_reply(exchange, context.style, &over_budget(over)));
        }
    };
    let name = format!("POST /EWS/{}", operation.local());
    let fault = take_fault(tenant, &name, context.acting.as_deref()).await;
    if let Some(reply) = fault
        .as_ref()
        .and_then(|kind| refusal(&context, &budget, kind))
    {
        return Outcome {
            reply,
            damage: None,
            pass: Some(Box::new(guard)),
        };
    }
    let reply = match ops::run(&context, &operation) {
        Ok(mut messages) => {
            spoil(&context, fault.as_ref(), &mut messages);
            let version = locked(&exchange.options).version;
            let text = soap::answer(context.style, version, operation.local(), messages);
            pages::xml(200, text)
        }
        Err(fault) => fault_reply(exchange, context.style, &fault),
    };
    let mut reply = affinity(&context, reply);
    if fault == Some(FaultKind::TruncateXml) {
        truncate(&mut reply);
    }
    Outcome {
        reply,
        damage: fault,
        pass: Some(Box::new(guard)),
    }
}

fn over_budget(over: Over) -> Fault {
    match over {
        Over::AtOnce => Fault::new(
            "ErrorExceededConnectionCount",
            "You have exceeded the available concurrent connections for your account. Try again once your other requests have completed.",
        ),
        Over::Busy(millis) => Fault {
            values: vec![("BackOffMilliseconds", millis.to_string())],
            ..Fault::new(
                "ErrorServerBusy",
                "The server cannot service this request right now. Try again later.",
            )
        },
    }
}

/// The waiting fault for a call, after any delay that it asks for.
async fn take_fault(tenant: &Tenant, name: &str, account: Option<&Account>) -> Option<FaultKind> {
    let account = account.map(|account| {
        let address = account.mail.as_deref().unwrap_or_default();
        (account.id.as_str(), address)
    });
    let kind = {
        let mut faults = locked(&tenant.faults);
        match faults.take(name, account) {
            Some(kind) => Some(kind),
            None => faults.random(tenant.world.seed, tenant.next_request()),
        }
    };
    match kind {
        Some(FaultKind::Slow { millis }) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "a slow answer has to be slow for the client's real clock"
            )]
            tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
            None
        }
        // A call with JSON cut in half is a call with XML cut in half.
        Some(FaultKind::TruncateJson) => Some(FaultKind::TruncateXml),
        kind => kind,
    }
}

/// The answer of faults that keep the call from being carried out.
fn refusal(context: &Context, budget: &str, kind: &FaultKind) -> Option<Reply> {
    let now = context.tenant.clock.unix_millis();
    let fault = |fault: &Fault| Some(fault_reply(&context.exchange, context.style, fault));
    match kind {
        FaultKind::EwsBusy { backoff_millis } => {
            let millis = i64::try_from(*backoff_millis).unwrap_or(i64::MAX);
            context.exchange.block(budget, now.saturating_add(millis));
            fault(&over_budget(Over::Busy(millis)))
        }
        FaultKind::EwsFault { code } => {
            fault(&Fault::new(code.clone(), "The service failed on request."))
        }
        FaultKind::HtmlPage { status } => Some(pages::html(*status)),
        FaultKind::Error { status: 500, code } => {
            fault(&Fault::new(code.clone(), "The service failed on request."))
        }
        other => {
            let failure = other.refusal(now)?;
            let mut reply = match failure.is_empty {
                true => Reply::empty(failure.status),
                // Exchange queues with 503 where Graph answers 429.
                false if failure.status == 429 => pages::html(503),
                false => pages::html(failure.status),
            };
            reply.headers.extend(failure.headers);
            Some(reply)
        }
    }
}

/// Lets messages of a good answer fail.
fn spoil(context: &Context, fault: Option<&FaultKind>, messages: &mut [Message]) {
    let (from, error) = match fault {
        Some(FaultKind::EwsItems { code }) => (
            0,
            EwsError::new(code.clone(), "The service failed on request."),
        ),
        Some(FaultKind::EwsStopBatch { after }) => (
            crate::numbers::index(u64::from(*after)),
            EwsError::stopped(),
        ),
        _ => return,
    };
    for message in messages.iter_mut().skip(from) {
        *message = Message::bad(error.clone(), context.out());
    }
}

fn truncate(reply: &mut Reply) {
    if let Content::Stream(segments, _) = &mut reply.content {
        let mut bytes = collect(std::mem::take(segments));
        bytes.truncate(bytes.len() * 2 / 3);
        segments.push(Segment::Text(Bytes::from(bytes)));
    }
}

/// Cookies that keep a client at the server of its mailbox.
fn affinity(context: &Context, reply: Reply) -> Reply {
    let Some(account) = &context.acting else {
        return reply;
    };
    let server = account.number % 3;
    reply
        .header("X-FEServer", "EX01")
        .header("X-BEServer", format!("EX1{server}"))
        .header(
            "Set-Cookie",
            format!(
                "X-BackEndCookie={}=EX1{server}; path=/EWS; HttpOnly",
                account.id
            ),
        )
        .header(
            "Set-Cookie",
            format!("X-BackEndOverrideCookie=EX1{server}~1943714565; path=/; HttpOnly"),
        )
}

fn fault_reply(exchange: &Exchange, style: Style, fault: &Fault) -> Reply {
    let version = locked(&exchange.options).version;
    let status = if style.dialect.faults_with_ok {
        200
    } else {
        500
    };
    pages::xml(status, soap::fault(style, version, fault))
}

fn plain(reply: Reply) -> Outcome {
    Outcome {
        reply,
        damage: None,
        pass: None,
    }
}

fn note(tenant: &Tenant, template: &str, mailbox: Option<String>, status: u16) {
    locked(&tenant.journal).note(LoggedRequest {
        unix_millis: tenant.clock.unix_millis(),
        method: "POST".to_owned(),
        template: template.to_owned(),
        mailbox,
        status,
        in_batch: false,
    });
}
