//! Groups that jobs name: whether they can be read.

use std::collections::BTreeMap;

use mailkeep_exchange::{PermissionCheck, Source};
use mailkeep_model::FailureClass;
use mailkeep_model::job::Mailboxes;

use crate::CliError;
use crate::args::DatabaseArgs;
use crate::session::Session;

/// Tries to read the members of every group that a job over this connection names.
///
/// # Errors
/// When the job database cannot be read, or nothing could be tried at all.
pub(super) async fn check(
    session: &Session,
    database: &DatabaseArgs,
    connection: &str,
    source: &dyn Source,
) -> Result<Vec<PermissionCheck>, CliError> {
    let mut checks = vec![];
    for (group, jobs) in of_jobs(session, database, connection).await? {
        let failure = match source.members(&group, None).await {
            Ok(_) => None,
            Err(error) => match error.class {
                FailureClass::AuthCredential
                | FailureClass::AuthToken
                | FailureClass::Connection => return Err(error.into()),
                _ => Some(format!("{} ({})", error.message, error.code)),
            },
        };
        checks.push(PermissionCheck {
            permission: "GroupMember.Read.All".into(),
            purpose: format!("read the members of the group of job {}", jobs.join(", ")),
            mailbox: None,
            failure,
            restore_only: false,
        });
    }
    Ok(checks)
}

/// The groups, each with the names of the jobs that are about it. None where no jobs are kept.
async fn of_jobs(
    session: &Session,
    database: &DatabaseArgs,
    connection: &str,
) -> Result<BTreeMap<String, Vec<String>>, CliError> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // A vault in a bucket says nothing of where jobs are; and looking makes no database.
    let path = session.jobs_path(database);
    if database.jobs.is_none() && !path.is_ok_and(|path| path.exists()) {
        return Ok(groups);
    }
    let jobs = session.jobs(database)?;
    let ledger = jobs.ledger();
    let mut after = None;
    loop {
        let page = ledger.jobs(after).await?;
        for job in page.records.into_iter().map(|job| job.value) {
            if job.deleted_at.is_some() {
                continue;
            }
            let Some(version) = ledger.definition(&job.id, job.version).await? else {
                continue;
            };
            let definition = version.value.definition;
            if let Mailboxes::Group(group) = definition.scope.mailboxes
                && definition.connection == connection
            {
                groups.entry(group).or_default().push(definition.name);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(groups);
        }
    }
}
