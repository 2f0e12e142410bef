//! `mailkeep restore`.

use std::sync::Arc;

use mailkeep_engine::operation::{OperationAction, OperationRequest, RestoreAction};
use mailkeep_engine::restore::{self, ConflictPolicy, Placement, RestoreRequest};
use mailkeep_engine::{Engine, Selection, StopSignal, browse};
use mailkeep_model::{FolderPath, SourceMailboxId};
use mailkeep_setup::Tenant;
use mailkeep_setup::connection::Connection;
use mailkeep_vault::{ItemKey, Mailbox};

use super::lookup::named_mailbox;
use super::{find, operation, snapshot_selector};
use crate::args::{OnConflict, PlacementArg, QueryArgs, RestoreArgs};
use crate::session::Session;
use crate::view::restore::{TransferView, show_plan, show_summary};
use crate::{CliError, Exit, interrupt};

/// The items that were asked for.
///
/// # Errors
/// When a reference is none.
pub(super) fn selection(
    session: &Session,
    items: &[String],
    query: &QueryArgs,
) -> Result<Selection, CliError> {
    let parse = |text: &String| {
        text.parse::<ItemKey>().map_err(|_| {
            CliError::Usage(
                "an --item is no item reference; `mailkeep ls` and `find` show them (13 characters)"
                    .to_owned(),
            )
        })
    };
    Ok(Selection {
        folders: find::paths(query),
        items: items.iter().map(parse).collect::<Result<_, _>>()?,
        filter: find::filter(query, session.clock.now()),
    })
}

/// Carries out the verb.
///
/// # Errors
/// When the vault or the target cannot be reached, or what was asked for is not there.
pub(super) async fn run(session: &Session, args: &RestoreArgs) -> Result<Exit, CliError> {
    if args.folder_name.is_some() && args.placement == PlacementArg::Original {
        return Err(CliError::Usage(
            "--folder-name needs --placement new-folder".to_owned(),
        ));
    }
    if args.below.is_some() && args.placement == PlacementArg::Original {
        return Err(CliError::Usage(
            "--below needs --placement new-folder".to_owned(),
        ));
    }
    if !args.items.is_empty() && !args.query.is_everything() {
        return Err(CliError::Usage(
            "--item names the items already; leave the other conditions away".to_owned(),
        ));
    }
    let engine = session.engine(&args.unlock).await?;
    let mailbox = browse::find_mailbox(&engine, &args.mailbox).await?;
    let connection = target_connection(session, &engine, &mailbox, args).await?;
    if args.queue.queue {
        return queue(session, &mailbox, &connection.name, args).await;
    }
    let realm = connection.realm().to_owned();
    let tenant = session.connect(connection)?;
    let request = RestoreRequest {
        snapshot: snapshot_selector(&args.snapshot, session.clock.now()),
        selection: selection(session, &args.items, &args.query)?,
        placement: placement(args),
        below: below(args),
        on_conflict: on_conflict(args),
        use_export_streams: !args.without_export_streams,
        ..RestoreRequest::new(
            mailbox.id().clone(),
            target_mailbox(&tenant, &realm, &mailbox, args).await?,
        )
    };
    let mut output = session.output();
    if args.dry_run {
        let plan = restore::plan(&engine, &*tenant.target, &request).await?;
        show_plan(&mut output, &plan)?;
        output.flush()?;
        return Ok(Exit::Done);
    }
    let clock = Arc::clone(&session.clock);
    let view = Arc::new(TransferView::new("restore", session.style(), clock));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    let target = Arc::clone(&tenant.target);
    let summary = restore::run(&engine, target, &request, view.clone(), stop).await;
    view.finish();
    let summary = summary?;
    show_summary(&mut output, &summary)?;
    output.flush()?;
    Ok(Exit::from_code(summary.exit_code()))
}

/// Leaves the restore to `serve`.
async fn queue(
    session: &Session,
    mailbox: &Mailbox,
    connection: &str,
    args: &RestoreArgs,
) -> Result<Exit, CliError> {
    let selection = selection(session, &args.items, &args.query)?;
    let request = OperationRequest {
        storage: args.queue.storage.clone(),
        mailbox: mailbox.id().to_string(),
        snapshot: snapshot_selector(&args.snapshot, session.clock.now()),
        selection: operation::chosen(selection),
        action: OperationAction::Restore(RestoreAction {
            connection: connection.to_owned(),
            mailbox: args.to.clone(),
            placement: placement(args),
            on_conflict: on_conflict(args),
            below: below(args),
            use_export_streams: !args.without_export_streams,
        }),
    };
    operation::ask(session, &args.queue, request).await
}

fn placement(args: &RestoreArgs) -> Placement {
    match args.placement {
        PlacementArg::NewFolder => Placement::NewFolder {
            name: args.folder_name.clone(),
        },
        PlacementArg::Original => Placement::Original,
    }
}

fn below(args: &RestoreArgs) -> FolderPath {
    let path = args.below.as_deref();
    path.map(FolderPath::parse).unwrap_or_default()
}

fn on_conflict(args: &RestoreArgs) -> ConflictPolicy {
    match args.on_conflict {
        OnConflict::Skip => ConflictPolicy::Skip,
        OnConflict::Copy => ConflictPolicy::Copy,
        OnConflict::Replace => ConflictPolicy::Replace,
    }
}

/// The named connection, else the one to the tenant that the mailbox comes from.
async fn target_connection(
    session: &Session,
    engine: &Engine,
    mailbox: &Mailbox,
    args: &RestoreArgs,
) -> Result<Connection, CliError> {
    let vault = engine.vault();
    if let Some(name) = args.to_connection.as_deref() {
        return session.connection(vault, Some(name)).await;
    }
    let mut fitting = session.connections(vault).await?;
    fitting.retain(|connection| connection.realm() == mailbox.realm());
    match (fitting.pop(), fitting.is_empty()) {
        (Some(connection), true) => Ok(connection),
        (Some(_), false) => Err(CliError::Usage(
            "several connections lead to the tenant of this mailbox; name one with --to-connection"
                .to_owned(),
        )),
        (None, _) => Err(CliError::NotFound(
            "no connection leads to the tenant of this mailbox; store one with \
             `mailkeep connection add`, or name another one with --to-connection and --to"
                .to_owned(),
        )),
    }
}

async fn target_mailbox(
    tenant: &Tenant,
    realm: &str,
    mailbox: &Mailbox,
    args: &RestoreArgs,
) -> Result<SourceMailboxId, CliError> {
    match args.to.as_deref() {
        Some(address) => Ok(named_mailbox(&*tenant.source, address).await?.id),
        None if realm == mailbox.realm() => Ok(mailbox.profile().id.clone()),
        None => Err(CliError::Usage(
            "the connection leads to another tenant; name the mailbox there with --to ADDRESS"
                .to_owned(),
        )),
    }
}
