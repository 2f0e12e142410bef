//! Opening connections: TCP, TLS, HTTP/1.1.

use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::header::HeaderValue;
use hyper_util::rt::TokioIo;
use mailkeep_model::FailureClass;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::ServerName;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::Outgoing;
use super::failed;
use crate::SourceError;
use crate::ews::connection::{Checked, configuration};

/// How long to wait for a connection, with TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One open connection.
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<Outgoing>,
    /// NTLM has logged it in.
    pub(super) is_logged_in: bool,
}

/// Where to connect to.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    path: String,
    host_header: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Endpoint {
    pub(super) fn new(checked: &Checked) -> Result<Self, SourceError> {
        let url = &checked.url;
        let bad = || configuration("ews_url", "the address has no usable host");
        let host = url
            .host_str()
            .ok_or_else(bad)?
            .trim_matches(['[', ']'])
            .to_owned();
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let tls = match url.scheme() {
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
                Some((connector(checked)?, name))
            }
            _ => None,
        };
        Ok(Self {
            port: url.port_or_known_default().unwrap_or(443),
            path: match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            host_header: HeaderValue::try_from(authority).map_err(|_| bad())?,
            host,
            tls,
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn host_header(&self) -> HeaderValue {
        self.host_header.clone()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Connection, SourceError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(connection) => connection,
            Err(_) => Err(failed(
                FailureClass::Connection,
                "connect_timeout",
                "no connection came about in time",
            )),
        }
    }

    async fn open(&self) -> Result<Connection, SourceError> {
        let refused = |code: &str, message: &str| failed(FailureClass::Connection, code, message);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|_| refused("connect", "the server cannot be reached"))?;
        // Small requests go out at once; without it they only go out later.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                Box::new(stream.map_err(|_| {
                    refused(
                        "tls",
                        "no trusted TLS connection; check the certificate, its names and its authority",
                    )
                })?)
            }
        };
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| refused("http", "the server does not speak HTTP"))?;
        // Ends by itself when the connection does; what it reports shows at the request.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(Connection {
            sender,
            is_logged_in: false,
        })
    }
}

fn connector(checked: &Checked) -> Result<TlsConnector, SourceError> {
    let broken = |_| configuration("tls", "the TLS library could not be set up");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(checked.authorities.clone(), provider.clone())
        .map_err(broken)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
