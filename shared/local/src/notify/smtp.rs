//! Mail over SMTP.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mailkeep_model::news::{MailServer, Security};
use mailkeep_ports::{Message, NotifyError, NotifyErrorKind, Secrets};

use super::{SetUpError, is_certificate_error, read};

/// For each answer of the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// For a whole delivery.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Gives mail to a server. Each recipient gets a message of their own.
pub struct SmtpNotify {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpNotify {
    /// Reads password and certificate. Connects to nobody.
    ///
    /// # Errors
    /// When they are not there or of no use.
    pub async fn new(server: &MailServer, secrets: &dyn Secrets) -> Result<Self, SetUpError> {
        let from = server.from.parse();
        let from = from.map_err(|_| SetUpError::unusable("from", "no mail address"))?;
        let host = server.server.trim_matches(['[', ']']);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(server.port())
            .timeout(Some(ANSWER_TIMEOUT))
            .tls(match server.security {
                Security::StartTls => Tls::Required(tls(server, host, secrets).await?),
                Security::Tls => Tls::Wrapper(tls(server, host, secrets).await?),
                Security::None => Tls::None,
            });
        if let (Some(user), Some(place)) = (&server.user, &server.password) {
            let password = read(secrets, "password", place).await?;
            let password = std::str::from_utf8(&password)
                .map_err(|_| SetUpError::unusable("password", "it is not text"))?;
            let credentials = Credentials::new(user.clone(), password.to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }

    /// Delivers a message to one address.
    ///
    /// # Errors
    /// See [`NotifyErrorKind`].
    pub async fn deliver(&self, to: &str, message: &Message) -> Result<(), NotifyError> {
        let mail = self.mail(to, message)?;
        let sent = tokio::time::timeout(TIMEOUT, self.transport.send(mail)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(unreachable("the mail server did not answer in time")),
        }
    }

    fn mail(&self, to: &str, message: &Message) -> Result<Mail, NotifyError> {
        let bad = |_| NotifyError::new(NotifyErrorKind::BadAddress, "this is no mail address");
        let raw = |name, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let id = format!("<{}@{}>", message.id, self.from.email.domain());
        Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.parse().map_err(bad)?))
            .subject(&message.subject)
            .date(SystemTime::from(message.at))
            .message_id(Some(id))
            // Nobody's vacation notice should answer.
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
            .map_err(|_| NotifyError::new(NotifyErrorKind::Refused, "it cannot be made a mail"))
    }
}

async fn tls(
    server: &MailServer,
    host: &str,
    secrets: &dyn Secrets,
) -> Result<TlsParameters, SetUpError> {
    let unusable = |_| SetUpError::unusable("ca", "it holds no certificate in PEM");
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(place) = &server.ca {
        let pem = read(secrets, "ca", place).await?;
        if !pem.windows(10).any(|window| window == b"-----BEGIN") {
            return Err(SetUpError::unusable("ca", "it holds no certificate in PEM"));
        }
        parameters =
            parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(unusable)?);
    }
    let built = parameters.build_rustls();
    built.map_err(|_| SetUpError::unusable("server", "TLS cannot be set up for this name"))
}

fn unreachable(cause: &str) -> NotifyError {
    NotifyError::new(NotifyErrorKind::Unreachable, cause)
}

/// What a failure means. The server's own words may hold addresses and are not used.
fn judge(error: &lettre::transport::smtp::Error) -> NotifyError {
    use NotifyErrorKind as K;
    if let Some(code) = error.status() {
        let code = code.to_string();
        let (kind, words) = match code.as_str() {
            "530" | "534" | "535" | "538" => {
                (K::Denied, "it does not let us in; check user and password")
            }
            "550" | "551" | "553" | "556" => (K::BadAddress, "it knows no such recipient"),
            _ if error.is_transient() => (K::Busy, "it asks to come back later"),
            _ => (K::Refused, "it refuses the message"),
        };
        return NotifyError::new(kind, format!("the mail server answered {code}: {words}"));
    }
    if is_certificate_error(error) {
        let words = "the mail server's certificate is not trusted; give its authority as `ca`";
        return NotifyError::new(K::Denied, words);
    }
    if error.is_client() {
        let words = "the mail server does not offer the protection or the way to log in that the settings ask for";
        return NotifyError::new(K::Denied, words);
    }
    if error.is_timeout() {
        return unreachable("the mail server did not answer in time");
    }
    unreachable("no connection to the mail server; check name, port, network and TLS")
}
