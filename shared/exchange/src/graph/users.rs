//! The mailboxes of a tenant.

use futures::{StreamExt, stream};
use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use serde::Deserialize;
use serde_json::Value;

use super::batch::{Part, read_part};
use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{Object, text};
use crate::{Cursor, MailboxPage, SourceError};

pub(crate) const LIST_USERS: Operation =
    Operation::new("list mailboxes", Asked::Directory, "User.Read.All");
pub(crate) const READ_PURPOSE: Operation =
    Operation::new("read mailbox kind", Asked::Mailbox, "MailboxSettings.Read");

/// Accounts on one page.
pub(crate) const PAGE: &str = "999";
pub(crate) const SELECT: &str =
    "id,displayName,mail,userPrincipalName,accountEnabled,userType,assignedPlans";
/// Batches under way at once while kinds are read. Each member concerns another mailbox.
const BATCHES: usize = 4;

#[derive(Deserialize)]
struct UserPage {
    value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

impl GraphClient {
    /// One page of mailboxes.
    pub(crate) async fn mailbox_page(
        &self,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        let url = match next {
            Some(link) => self.links.check(&LIST_USERS, &link.0)?,
            None => self
                .links
                .url(&["users"], &[("$select", SELECT), ("$top", PAGE)]),
        };
        self.profiles(&Call::get(&LIST_USERS, None, url), |_| true)
            .await
    }

    /// The accounts on one page that fit and may have a mailbox.
    pub(crate) async fn profiles(
        &self,
        call: &Call<'_>,
        fits: impl Fn(&Object) -> bool,
    ) -> Result<MailboxPage, SourceError> {
        let page: UserPage = self.json(call).await?;
        let users = page.value.iter().filter(|user| fits(user));
        let mut mailboxes: Vec<MailboxProfile> = users.filter_map(profile).collect();
        self.add_kinds(&mut mailboxes).await;
        Ok(MailboxPage {
            mailboxes,
            next: page.next.map(Cursor),
        })
    }

    /// Asks for the kind of each mailbox. A kind that cannot be had stays unknown.
    async fn add_kinds(&self, mailboxes: &mut [MailboxProfile]) {
        let batches = mailboxes.chunks_mut(20).map(|chunk| async move {
            let mut permits = vec![];
            let mut parts = vec![];
            for mailbox in chunk.iter() {
                // The call counts against its own mailbox, which another task may be reading.
                if let Ok(permit) = self.state(Some(&mailbox.id)).budget.enter(1, 0).await {
                    permits.push(permit);
                }
                parts.push(Part::new(&READ_PURPOSE, self.purpose_url(&mailbox.id)));
            }
            let Ok(answers) = self.batch(None, &parts).await else {
                return;
            };
            for (mailbox, answer) in chunk.iter_mut().zip(answers) {
                if let Ok(purpose) = read_part::<Object>(&READ_PURPOSE, answer) {
                    mailbox.kind = kind(&text(&purpose, "value"));
                }
            }
        });
        let all: Vec<_> = batches.collect();
        stream::iter(all)
            .buffer_unordered(BATCHES)
            .collect::<()>()
            .await;
    }

    pub(crate) fn purpose_url(&self, mailbox: &SourceMailboxId) -> url::Url {
        let path = ["mailboxSettings", "userPurpose"];
        self.links.user(mailbox.as_str(), &path, &[])
    }
}

/// A user that may have a mailbox; `None` for guests and for accounts without a mail address.
fn profile(user: &Object) -> Option<MailboxProfile> {
    let id = text(user, "id");
    let address = text(user, "mail");
    let is_guest = text(user, "userType").eq_ignore_ascii_case("guest")
        || text(user, "userPrincipalName")
            .to_ascii_uppercase()
            .contains("#EXT#");
    if id.is_empty() || address.is_empty() || is_guest {
        return None;
    }
    Some(MailboxProfile {
        id: SourceMailboxId(id),
        address,
        display_name: text(user, "displayName"),
        kind: MailboxKind::Other,
        license: license(user.get("assignedPlans")),
        account_enabled: user
            .get("accountEnabled")
            .and_then(Value::as_bool)
            .unwrap_or(true),
    })
}

fn license(plans: Option<&Value>) -> LicenseState {
    let Some(plans) = plans.and_then(Value::as_array) else {
        return LicenseState::Unknown;
    };
    let is = |plan: &Value, field: &str, value: &str| {
        let text = plan.get(field).and_then(Value::as_str);
        text.is_some_and(|text| text.eq_ignore_ascii_case(value))
    };
    let is_licensed = plans
        .iter()
        .any(|plan| is(plan, "service", "exchange") && is(plan, "capabilityStatus", "Enabled"));
    if is_licensed {
        LicenseState::Licensed
    } else {
        LicenseState::Unlicensed
    }
}

fn kind(purpose: &str) -> MailboxKind {
    match purpose.to_ascii_lowercase().as_str() {
        "user" => MailboxKind::User,
        "shared" => MailboxKind::Shared,
        "room" => MailboxKind::Room,
        "equipment" => MailboxKind::Equipment,
        "linked" => MailboxKind::Linked,
        _ => MailboxKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(user: Value) -> Option<MailboxProfile> {
        profile(user.as_object().unwrap())
    }

    #[test]
    fn guests_and_accounts_without_mail_are_left_out() {
        assert!(read(json!({ "id": "1", "mail": "a@x", "userType": "Guest" })).is_none());
        let external = "b_y.example#EXT#@x.example";
        assert!(read(json!({ "id": "1", "mail": "a@x", "userPrincipalName": external })).is_none());
        assert!(read(json!({ "id": "1", "mail": null })).is_none());
        let shared = json!({ "id": "1", "mail": "a@x", "accountEnabled": false });
        assert!(!read(shared).unwrap().account_enabled);
    }

    #[test]
    fn an_enabled_exchange_plan_is_a_licence() {
        let plans = |status: &str| {
            json!({ "id": "1", "mail": "a@x", "assignedPlans": [
                { "service": "SharePoint", "capabilityStatus": "Enabled" },
                { "service": "exchange", "capabilityStatus": status } ] })
        };
        assert_eq!(
            read(plans("Enabled")).unwrap().license,
            LicenseState::Licensed
        );
        assert_eq!(
            read(plans("Deleted")).unwrap().license,
            LicenseState::Unlicensed
        );
        let silent = json!({ "id": "1", "mail": "a@x" });
        assert_eq!(read(silent).unwrap().license, LicenseState::Unknown);
    }
}
