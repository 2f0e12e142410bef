//! From the inbox to the list and the outbox.

use mailkeep_model::news::{Delivery, JobNews, News, NotificationSettings, Verdict, verdict};
use mailkeep_ports::{Expect, Item, ItemKey, Write};

use super::records::{Envelope, KEPT, Target, To, decode, encode};
use super::{Desk, NewsError, NewsEvent, records};

impl Desk {
    /// Sorts one event, all in one transaction.
    pub(super) async fn sort(
        &self,
        settings: &NotificationSettings,
        item: &Item,
    ) -> Result<(), NewsError> {
        let event: NewsEvent = decode(item)?;
        let mut writes = vec![Write::Delete {
            key: item.key.clone(),
            version: item.version,
        }];
        let listed = records::listed(&event)?;
        if self.table.get(&listed).await?.is_none() {
            writes.extend(self.consequences(settings, &event, listed).await?);
        }
        Ok(self.table.transact(writes).await?)
    }

    async fn consequences(
        &self,
        settings: &NotificationSettings,
        event: &NewsEvent,
        listed: ItemKey,
    ) -> Result<Vec<Write>, NewsError> {
        let key = records::job(event)?;
        let known = self.table.get(&key).await?;
        let job: JobNews = known.as_ref().map(decode).transpose()?.unwrap_or_default();
        let Some(Verdict {
            kind,
            delivery,
            remember,
        }) = verdict(settings, &job, event.happening, event.at)
        else {
            return Ok(vec![]);
        };
        let news = event.news(kind);
        let mut writes = vec![
            Write::Put {
                key: listed,
                expect: Expect::Absent,
                body: encode(&news)?.into(),
                expires_at: event.at.checked_add_signed(KEPT),
            },
            Write::Put {
                key,
                expect: known.map_or(Expect::Absent, |item| Expect::Version(item.version)),
                body: encode(&remember)?.into(),
                expires_at: None,
            },
        ];
        if let Some(order) = &event.report {
            let mut report = self.envelope(format!("report-{}", event.id), vec![]);
            report.report = Some(order.report(news.clone()));
            let addresses = order.to.iter().cloned();
            report.targets = addresses.map(|to| Target::new(To::Mail(to))).collect();
            writes.push(new(records::outbox(&report.id)?, &report)?);
        }
        let targets = targets(settings, &news);
        if !targets.is_empty() {
            writes.extend(self.tell(news, delivery, targets).await?);
        }
        Ok(writes)
    }

    async fn tell(
        &self,
        news: News,
        delivery: Delivery,
        targets: Vec<Target>,
    ) -> Result<Option<Write>, NewsError> {
        let due_at = match delivery {
            Delivery::ListOnly => return Ok(None),
            Delivery::Now => {
                let mut one = self.envelope(format!("news-{}", news.id), targets);
                one.add(news);
                return Ok(Some(new(records::outbox(&one.id)?, &one)?));
            }
            Delivery::With(due_at) => due_at,
        };
        let key = records::collected(news.kind.tone(), due_at)?;
        let mut fresh = self.envelope(format!("digest-{}", news.id), targets);
        fresh.due_at = due_at;
        fresh.first_due_at = due_at;
        fresh.add(news.clone());
        let Some(item) = self.table.get(&key).await? else {
            return Ok(Some(new(key, &fresh)?));
        };
        let mut others: Envelope = decode(&item)?;
        if others.lease.is_some() || others.attempts > 0 {
            // It is on its way already.
            return Ok(Some(new(records::outbox(&fresh.id)?, &fresh)?));
        }
        others.add(news);
        others.targets = fresh.targets;
        let body = encode(&others)?;
        Ok(Some(Write::replace(key, item.version, body)))
    }

    fn envelope(&self, id: String, targets: Vec<Target>) -> Envelope {
        let now = self.clock.now();
        Envelope {
            id,
            news: vec![],
            more: 0,
            report: None,
            targets,
            first_due_at: now,
            due_at: now,
            attempts: 0,
            lease: None,
        }
    }
}

fn new(key: ItemKey, envelope: &Envelope) -> Result<Write, NewsError> {
    Ok(Write::create(key, encode(envelope)?))
}

/// Who is told news of this tone.
fn targets(settings: &NotificationSettings, news: &News) -> Vec<Target> {
    let card = settings.card(news.kind.tone());
    let mail = card.mail_to.addresses().iter().cloned().map(To::Mail);
    let webhooks = card.webhooks.iter().cloned().map(To::Webhook);
    let topics = card.topics.iter().cloned().map(To::Topic);
    let all = mail.chain(webhooks).chain(topics);
    all.map(Target::new).collect()
}
