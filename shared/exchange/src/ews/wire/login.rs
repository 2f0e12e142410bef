//! Proof of identity on requests.

use std::sync::Arc;

use base64_simd::STANDARD;
use hyper::header::HeaderValue;
use mailkeep_ports::{Clock, Rng};
use secrecy::ExposeSecret;
use url::Url;
use zeroize::Zeroizing;

use crate::SourceError;
use crate::auth::{BearerToken, TokenSource};
use crate::ews::connection::{EwsConnection, EwsLogin, configuration};
use crate::ews::ntlm::NtlmLogin;
use crate::graph::{Cloud, GraphConnection};

/// How requests prove who they come from.
pub(super) enum Login {
    Ntlm(NtlmLogin),
    Basic(HeaderValue),
    Bearer(Box<Tokens>),
}

/// Access tokens for this server.
pub(super) struct Tokens(TokenSource);

impl Tokens {
    /// A token; another one than `refused`.
    pub(super) async fn header(
        &self,
        refused: Option<Arc<BearerToken>>,
    ) -> Result<(Arc<BearerToken>, HeaderValue), SourceError> {
        let token = match refused {
            None => self.0.token().await?,
            Some(old) => self.0.renewed(&old).await?,
        };
        let value = secret_header(&format!("Bearer {}", token.secret()))?;
        Ok((token, value))
    }
}

impl Login {
    pub(super) fn new(
        connection: &EwsConnection,
        url: &Url,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        Ok(match &connection.login {
            EwsLogin::Ntlm { user, password } => Self::Ntlm(NtlmLogin::new(user, password.clone())),
            EwsLogin::Basic { user, password } => {
                let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
                let encoded = Zeroizing::new(STANDARD.encode_to_string(pair.as_bytes()));
                Self::Basic(secret_header(&format!("Basic {}", encoded.as_str()))?)
            }
            EwsLogin::OAuth {
                tenant_id,
                client_id,
                credential,
                login_url,
            } => {
                let app = GraphConnection {
                    login_url: login_url.clone(),
                    // The token is for this server alone.
                    graph_url: url.origin().ascii_serialization(),
                    ..GraphConnection::new(
                        tenant_id,
                        client_id,
                        credential.clone(),
                        Cloud::Worldwide,
                    )
                };
                let http = reqwest::Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|_| configuration("tls", "the TLS library could not be set up"))?;
                Self::Bearer(Box::new(Tokens(TokenSource::new(&app, http, clock, rng)?)))
            }
        })
    }
}

fn secret_header(text: &str) -> Result<HeaderValue, SourceError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| configuration("login", "the login does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A message of NTLM on its way to the server.
pub(super) fn ntlm_header(message: &[u8]) -> Result<HeaderValue, SourceError> {
    secret_header(&format!("NTLM {}", STANDARD.encode_to_string(message)))
}

/// The challenge among what the server offers.
pub(super) fn ntlm_challenge<'a>(
    offered: impl Iterator<Item = &'a HeaderValue>,
) -> Option<Vec<u8>> {
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|value| {
            let (scheme, message) = value.trim().split_once(' ')?;
            let message = scheme
                .eq_ignore_ascii_case("NTLM")
                .then(|| message.trim())?;
            STANDARD.decode_to_vec(message).ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_found_among_offers() {
        let offers = ["Negotiate", "Basic realm=\"x\"", "ntlm QUJD"].map(HeaderValue::from_static);
        assert_eq!(ntlm_challenge(offers.iter()), Some(b"ABC".to_vec()));
        let joined = [HeaderValue::from_static("Negotiate, NTLM QUJD")];
        assert_eq!(ntlm_challenge(joined.iter()), Some(b"ABC".to_vec()));
        let bare = [HeaderValue::from_static("NTLM")];
        assert_eq!(ntlm_challenge(bare.iter()), None);
    }
}
