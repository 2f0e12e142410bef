//! Who calls: NTLM bound to the connection, Basic, or an access token.

use std::sync::{Arc, Mutex};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use http::HeaderMap;
use tokio::net::TcpListener;

use super::exchange::{Exchange, Login};
use super::ntlm::{Handshake, Proof, kind};
use crate::numbers::locked;
use crate::tenant::Tenant;
use crate::tls::TlsListener;

/// What one connection knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Challenged(Handshake),
    Known(Arc<Login>),
}

impl Connected<IncomingStream<'_, TcpListener>> for Connection {
    fn connect_info(_stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::default()
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Connection {
    fn connect_info(_stream: IncomingStream<'_, TlsListener>) -> Self {
        Self::default()
    }
}

/// The answer to a call without a good login.
#[derive(Debug)]
pub(crate) struct Unauthorized {
    /// Values of `WWW-Authenticate`.
    pub(crate) offers: Vec<String>,
}

fn refused(exchange: &Exchange) -> Unauthorized {
    let logins = locked(&exchange.options).logins;
    let mut offers = vec![];
    if logins.ntlm {
        offers.push("NTLM".to_owned());
    }
    if logins.basic {
        offers.push("Basic realm=\"ex01.sim.example\"".to_owned());
    }
    if logins.bearer {
        offers.push("Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\"".to_owned());
    }
    Unauthorized { offers }
}

/// Finds out who calls.
pub(crate) fn authenticate(
    tenant: &Tenant,
    exchange: &Exchange,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<Arc<Login>, Unauthorized> {
    let logins = locked(&exchange.options).logins;
    let value = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let mut state = locked(&connection.state);
    let Some(value) = value else {
        return match &*state {
            State::Known(login) => Ok(Arc::clone(login)),
            _ => Err(refused(exchange)),
        };
    };
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "ntlm" if logins.ntlm => ntlm(tenant, exchange, &mut state, rest),
        "basic" if logins.basic => basic(exchange, rest).ok_or_else(|| refused(exchange)),
        "bearer" if logins.bearer => crate::graph::login::check_token(tenant, Some(value))
            .map(|_| Arc::clone(&exchange.service))
            .map_err(|_| refused(exchange)),
        _ => Err(refused(exchange)),
    }
}

fn ntlm(
    tenant: &Tenant,
    exchange: &Exchange,
    state: &mut State,
    text: &str,
) -> Result<Arc<Login>, Unauthorized> {
    let before = std::mem::take(state);
    let message = base64_simd::STANDARD
        .decode_to_vec(text.trim())
        .unwrap_or_default();
    match (kind(&message), before) {
        (Some(1), _) => {
            let seed = tenant.next_request() ^ tenant.world.seed;
            let handshake = Handshake::begin(&message, seed, tenant.clock.unix_millis());
            let challenge = base64_simd::STANDARD.encode_to_string(handshake.challenge());
            *state = State::Challenged(handshake);
            Err(Unauthorized {
                offers: vec![format!("NTLM {challenge}")],
            })
        }
        (Some(3), State::Challenged(handshake)) => {
            let login = Proof::parse(&message).and_then(|proof| {
                let login = exchange.login(&proof.user, &proof.domain)?;
                handshake.verify(&proof, &login.password).then_some(login)
            });
            match login {
                Some(login) => {
                    *state = State::Known(Arc::clone(&login));
                    Ok(login)
                }
                None => Err(refused(exchange)),
            }
        }
        _ => Err(refused(exchange)),
    }
}

fn basic(exchange: &Exchange, text: &str) -> Option<Arc<Login>> {
    let bytes = base64_simd::STANDARD.decode_to_vec(text.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    let (domain, user) = name.split_once('\\').unwrap_or(("", name));
    exchange
        .login(user, domain)
        .filter(|login| login.password == password)
}
