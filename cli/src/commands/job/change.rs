//! Making, editing and deleting jobs; their definitions as files.

use std::path::Path;

use mailkeep_engine::job::{EditWhen, JobRecord, Jobs};
use mailkeep_model::FieldErrors;
use mailkeep_model::job::{JobDefinition, name_key};

use super::control::done;
use crate::args::job::{JobCreateArgs, JobEditArgs, JobRmArgs, ReportArgs};
use crate::args::{DatabaseArgs, WhenActiveArgs};
use crate::commands::notify;
use crate::jobs::file;
use crate::session::Session;
use crate::{CliError, Exit};

pub(super) async fn create(session: &Session, args: &JobCreateArgs) -> Result<Exit, CliError> {
    let definition = file::read_one(&args.file, &reports(&args.reports)?)?;
    let job = session.jobs(&args.database)?.create(&definition).await?;
    done(session, &job, "created")
}

pub(super) async fn edit(session: &Session, args: &JobEditArgs) -> Result<Exit, CliError> {
    let definition = file::read_one(&args.file, &reports(&args.reports)?)?;
    let jobs = session.jobs(&args.database)?;
    let job = jobs.find(&args.job).await?;
    let job = jobs
        .edit(&job.id, &definition, edit_when(args.when))
        .await?;
    done(session, &job, "edited")
}

pub(super) async fn remove(session: &Session, args: &JobRmArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let job = jobs.find(&args.job).await?;
    jobs.delete(&job.id, args.stop_first).await?;
    done(session, &job, "deleted; its backups are kept")
}

pub(super) async fn export(session: &Session, args: &DatabaseArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(args)?;
    let mut definitions = vec![];
    for job in jobs.all().await? {
        definitions.push(jobs.definition_of(&job, job.newest).await?);
    }
    let mut output = session.output();
    for definition in &definitions {
        output.object(&serde_json::json!({"type": "job_definition", "definition": definition}))?;
    }
    if !output.is_json() {
        output.bytes(file::write(&definitions)?.as_bytes())?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// What of a job's own notifications cannot be done with the settings that are given.
///
/// # Errors
/// When they cannot be read or are wrong.
pub(crate) fn reports(
    args: &ReportArgs,
) -> Result<impl Fn(&JobDefinition) -> FieldErrors + use<>, CliError> {
    let settings = args.notifications.as_deref().map(notify::settings);
    let settings = settings.transpose()?;
    Ok(move |definition: &JobDefinition| {
        let job = &definition.notifications;
        match &settings {
            Some(settings) => settings.problems_of(job),
            None => {
                let mut errors = FieldErrors::default();
                errors.require(
                    job.report_to.addresses().is_empty(),
                    "notifications.report_to",
                    "given, and a report needs a mail server: name the settings of `mailkeep serve` with --notifications",
                );
                errors
            }
        }
    })
}

/// For definitions that are only looked at.
pub(crate) fn no_check(_definition: &JobDefinition) -> FieldErrors {
    FieldErrors::default()
}

/// How a job differs from a file.
pub(crate) enum Difference {
    /// The file has it, the database does not.
    New(Box<JobDefinition>),
    /// Both have it, and the definitions differ in these fields.
    Changed(Box<JobRecord>, Box<JobDefinition>, Vec<String>),
    /// The database has it, the file does not.
    OnlyHere(Box<JobRecord>),
}

/// How the jobs differ from these definitions.
pub(crate) async fn difference(
    jobs: &Jobs,
    wanted: Vec<JobDefinition>,
) -> Result<Vec<Difference>, CliError> {
    let mut found = vec![];
    let mut there = jobs.all().await?;
    for definition in wanted {
        let key = name_key(&definition.name);
        let place = there.iter().position(|job| name_key(&job.name) == key);
        let Some(job) = place.map(|place| there.remove(place)) else {
            found.push(Difference::New(Box::new(definition)));
            continue;
        };
        let old = jobs.definition_of(&job, job.newest).await?;
        if old != definition {
            let fields = changed_fields(&old, &definition);
            found.push(Difference::Changed(
                Box::new(job),
                Box::new(definition),
                fields,
            ));
        }
    }
    found.extend(
        there
            .into_iter()
            .map(|job| Difference::OnlyHere(Box::new(job))),
    );
    Ok(found)
}

fn changed_fields(old: &JobDefinition, new: &JobDefinition) -> Vec<String> {
    let value = |definition| serde_json::to_value(definition).unwrap_or_default();
    let (old, new) = (value(old), value(new));
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return vec![];
    };
    let mut names: Vec<_> = old
        .keys()
        .chain(new.keys())
        .filter(|name| old.get(*name) != new.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

pub(super) async fn diff(
    session: &Session,
    path: &Path,
    database: &DatabaseArgs,
) -> Result<Exit, CliError> {
    let wanted = file::read(path, &no_check)?;
    let jobs = session.jobs(database)?;
    let differences = difference(&jobs, wanted).await?;
    let mut output = session.output();
    for difference in &differences {
        let (kind, name, fields) = match difference {
            Difference::New(definition) => ("new", &definition.name, &vec![]),
            Difference::Changed(job, _, fields) => ("changed", &job.name, fields),
            Difference::OnlyHere(job) => ("not_in_file", &job.name, &vec![]),
        };
        output.object(&serde_json::json!({
            "type": "job_difference", "name": name, "difference": kind, "fields": fields,
        }))?;
        output.line(match difference {
            Difference::New(_) => format!("+ {name}"),
            Difference::Changed(..) => format!("~ {name}: {}", fields.join(", ")),
            Difference::OnlyHere(_) => format!("- {name} (the file does not name it)"),
        })?;
    }
    if differences.is_empty() {
        output.line("No difference.")?;
    }
    output.flush()?;
    Ok(if differences.is_empty() {
        Exit::Done
    } else {
        Exit::Gaps
    })
}

/// What to do with a job that is at work, as typed.
pub(crate) fn edit_when(args: WhenActiveArgs) -> EditWhen {
    match (args.stop_first, args.after_cycle) {
        (true, _) => EditWhen::StopFirst,
        (false, true) => EditWhen::AfterCycle,
        (false, false) => EditWhen::NotActive,
    }
}
