//! From place to place until a service tells the settings.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mailkeep_model::FailureClass;
use mailkeep_ports::{Clock, Rng};
use rustls_pki_types::CertificateDer;
use url::Url;

use super::answer::{Told, read};
use super::request::{pox, soap};
use super::trust::Trust;
use super::{Discovered, EwsAutodiscover};
use crate::SourceError;
use crate::ews::connection::{
    Checked, EwsConnection, MailboxAccess, authorities, configuration, is_loopback,
};
use crate::ews::wire::{RequestBody, Wire, location};
use crate::ews::xml::read_document;

/// Times that a service may lead elsewhere.
const MOST_REDIRECTS: u32 = 10;
/// An answer is never longer.
const LONGEST_ANSWER: usize = 1 << 20;

/// What asking one place came to.
enum Step {
    Done(Box<Discovered>),
    /// Ask there.
    Url(Url),
    /// Ask about this address.
    Address(String),
    /// Nothing useful; for the error should no other place do better.
    Nothing(SourceError),
}

/// A question under way.
pub(super) struct Walk<'a> {
    asked: &'a EwsAutodiscover,
    address: String,
    trust: Trust,
    authorities: Vec<CertificateDer<'static>>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        asked: &'a EwsAutodiscover,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        let mut hosts: Vec<String> = asked
            .trusted_hosts
            .iter()
            .map(|host| host.trim().to_ascii_lowercase())
            .collect();
        let mut allows_loopback = false;
        if let Some(start) = &asked.start {
            let url = parse(start).ok_or_else(|| {
                configuration("autodiscover_url", "the address of Autodiscover is no URL")
            })?;
            hosts.extend(url.host_str().map(str::to_ascii_lowercase));
            allows_loopback = url.scheme() == "http" && is_loopback(&url);
        }
        Ok(Self {
            asked,
            address: asked.address.clone(),
            trust: Trust {
                domain: domain(&asked.address)?,
                hosts,
                allows_loopback,
            },
            authorities: authorities(asked.authority_pem.as_deref())?,
            clock,
            rng,
        })
    }

    pub(super) async fn run(mut self) -> Result<Discovered, SourceError> {
        let mut places = self.places()?;
        let mut redirects = 0;
        let mut last = None;
        while let Some(place) = places.pop_front() {
            let step = match place.scheme() {
                // Only to be told where to go; nothing secret is sent.
                "http" if !self.trust.allows(&place) => self.led(&place).await,
                _ => self.ask(&place).await?,
            };
            match step {
                Step::Done(found) => return Ok(*found),
                Step::Nothing(error) => last = Some(error),
                Step::Url(url) => {
                    redirects += 1;
                    self.check_redirects(redirects)?;
                    if !self.trust.allows(&url) {
                        return Err(untrusted(&place, &url));
                    }
                    places.push_front(url);
                }
                Step::Address(address) => {
                    redirects += 1;
                    self.check_redirects(redirects)?;
                    let domain = domain(&address)?;
                    if !self.trust.allows_domain(&domain) {
                        return Err(configuration(
                            "autodiscover_untrusted",
                            &format!(
                                "Autodiscover leads to addresses of `{domain}`, where credentials do not \
                                 go by themselves; if that is right, give --trust-host {domain}"
                            ),
                        ));
                    }
                    self.address = address;
                    places = self.places()?;
                }
            }
        }
        Err(last.unwrap_or_else(|| configuration("autodiscover_failed", NO_SERVICE)))
    }

    fn check_redirects(&self, redirects: u32) -> Result<(), SourceError> {
        if redirects <= MOST_REDIRECTS {
            return Ok(());
        }
        Err(configuration(
            "autodiscover_loop",
            "Autodiscover leads from place to place without end; give --ews-url",
        ))
    }

    /// The places to ask, in order.
    fn places(&self) -> Result<VecDeque<Url>, SourceError> {
        let domain = domain(&self.address)?;
        let usual = [
            format!("https://{domain}/autodiscover/autodiscover.svc"),
            format!("https://{domain}/autodiscover/autodiscover.xml"),
            format!("https://autodiscover.{domain}/autodiscover/autodiscover.svc"),
            format!("https://autodiscover.{domain}/autodiscover/autodiscover.xml"),
            format!("http://autodiscover.{domain}/autodiscover/autodiscover.xml"),
        ];
        let places: Vec<String> = match &self.asked.start {
            Some(start) => vec![start.clone()],
            None => usual.to_vec(),
        };
        Ok(places.iter().filter_map(|place| parse(place)).collect())
    }

    fn wire(&self, place: &Url) -> Result<Wire, SourceError> {
        let connection = EwsConnection {
            url: place.to_string(),
            login: self.asked.login.clone(),
            access: MailboxAccess::default(),
            mailboxes: vec![],
            public_folders_as: None,
            authority_pem: None,
        };
        let checked = Checked {
            url: place.clone(),
            authorities: self.authorities.clone(),
        };
        let (clock, rng) = (self.clock.clone(), self.rng.clone());
        Wire::new(&connection, &checked, 1, clock, rng)
    }

    /// Asks a place in the clear where it leads.
    async fn led(&self, place: &Url) -> Step {
        let probed = match self.wire(place) {
            Ok(wire) => wire.probe().await,
            Err(error) => Err(error),
        };
        match probed {
            Ok((300..=399, Some(to))) => follow(place, &to),
            Ok((status, _)) => Step::Nothing(no_service(place, &format!("http_{status}"))),
            Err(error) => Step::Nothing(no_service(place, &error.code)),
        }
    }

    /// Asks a trusted place: first without credentials, then with.
    async fn ask(&self, place: &Url) -> Result<Step, SourceError> {
        let wire = self.wire(place)?;
        match wire.probe().await {
            Ok((300..=399, Some(to))) => return Ok(follow(place, &to)),
            Ok((404 | 410, _)) => return Ok(Step::Nothing(no_service(place, "http_404"))),
            Ok(_) => {}
            Err(error) => return Ok(Step::Nothing(no_service(place, &error.code))),
        }
        let is_soap = place.path().to_ascii_lowercase().ends_with(".svc");
        let body = match is_soap {
            true => soap(&self.address, place.as_str()),
            false => pox(&self.address),
        };
        let body = RequestBody::from(Bytes::from(body));
        let answer = match wire.post(&[], &body).await {
            Ok(answer) => answer,
            // The login is wrong wherever it is tried.
            Err(error) if error.class == FailureClass::AuthCredential => return Err(error),
            Err(error) => return Ok(Step::Nothing(no_service(place, &error.code))),
        };
        if let (300..=399, Some(to)) = (answer.status, location(&answer.headers)) {
            return Ok(follow(place, &to));
        }
        if answer.status != 200 {
            let code = format!("http_{}", answer.status);
            return Ok(Step::Nothing(no_service(place, &code)));
        }
        let Ok(document) = read_document(answer.body.stream(), LONGEST_ANSWER).await else {
            return Ok(Step::Nothing(no_service(place, "no_xml")));
        };
        Ok(match read(&document) {
            Told::Url(to) => follow(place, &to),
            Told::Address(address) => Step::Address(address),
            Told::Refused(code) => Step::Nothing(no_service(place, &code)),
            Told::Settings(settings) => {
                let url = ["ExternalEwsUrl", "InternalEwsUrl"]
                    .iter()
                    .find_map(|name| settings.get(*name));
                match url.filter(|url| self.is_usable(url)) {
                    Some(url) => Step::Done(Box::new(Discovered {
                        ews_url: url.clone(),
                        answered_by: place.to_string(),
                        settings,
                    })),
                    None => Step::Nothing(no_service(place, "no_ews_url")),
                }
            }
        })
    }

    /// The service is trusted, and with it the server that it names; but never in the clear.
    fn is_usable(&self, ews_url: &str) -> bool {
        parse(ews_url).is_some_and(|url| {
            url.scheme() == "https" || (self.trust.allows_loopback && is_loopback(&url))
        })
    }
}

const NO_SERVICE: &str = "no Autodiscover service answered for the domain of the address; give \
                          --autodiscover-url, or --ews-url itself";

fn no_service(place: &Url, code: &str) -> SourceError {
    SourceError::new(
        FailureClass::Configuration,
        "ask Autodiscover",
        "autodiscover_failed",
        format!(
            "{NO_SERVICE} (the last one asked, {}, gave {code})",
            place.host_str().unwrap_or_default()
        ),
    )
}

fn untrusted(place: &Url, to: &Url) -> SourceError {
    let to = to.host_str().unwrap_or_default();
    SourceError::new(
        FailureClass::Configuration,
        "ask Autodiscover",
        "autodiscover_untrusted",
        format!(
            "{} leads to the host `{to}`, which is not of the mail domain or not reached over TLS; no \
             credentials went there. If that is right, give --trust-host {to}",
            place.host_str().unwrap_or_default()
        ),
    )
}

fn follow(place: &Url, to: &str) -> Step {
    match place.join(to) {
        Ok(url) => Step::Url(url),
        Err(_) => Step::Nothing(no_service(place, "bad_redirect")),
    }
}

fn parse(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.host().is_some())
}

/// The domain of a mail address, in lower case.
fn domain(address: &str) -> Result<String, SourceError> {
    let bad = || configuration("autodiscover_address", "that is no mail address");
    let (name, domain) = address.rsplit_once('@').ok_or_else(bad)?;
    let is_domain = !domain.is_empty()
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if name.is_empty() || !is_domain {
        return Err(bad());
    }
    Ok(domain.to_ascii_lowercase())
}
