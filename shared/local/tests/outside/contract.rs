//! Mail and webhooks keep the contract of every way to deliver.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_local::LocalNotify;
use mailkeep_model::news::{MailServer, NotificationSettings, Security, Webhook};
use mailkeep_ports::conformance::{self, KnownRecipients, Mailroom};
use mailkeep_ports::{Clock, Recipient, TestClock};

use crate::http::{Receiver, status};
use crate::secrets;
use crate::smtp::{Rules, Server};

struct Mails(Server);

#[async_trait]
impl Mailroom for Mails {
    async fn arrived(&self) -> Vec<String> {
        self.0.taken().into_iter().map(|mail| mail.text).collect()
    }
}

struct Posts(Receiver);

#[async_trait]
impl Mailroom for Posts {
    async fn arrived(&self) -> Vec<String> {
        self.0.requests().into_iter().map(|it| it.body).collect()
    }
}

async fn notify(settings: &NotificationSettings) -> LocalNotify {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
    let secrets = secrets(&[("KEY", b"a key of more than 16 bytes")]);
    LocalNotify::new(settings, &secrets, &clock).await.unwrap()
}

#[tokio::test]
async fn mail_keeps_the_contract() {
    let mails = Mails(Server::start(Rules::default()).await);
    let mut settings = NotificationSettings::new();
    settings.mail = Some(MailServer {
        server: "localhost".to_owned(),
        port: Some(mails.0.port),
        security: Security::None,
        from: "mailkeep@contoso.example".to_owned(),
        user: None,
        password: None,
        ca: None,
    });
    let known = KnownRecipients {
        good: Recipient::Mail("ann@contoso.example".to_owned()),
        bad: vec![
            Recipient::Mail("no address".to_owned()),
            Recipient::Webhook("operators".to_owned()),
            Recipient::Topic("operators".to_owned()),
        ],
        mailroom: &mails,
    };
    let notify = notify(&settings).await;
    conformance::notify(&notify, &known).await.unwrap();
}

#[tokio::test]
async fn webhooks_keep_the_contract() {
    let answer = status(204, "");
    let posts = Posts(Receiver::start(&[answer.as_str(); 8]).await);
    let mut settings = NotificationSettings::new();
    settings.webhooks = vec![Webhook {
        name: "ops".to_owned(),
        url: format!("http://127.0.0.1:{}/hook", posts.0.port),
        secret: "env:KEY".to_owned(),
        ca: None,
    }];
    let known = KnownRecipients {
        good: Recipient::Webhook("ops".to_owned()),
        bad: vec![
            Recipient::Webhook("developers".to_owned()),
            Recipient::Mail("ann@contoso.example".to_owned()),
        ],
        mailroom: &posts,
    };
    let notify = notify(&settings).await;
    conformance::notify(&notify, &known).await.unwrap();
}
