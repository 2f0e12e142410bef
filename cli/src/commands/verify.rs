//! `mailkeep verify`.

use std::sync::Arc;

use mailkeep_engine::verify::{
    self, Finding, FindingKind, VerifyLevel, VerifyReport, VerifyRequest,
};
use mailkeep_engine::{Engine, EngineError, StopSignal, browse};
use mailkeep_vault::Mailbox;

use super::find::wanted_mailboxes;
use crate::args::VerifyArgs;
use crate::args::values::PartArg;
use crate::session::Session;
use crate::view::verify::{VerifyView, show_report};
use crate::{CliError, Exit, interrupt};

/// Carries out the verb.
///
/// # Errors
/// When the vault as a whole cannot be read.
pub(super) async fn run(session: &Session, args: &VerifyArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mut request = VerifyRequest::new(level(args));
    for name in &args.mailboxes {
        let mailbox = browse::find_mailbox(&engine, name).await?;
        request.mailboxes.push(mailbox.id().clone());
    }
    let view = Arc::new(VerifyView::new(session.style(), Arc::clone(&session.clock)));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    let report = verify::run(&engine, &request, view.clone(), stop.clone()).await;
    view.finish();
    let mut report = report?;
    if args.source && !stop.is_stopped() {
        compare(session, &engine, args, &mut report).await?;
    }
    let mut output = session.output();
    show_report(&mut output, &report)?;
    output.flush()?;
    Ok(Exit::from_code(report.exit_code()))
}

fn level(args: &VerifyArgs) -> VerifyLevel {
    if let Some(percent) = args.sample {
        VerifyLevel::Sample(percent.0)
    } else if let Some(PartArg { part, of }) = args.part {
        VerifyLevel::Part { part, of }
    } else if let Some(number) = args.restore_test {
        VerifyLevel::RestoreTest(number)
    } else if args.rebuild {
        VerifyLevel::Rebuild
    } else if args.full {
        VerifyLevel::Full
    } else if args.listing {
        VerifyLevel::Listing
    } else {
        VerifyLevel::Quick
    }
}

/// Compares the counts of every mailbox of the connection's tenant. A mailbox that cannot be asked
/// for is a finding; only a refused connection ends the comparison.
async fn compare(
    session: &Session,
    engine: &Engine,
    args: &VerifyArgs,
    report: &mut VerifyReport,
) -> Result<(), CliError> {
    let name = args.connection.as_deref();
    let connection = session.connection(engine.vault(), name).await?;
    let realm = connection.realm().to_owned();
    let source = session.connect(connection)?.source;
    // A mailbox that cannot be opened is among the findings already.
    let (mailboxes, _) = wanted_mailboxes(engine, &args.mailboxes).await?;
    for mailbox in mailboxes.iter().filter(|mailbox| mailbox.realm() == realm) {
        match verify::compare_with_source(&*source, mailbox, report).await {
            Ok(()) => {}
            Err(EngineError::Source(error)) if !error.class.is_authentication() => {
                report.notes += 1;
                let words = format!("not compared with the source: {error}");
                report.findings.push(not_compared(mailbox, words));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn not_compared(mailbox: &Mailbox, message: String) -> Finding {
    Finding {
        mailbox: mailbox.id().to_string(),
        address: Some(mailbox.profile().address.clone()),
        item: None,
        folder: None,
        kind: FindingKind::Unreadable,
        message,
    }
}
