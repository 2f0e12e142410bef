//! The verbs. Each opens what it needs, calls the engine and shows what came of it.

mod api_key;
mod apply;
mod backup;
mod cat;
mod connection;
mod drill;
mod erase;
mod estimate;
mod export;
mod find;
mod folders;
mod groups;
mod hold;
mod http;
mod init;
mod job;
mod key;
mod list;
mod lookup;
mod mailbox;
mod notify;
mod operation;
mod policy;
mod reach;
mod repair;
mod restore;
mod retain;
mod serve;
mod snapshots;
mod stats;
mod verify;

use chrono::{DateTime, Utc};
use clap::CommandFactory;

use crate::args::values::TimeArg;
use crate::args::{Cli, Command, MailboxCommand};
use crate::session::Session;
use crate::{CliError, Exit};

/// Items asked for at a time.
const PAGE: usize = 500;

/// What was typed for a restore point, as the engine understands it: a day means its end, an age
/// counts back from now, everything else stays.
fn snapshot_selector(typed: &str, now: DateTime<Utc>) -> String {
    match typed.parse::<TimeArg>() {
        Ok(time) => time.end(now).to_rfc3339(),
        Err(_) => typed.to_owned(),
    }
}

/// Carries out one verb.
///
/// # Errors
/// When it could not be carried out; what ended in part is an [`Exit`].
pub async fn run(session: &Session, command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Init(args) => init::run(session, args).await,
        Command::Connection(command) => connection::run(session, command).await,
        Command::Mailbox(MailboxCommand::Ls(args)) => mailbox::run(session, args).await,
        Command::Mailbox(MailboxCommand::Restart(args)) => erase::restart(session, args).await,
        Command::Key(command) => key::run(session, command).await,
        Command::Erase(args) => erase::run(session, args).await,
        Command::Drill(args) => drill::run(session, args).await,
        Command::Backup(args) => backup::run(session, args).await,
        Command::Job(command) => job::run(session, command).await,
        Command::Operation(command) => operation::run(session, command).await,
        Command::Apply(args) => apply::run(session, args).await,
        Command::Serve(args) => serve::run(session, args).await,
        Command::Snapshots(args) => snapshots::run(session, args).await,
        Command::Ls(args) => list::run(session, args).await,
        Command::Find(args) => find::run(session, args).await,
        Command::Cat(args) => cat::run(session, args).await,
        Command::Export(args) => export::run(session, args).await,
        Command::Diff(args) => snapshots::diff(session, args).await,
        Command::Restore(args) => restore::run(session, args).await,
        Command::Verify(args) => verify::run(session, args).await,
        Command::Repair(args) => repair::run(session, args).await,
        Command::Retain(args) => retain::run(session, args).await,
        Command::Policy(command) => policy::run(session, command).await,
        Command::Hold(command) => hold::run(session, command).await,
        Command::ApiKey(command) => api_key::run(session, command).await,
        Command::Notify(command) => notify::run(session, command).await,
        Command::Estimate(args) => estimate::run(session, args),
        Command::Stats(args) => stats::run(session, args).await,
        Command::Completions { shell } => completions(session, *shell),
    }
}

fn completions(session: &Session, shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "mailkeep", &mut script);
    let mut output = session.output();
    output.bytes(&script)?;
    output.flush()?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_point_may_be_named_in_many_ways() {
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
        let day = snapshot_selector("2024-01-05", now);
        assert_eq!(day, "2024-01-06T00:00:00+00:00");
        assert_eq!(snapshot_selector("10d", now), "2024-09-24T00:00:00+00:00");
        for same in ["latest", "17", "01JDRUN0000000000000000000"] {
            assert_eq!(snapshot_selector(same, now), same);
        }
    }
}
