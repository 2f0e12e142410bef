//! Which permissions the application really has.
//!
//! The token's `roles` claim alone does not tell: with RBAC for Applications a permission works
//! although the claim does not show it. So reading is tried, and the claim only decides about
//! writing, which is not tried.

use mailkeep_model::{FailureClass, SourceMailboxId};
use serde::de::IgnoredAny;

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{Object, text};
use super::users::{LIST_USERS, READ_PURPOSE};
use crate::{PermissionCheck, SourceError};

const TRY_FOLDERS: Operation = Operation::new("list folders", Asked::Mailbox, "Mail.Read");
const TRY_MESSAGE: Operation = Operation::new("read one message", Asked::Mailbox, "Mail.Read");
const NAME_MAILBOX: Operation =
    Operation::new("read mailbox address", Asked::Directory, "User.Read.All");

/// Permissions for what is no mail: to read, to restore, what for, and what is tried.
const ORGANIZER: &[(&str, &str, &str, &[&str])] = &[
    (
        "Contacts.Read",
        "Contacts.ReadWrite",
        "read contacts",
        &["contactFolders"],
    ),
    (
        "Calendars.Read",
        "Calendars.ReadWrite",
        "read calendars",
        &["calendars"],
    ),
    (
        "Tasks.Read.All",
        "Tasks.ReadWrite.All",
        "read tasks",
        &["todo", "lists"],
    ),
];

/// Words for a permission that needs a mailbox to be tried.
const NO_MAILBOX: &str = "not tried: name a mailbox to try it on";

impl GraphClient {
    /// Tries every permission.
    pub(crate) async fn permissions(
        &self,
        mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError> {
        let roles = self.claimed_roles().await?;
        let users = self
            .links
            .url(&["users"], &[("$select", "id"), ("$top", "1")]);
        let users = self.probe(&Call::get(&LIST_USERS, None, users)).await?;
        let address = match mailbox {
            Some(mailbox) => self.address_of(mailbox).await,
            None => None,
        };
        let shown = |mailbox: Option<&SourceMailboxId>| {
            mailbox.map(|id| address.clone().unwrap_or_else(|| id.0.clone()))
        };
        let mut checks = vec![PermissionCheck {
            permission: "User.Read.All".into(),
            purpose: "find mailboxes".into(),
            mailbox: None,
            failure: users,
            restore_only: false,
        }];
        let (mail, settings) = match mailbox {
            None => (Some(NO_MAILBOX.to_owned()), Some(NO_MAILBOX.to_owned())),
            Some(id) => (self.try_mail(id).await?, self.try_settings(id).await?),
        };
        checks.push(PermissionCheck {
            permission: "Mail.Read".into(),
            purpose: "read folders and mail".into(),
            mailbox: shown(mailbox),
            failure: match mail {
                Some(_) if mailbox.is_none() => {
                    missing_role(roles.as_deref(), &["Mail.Read", "Mail.ReadWrite"])
                }
                other => other,
            },
            restore_only: false,
        });
        checks.push(PermissionCheck {
            permission: "MailboxSettings.Read".into(),
            purpose: "tell shared mailboxes and rooms from people's".into(),
            mailbox: shown(mailbox),
            failure: match settings {
                Some(_) if mailbox.is_none() => missing_role(
                    roles.as_deref(),
                    &["MailboxSettings.Read", "MailboxSettings.ReadWrite"],
                ),
                other => other,
            },
            restore_only: false,
        });
        for (permission, writing, purpose, path) in ORGANIZER {
            let failure = match mailbox {
                None => missing_role(roles.as_deref(), &[permission, writing]),
                Some(id) => {
                    let operation = Operation::new(purpose, Asked::Mailbox, permission);
                    let url = self.links.user(id.as_str(), path, &[("$top", "1")]);
                    self.probe(&Call::get(&operation, Some(id), url)).await?
                }
            };
            checks.push(PermissionCheck {
                permission: (*permission).into(),
                purpose: (*purpose).into(),
                mailbox: shown(mailbox),
                failure,
                restore_only: false,
            });
        }
        for (_, writing, purpose, _) in ORGANIZER {
            checks.push(PermissionCheck {
                permission: (*writing).into(),
                purpose: purpose.replace("read", "restore"),
                mailbox: shown(mailbox),
                failure: missing_role(roles.as_deref(), &[writing]),
                restore_only: true,
            });
        }
        checks.push(PermissionCheck {
            permission: "Mail.ReadWrite".into(),
            purpose: "restore mail".into(),
            mailbox: shown(mailbox),
            failure: missing_role(roles.as_deref(), &["Mail.ReadWrite"]),
            restore_only: true,
        });
        Ok(checks)
    }

    async fn try_mail(&self, mailbox: &SourceMailboxId) -> Result<Option<String>, SourceError> {
        let id = mailbox.as_str();
        let folders = self.links.user(id, &["mailFolders"], &[("$top", "1")]);
        let failure = self
            .probe(&Call::get(&TRY_FOLDERS, Some(mailbox), folders))
            .await?;
        if failure.is_some() {
            return Ok(failure);
        }
        let query = [("$top", "1"), ("$select", "id,subject")];
        let message = self.links.user(id, &["messages"], &query);
        self.probe(&Call::get(&TRY_MESSAGE, Some(mailbox), message))
            .await
    }

    async fn try_settings(&self, mailbox: &SourceMailboxId) -> Result<Option<String>, SourceError> {
        let call = Call::get(&READ_PURPOSE, Some(mailbox), self.purpose_url(mailbox));
        self.probe(&call).await
    }

    /// Why a call fails; an error only when nothing at all can be tried.
    async fn probe(&self, call: &Call<'_>) -> Result<Option<String>, SourceError> {
        match self.json::<IgnoredAny>(call).await {
            Ok(_) => Ok(None),
            Err(error) => match error.class {
                FailureClass::AuthCredential
                | FailureClass::AuthToken
                | FailureClass::Configuration
                | FailureClass::Connection => Err(error),
                _ => Ok(Some(format!("{} ({})", error.message, error.code))),
            },
        }
    }

    async fn address_of(&self, mailbox: &SourceMailboxId) -> Option<String> {
        let url = self
            .links
            .user(mailbox.as_str(), &[], &[("$select", "id,mail")]);
        let user: Object = self.json(&Call::get(&NAME_MAILBOX, None, url)).await.ok()?;
        Some(text(&user, "mail")).filter(|mail| !mail.is_empty())
    }
}

/// Why the token's claim says that a permission is missing; `None` when one of `names` is there.
fn missing_role(roles: Option<&[String]>, names: &[&str]) -> Option<String> {
    let Some(roles) = roles else {
        return Some("not known: the access token cannot be read".into());
    };
    if roles.iter().any(|role| names.contains(&role.as_str())) {
        return None;
    }
    Some("not granted by Entra ID; an RBAC scope in Exchange may grant it all the same".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_decides_where_nothing_is_tried() {
        let roles = ["Mail.Read".to_owned()];
        assert_eq!(
            missing_role(Some(&roles), &["Mail.Read", "Mail.ReadWrite"]),
            None
        );
        assert!(missing_role(Some(&roles), &["Mail.ReadWrite"]).is_some());
        assert!(missing_role(None, &["Mail.Read"]).is_some());
    }
}
