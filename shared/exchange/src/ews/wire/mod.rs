//! HTTP/1.1 over connections that are held on purpose: NTLM logs a connection in, not a request, so
//! a pool that picks any connection would not do.

mod body;
mod connect;
mod login;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION,
    USER_AGENT, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Request, Response};
use mailkeep_model::FailureClass;
use mailkeep_ports::{Clock, Rng};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use body::{AnswerBody, RequestBody};
use connect::{Connection, Endpoint};
use login::Login;

use super::connection::{Checked, EwsConnection};
use crate::SourceError;

/// How long to wait for the head of an answer: a batch may run for a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);
/// How long to wait for the answer to a question without login.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// What this program calls itself.
const AGENT: &str = concat!("mailkeep/", env!("CARGO_PKG_VERSION"));
/// Connections kept open without work.
const MOST_IDLE: usize = 10;
/// A refusal's body beyond this is not read to its end.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// One server and the connections to it.
pub(crate) struct Wire {
    endpoint: Endpoint,
    login: Login,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// An answer whose body is still to be read.
pub(crate) struct WireAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

/// Where an answer leads.
pub(crate) fn location(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LOCATION)?.to_str().ok()?;
    Some(value.to_owned())
}

/// A failure below the protocol.
pub(crate) fn failed(class: FailureClass, code: &str, message: &str) -> SourceError {
    SourceError::new(class, "call Exchange", code, message)
}

impl Wire {
    /// Sends nothing yet. At most `at_once` requests are under way at any time.
    pub(crate) fn new(
        connection: &EwsConnection,
        checked: &Checked,
        at_once: usize,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            endpoint: Endpoint::new(checked)?,
            login: Login::new(connection, &checked.url, clock.clone(), rng.clone())?,
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(at_once.max(1))),
            clock,
            rng,
        })
    }

    /// Sends a request with a body and gives back the answer, whatever its status but 401.
    pub(crate) async fn post(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: &RequestBody,
    ) -> Result<WireAnswer, SourceError> {
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(|_| failed(FailureClass::Connection, "closed", "shut down"))?;
        let mut connection = self.connection().await?;
        let mut token = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let authorization = match &self.login {
                Login::Ntlm(_) if connection.is_logged_in => None,
                Login::Ntlm(login) => {
                    let (answered, message) = self.handshake(connection, login).await?;
                    connection = answered;
                    Some(message)
                }
                Login::Basic(value) => Some(value.clone()),
                Login::Bearer(tokens) => {
                    let (used, value) = tokens.header(token.take()).await?;
                    token = Some(used);
                    Some(value)
                }
            };
            let had_proof = authorization.is_some();
            let response = self
                .send(
                    &mut connection,
                    headers,
                    authorization,
                    body.open(),
                    body.len(),
                )
                .await?;
            if response.status().as_u16() != 401 {
                connection.is_logged_in = true;
                return Ok(self.answer(response, connection, place));
            }
            let is_final = match &self.login {
                // A connection may lose its login; one that was just logged in may not.
                Login::Ntlm(_) => had_proof,
                Login::Basic(_) => true,
                Login::Bearer(_) => attempt > 1,
            };
            if is_final {
                return Err(failed(
                    FailureClass::AuthCredential,
                    "http_401",
                    "the server refused the login; check user, password and which logins it allows",
                ));
            }
            connection = match self.drained(response, connection).await {
                Some(mut connection) => {
                    connection.is_logged_in = false;
                    connection
                }
                None => self.endpoint.connect().await?,
            };
        }
    }

    /// Asks for the page without any proof of identity. Gives back the status and where the server
    /// leads, if it does.
    pub(crate) async fn probe(&self) -> Result<(u16, Option<String>), SourceError> {
        let mut connection = self.endpoint.connect().await?;
        let empty = RequestBody::from(Bytes::new()).open();
        let request = Request::get(self.endpoint.path())
            .header(HOST, self.endpoint.host_header())
            .header(USER_AGENT, AGENT)
            .body(empty)
            .map_err(|_| failed(FailureClass::RequestBug, "request", "no good request"))?;
        let sent = tokio::time::timeout(PROBE_TIMEOUT, connection.sender.send_request(request));
        match sent.await {
            Ok(Ok(response)) => Ok((response.status().as_u16(), location(response.headers()))),
            Ok(Err(error)) => Err(body::broken(&error)),
            Err(_) => Err(failed(
                FailureClass::Connection,
                "timeout",
                "the server did not answer in time",
            )),
        }
    }

    /// An open connection, or a new one.
    async fn connection(&self) -> Result<Connection, SourceError> {
        loop {
            let idle = self.idle().pop();
            match idle {
                Some(mut connection) => {
                    if connection.sender.ready().await.is_ok() {
                        return Ok(connection);
                    }
                }
                None => return self.endpoint.connect().await,
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first two messages of NTLM; gives back the third.
    async fn handshake(
        &self,
        mut connection: Connection,
        login: &super::ntlm::NtlmLogin,
    ) -> Result<(Connection, HeaderValue), SourceError> {
        let first = login::ntlm_header(&login.negotiate())?;
        let empty = RequestBody::from(Bytes::new());
        let response = self
            .send(&mut connection, &[], Some(first), empty.open(), 0)
            .await?;
        let challenge = login::ntlm_challenge(response.headers().get_all(WWW_AUTHENTICATE).iter());
        let status = response.status().as_u16();
        let Some(challenge) = challenge.filter(|_| status == 401) else {
            let (class, message) = match status {
                401 => (
                    FailureClass::AuthCredential,
                    "the server does not offer NTLM; use another login or turn Windows authentication on",
                ),
                400..=499 => (FailureClass::Configuration, "the server refused the login"),
                _ => (
                    FailureClass::Transient,
                    "the server did not start the login",
                ),
            };
            return Err(failed(class, &format!("ntlm_{status}"), message));
        };
        let Some(connection) = self.drained(response, connection).await else {
            return Err(failed(
                FailureClass::Connection,
                "ntlm_closed",
                "the connection was closed during the login",
            ));
        };
        let third = login
            .authenticate(&challenge, self.endpoint.host(), &*self.clock, &*self.rng)
            .map_err(|_| {
                failed(
                    FailureClass::Transient,
                    "ntlm_challenge",
                    "the server's NTLM challenge is not usable",
                )
            })?;
        Ok((connection, login::ntlm_header(&third)?))
    }

    async fn send(
        &self,
        connection: &mut Connection,
        headers: &[(HeaderName, HeaderValue)],
        authorization: Option<HeaderValue>,
        body: body::Outgoing,
        length: u64,
    ) -> Result<Response<Incoming>, SourceError> {
        let mut request = Request::post(self.endpoint.path());
        if let Some(out) = request.headers_mut() {
            out.insert(HOST, self.endpoint.host_header());
            out.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            out.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/xml; charset=utf-8"),
            );
            out.insert(CONTENT_LENGTH, HeaderValue::from(length));
            for (name, value) in headers {
                out.append(name, value.clone());
            }
            if let Some(mut value) = authorization {
                value.set_sensitive(true);
                out.insert(AUTHORIZATION, value);
            }
        }
        let request = request
            .body(body)
            .map_err(|_| failed(FailureClass::RequestBug, "request", "no good request"))?;
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, connection.sender.send_request(request));
        match sent.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(body::broken(&error)),
            Err(_) => Err(failed(
                FailureClass::Connection,
                "timeout",
                "the server did not answer in time",
            )),
        }
    }

    /// Reads a refusal to its end, so that the connection can be used again.
    async fn drained(
        &self,
        response: Response<Incoming>,
        connection: Connection,
    ) -> Option<Connection> {
        let mut body = AnswerBody::new(response.into_body(), connection, None);
        let mut length = 0;
        while let Ok(Some(chunk)) = body.chunk().await {
            length += chunk.len();
            if length > LONGEST_REFUSAL {
                return None;
            }
        }
        let mut connection = body.into_connection()?;
        connection.sender.ready().await.ok()?;
        Some(connection)
    }

    fn answer(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        place: OwnedSemaphorePermit,
    ) -> WireAnswer {
        let (head, body) = response.into_parts();
        let home = body::Home {
            idle: self.idle.clone(),
            _place: place,
        };
        WireAnswer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: AnswerBody::new(body, connection, Some(home)),
        }
    }
}
