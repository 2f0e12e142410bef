//! How and to whom news are told.

use serde::{Deserialize, Serialize};

use super::{NewsKind, SesSender, Tone, Topic};
use crate::FieldErrors;
use crate::job::{AddressList, Notifications, is_loopback_host, is_safe_address};

/// Most webhooks.
const MAX_WEBHOOKS: usize = 20;
/// Most topics.
const MAX_TOPICS: usize = 20;

/// How and to whom news of all jobs are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationSettings {
    /// The mail server; without it nothing is told by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailServer>,
    /// Amazon SES, instead of a mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ses: Option<SesSender>,
    /// Addresses of programs that are told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
    /// Topics of Amazon SNS that news are published to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Topic>,
    /// What is told of good news.
    #[serde(default = "Card::good")]
    pub good_news: Card,
    /// What is told of bad news.
    #[serde(default = "Card::bad")]
    pub bad_news: Card,
    /// Failed attempts are told each; otherwise only when the last one failed.
    pub tell_retries: bool,
}

/// What is told of good or bad news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The kinds; all of the card unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<NewsKind>>,
    /// How often.
    #[serde(default)]
    pub frequency: Frequency,
    /// Mail addresses, `;` between them.
    #[serde(default)]
    pub mail_to: AddressList,
    /// Names of webhooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<String>,
    /// Names of topics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

/// How often news are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Each by itself.
    Each,
    /// Those that differ from the job's last ones; the same again after a day.
    #[default]
    Changes,
    /// Collected, once an hour.
    Hourly,
    /// Collected, once a day (at midnight UTC).
    Daily,
}

/// A server that mail is given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailServer {
    /// Name of its host.
    pub server: String,
    /// Port; 587 for STARTTLS, 465 for TLS and 25 without, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// Address of the sender.
    pub from: String,
    /// Name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where its password is: `env:NAME`, `file:PATH` or, on AWS, `aws:SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Where a certificate is that is trusted beside those of the system: `env:NAME` or `file:PATH`,
    /// in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// The connection turns to TLS before anything is said.
    #[default]
    StartTls,
    /// TLS from the start.
    Tls,
    /// Not at all; only for this machine itself.
    None,
}

/// An address that news are posted to, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Where the key of its signatures is: `env:NAME`, `file:PATH` or, on AWS, `aws:SECRET`.
    pub secret: String,
    /// Where a certificate is that is trusted beside those of the system, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl MailServer {
    /// The port to use.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }

    fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let is_host = !self.server.is_empty()
            && self
                .server
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
        errors.require(is_host, "server", "no name of a host");
        errors.require(
            self.security != Security::None || is_loopback_host(&self.server),
            "security",
            "none is for this machine itself only; use start_tls or tls",
        );
        super::aws::check_from(&mut errors, &self.from);
        match (&self.user, &self.password) {
            (Some(_), None) => errors.add("password", "missing; say where it is"),
            (None, Some(_)) => errors.add("user", "missing; a password needs one"),
            _ => {}
        }
        check_place(&mut errors, "password", self.password.as_deref());
        check_place(&mut errors, "ca", self.ca.as_deref());
        errors
    }
}

impl Webhook {
    fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        super::aws::check_name(&mut errors, &self.name);
        errors.require(
            is_safe_address(&self.url),
            "url",
            "no https:// address (http:// only for this machine itself)",
        );
        check_place(&mut errors, "secret", Some(&self.secret));
        check_place(&mut errors, "ca", self.ca.as_deref());
        errors
    }
}

fn check_place(errors: &mut FieldErrors, field: &str, place: Option<&str>) {
    let is_place = |place: &str| {
        place
            .split_once(':')
            .is_some_and(|(kind, rest)| matches!(kind, "env" | "file" | "aws") && !rest.is_empty())
    };
    errors.require(
        place.is_none_or(is_place),
        field,
        "not the secret itself, but where it is: env:NAME, file:PATH or, on AWS, aws:SECRET",
    );
}

impl Default for Card {
    fn default() -> Self {
        Self::bad()
    }
}

impl Card {
    /// Good news unless something else is said: collected, once a day.
    #[must_use]
    pub fn good() -> Self {
        Self {
            frequency: Frequency::Daily,
            ..Self::bad()
        }
    }

    /// Bad news unless something else is said: when something changes.
    #[must_use]
    pub fn bad() -> Self {
        Self {
            types: None,
            frequency: Frequency::Changes,
            mail_to: AddressList::default(),
            webhooks: vec![],
            topics: vec![],
        }
    }

    /// True when this kind is told.
    #[must_use]
    pub fn tells(&self, kind: NewsKind) -> bool {
        self.types
            .as_ref()
            .is_none_or(|types| types.contains(&kind))
    }
}

impl NotificationSettings {
    /// The settings with everything as it is when left out: nobody is told anything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            good_news: Card::good(),
            ..Self::default()
        }
    }

    /// What holds for news of this tone.
    #[must_use]
    pub fn card(&self, tone: Tone) -> &Card {
        match tone {
            Tone::Good => &self.good_news,
            Tone::Bad => &self.bad_news,
        }
    }

    /// Everything that is wrong, with the paths of the fields.
    #[must_use]
    pub fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if let Some(mail) = &self.mail {
            errors.add_part("mail", mail.problems());
        }
        if let Some(ses) = &self.ses {
            errors.add_part("ses", ses.problems());
            errors.require(
                self.mail.is_none(),
                "ses",
                "given beside `mail`; mail goes one way only",
            );
        }
        errors.require(
            self.webhooks.len() <= MAX_WEBHOOKS,
            "webhooks",
            format!("more than {MAX_WEBHOOKS}"),
        );
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let field = format!("webhooks[{index}]");
            errors.add_part(&field, webhook.problems());
            let is_second = self
                .webhooks
                .iter()
                .take(index)
                .any(|other| other.name == webhook.name);
            errors.require(
                !is_second,
                &format!("{field}.name"),
                "there is another one by this name",
            );
        }
        self.check_topics(&mut errors);
        errors.add_part("good_news", self.card_problems(Tone::Good));
        errors.add_part("bad_news", self.card_problems(Tone::Bad));
        errors
    }

    fn check_topics(&self, errors: &mut FieldErrors) {
        errors.require(
            self.topics.len() <= MAX_TOPICS,
            "topics",
            format!("more than {MAX_TOPICS}"),
        );
        for (index, topic) in self.topics.iter().enumerate() {
            let field = format!("topics[{index}]");
            errors.add_part(&field, topic.problems());
            let mut others = self.topics.iter().take(index);
            errors.require(
                !others.any(|other| other.name == topic.name),
                &format!("{field}.name"),
                "there is another one by this name",
            );
        }
    }

    /// True when mail can be sent.
    #[must_use]
    pub fn sends_mail(&self) -> bool {
        self.mail.is_some() || self.ses.is_some()
    }

    fn card_problems(&self, tone: Tone) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let card = self.card(tone);
        for (index, kind) in card.types.iter().flatten().enumerate() {
            errors.require(
                kind.tone() == tone,
                &format!("types[{index}]"),
                "belongs to the other kind of news",
            );
        }
        if !card.mail_to.addresses().is_empty() {
            errors.require(self.sends_mail(), "mail_to", NO_MAIL);
        }
        for (index, name) in card.webhooks.iter().enumerate() {
            errors.require(
                self.webhooks.iter().any(|webhook| webhook.name == *name),
                &format!("webhooks[{index}]"),
                format!("there is no webhook `{name}`"),
            );
        }
        for (index, name) in card.topics.iter().enumerate() {
            errors.require(
                self.topics.iter().any(|topic| topic.name == *name),
                &format!("topics[{index}]"),
                format!("there is no topic `{name}`"),
            );
        }
        errors
    }

    /// What of a job's own notifications cannot be done with these settings.
    #[must_use]
    pub fn problems_of(&self, job: &Notifications) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if !job.report_to.addresses().is_empty() {
            errors.require(self.sends_mail(), "notifications.report_to", NO_MAIL);
        }
        errors
    }
}

const NO_MAIL: &str =
    "given, but there is no mail server; set one up in `mail`, or Amazon SES in `ses`";
