//! The HTTP client of webhooks.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that follows no redirect, and trusts the authorities of the system and perhaps one more.
///
/// # Errors
/// Why the certificate is of no use.
pub(crate) fn client(url: &Url, ca: Option<&[u8]>) -> Result<Client, &'static str> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("mailkeep/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    } else {
        builder = builder.https_only(true);
    }
    if let Some(pem) = ca {
        let unusable = "it holds no certificate in PEM";
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| unusable)?;
        if certificates.is_empty() {
            return Err(unusable);
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|_| "the TLS library could not be set up")
}

fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Words for a failed exchange, without the address.
pub(crate) fn words(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "the webhook did not answer in time"
    } else if error.is_connect() {
        "no connection to the webhook; check address, network, DNS, TLS and proxy"
    } else {
        "the connection to the webhook failed"
    }
}
