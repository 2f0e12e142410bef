//! The function that tells people and programs what became of jobs, as settings in Secrets Manager say.
//!
//! Woken every minute. Without settings nobody is told, but everything is listed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_aws::AwsNotify;
use mailkeep_engine::news::Desk;
use mailkeep_function::{Context, Deadline, Function, FunctionError, Unit};
use mailkeep_local::LocalNotify;
use mailkeep_model::news::NotificationSettings;
use mailkeep_ports::{Notify, Secrets};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// How long settings are remembered: so late does a change of theirs count.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// The function.
pub struct NotifierFunction {
    context: Context,
    desk: Desk,
    settings: Mutex<Option<Known>>,
}

/// Settings, and what delivers by them.
#[derive(Clone)]
struct Known {
    settings: Arc<NotificationSettings>,
    notify: Arc<dyn Notify>,
    read_at: Duration,
}

impl NotifierFunction {
    /// The function as its environment says.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub fn new(context: &Context) -> Result<Self, FunctionError> {
        let clock = Arc::clone(context.clock());
        Ok(Self {
            desk: Desk::new(context.table()?, clock, &**context.rng()),
            context: context.clone(),
            settings: Mutex::default(),
        })
    }

    async fn known(&self) -> Result<Known, FunctionError> {
        let mut known = self.settings.lock().await;
        let now = self.context.clock().monotonic();
        let is_fresh = |it: &&Known| now.saturating_sub(it.read_at) < REMEMBERED_FOR;
        if let Some(known) = known.as_ref().filter(is_fresh) {
            return Ok(known.clone());
        }
        let secrets = self.context.secrets();
        let settings = match self.context.environment().text("NOTIFICATIONS") {
            Some(name) => parse(&secrets.read(&format!("aws:{name}")).await?)?,
            None => NotificationSettings::new(),
        };
        let notify = LocalNotify::new(&settings, &secrets, self.context.clock()).await;
        let notify = notify.map_err(|error| FunctionError::Setting(error.to_string()))?;
        let mut notify: Arc<dyn Notify> = Arc::new(notify);
        if AwsNotify::is_needed(&settings) {
            notify = Arc::new(AwsNotify::new(self.context.config(), &settings, notify));
        }
        let fresh = Known {
            settings: Arc::new(settings),
            notify,
            read_at: now,
        };
        *known = Some(fresh.clone());
        Ok(fresh)
    }
}

/// Settings as they stand in a secret: the same TOML as in a file of `mailkeep serve`.
fn parse(secret: &[u8]) -> Result<NotificationSettings, FunctionError> {
    let wrong = |what: String| {
        FunctionError::Setting(format!(
            "the secret with the settings of notifications: {what}"
        ))
    };
    let text = std::str::from_utf8(secret).map_err(|_| wrong("it is not text".to_owned()))?;
    // The parser's own words could quote what stands there.
    let settings: NotificationSettings = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        wrong(format!("line {}: it cannot be read", line.unwrap_or(1)))
    })?;
    let problems = settings.problems();
    if problems.is_empty() {
        return Ok(settings);
    }
    let lines: Vec<String> = problems.list().iter().map(ToString::to_string).collect();
    Err(wrong(lines.join("; ")))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[async_trait]
impl Function for NotifierFunction {
    async fn handle(&self, _event: Value, _deadline: Deadline) -> Result<Value, FunctionError> {
        let known = self.known().await?;
        let worked = self.desk.work(&known.settings, &*known.notify).await?;
        self.context
            .metrics()
            .line()
            .metric("NewsSorted", Unit::Count, worked.sorted)
            .metric("NewsDelivered", Unit::Count, worked.delivered)
            .metric("NewsPostponed", Unit::Count, worked.postponed)
            .metric("NewsNotDelivered", Unit::Count, worked.failed)
            .write();
        Ok(json!({"sorted": worked.sorted, "delivered": worked.delivered}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_wrong_is_named_without_being_quoted() {
        let good = b"[mail]\nserver = \"email-smtp.eu-central-1.amazonaws.com\"\n\
            from = \"backup@contoso.example\"\nuser = \"AKIA\"\npassword = \"aws:mail-password\"\n\
            [bad_news]\nmail_to = \"admin@contoso.example\"\n";
        assert!(parse(good).unwrap().mail.is_some());
        let broken = parse(b"[mail]\nserver = s3cr3t\n")
            .err()
            .unwrap()
            .to_string();
        assert!(
            broken.contains("line 2") && !broken.contains("s3cr3t"),
            "{broken}"
        );
        let wrong = parse(b"[mail]\nserver = \"x\"\nfrom = \"nobody\"\n")
            .err()
            .unwrap()
            .to_string();
        assert!(wrong.contains("from"), "{wrong}");
    }
}
