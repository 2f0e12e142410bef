//! Public folders over EWS: every folder is read at the mailbox that holds it, only what changed is read
//! again, folders that may not be opened are told and passed over, and everything comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use exchange_sim::{Dialect, ExchangeOptions, Fault, FaultKind};
use mailkeep_e2e::{Exchange, ExchangeFacts, small};
use mailkeep_engine::backup::{FolderPathChoice, FolderScope};
use mailkeep_engine::restore::{
    self, ConflictPolicy, Placement, RestoreOutcome, RestoreRequest, RestoreSummary,
};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::ews::EwsTarget;
use mailkeep_model::{FolderPath, MailboxOutcome, PUBLIC_FOLDERS, RunSummary, SourceMailboxId};

const ROOT: &str = "publicfoldersroot";

/// An organisation whose public folders are spread over three mailboxes.
async fn organisation(dialect: Dialect) -> Exchange {
    let options = ExchangeOptions {
        public_mailboxes: 3,
        dialect,
        ..ExchangeOptions::default()
    };
    let exchange = Exchange::start(small(2, 12), options).await;
    let admin = &exchange.rig.admin;
    let top = admin
        .add_public_folder(ROOT, "Ärger / Lob", "IPF.Note", 2)
        .unwrap();
    let below = admin
        .add_public_folder(&top, "2026", "IPF.Note", 1)
        .unwrap();
    admin.add_mail(PUBLIC_FOLDERS, &top).unwrap();
    admin.add_mail(PUBLIC_FOLDERS, &below).unwrap();
    let tasks = admin
        .add_public_folder(&top, "Aufgaben", "IPF.Task", 2)
        .unwrap();
    admin.add_sample(PUBLIC_FOLDERS, &tasks, "tasks").unwrap();
    exchange
}

/// The id of a public folder by its name.
fn folder(exchange: &Exchange, name: &str) -> String {
    let all = exchange.rig.admin.folders(PUBLIC_FOLDERS).unwrap();
    let found = all.into_iter().find(|folder| folder.name == name);
    found.unwrap_or_else(|| panic!("no folder {name}")).id
}

fn exchange_id(exchange: &Exchange, name: &str) -> String {
    let all = exchange.rig.admin.folders(PUBLIC_FOLDERS).unwrap();
    all.into_iter()
        .find(|folder| folder.name == name)
        .unwrap()
        .exchange_id
}

/// What may be read: everything but the board's folder.
fn readable(exchange: &Exchange) -> Vec<String> {
    let board = exchange_id(exchange, "Board");
    let truth = exchange.truth(PUBLIC_FOLDERS).into_values();
    sorted(truth.filter(|facts| facts.folder != board))
}

fn sorted(facts: impl IntoIterator<Item = ExchangeFacts>) -> Vec<String> {
    let mut all: Vec<String> = facts.into_iter().map(|one| format!("{one:?}")).collect();
    all.sort();
    all
}

/// The run saw everything but the one folder that may not be opened, and says so.
async fn check(exchange: &Exchange, run: &RunSummary) {
    let mailbox = &run.mailboxes[0];
    assert_eq!(
        mailbox.outcome,
        MailboxOutcome::WithGaps { gaps: 0 },
        "{mailbox:?}"
    );
    assert_eq!(run.exit_code(), 3);
    assert_eq!(mailbox.incomplete_folders, 1);
    let [warning] = mailbox.warnings.as_slice() else {
        panic!("{:?}", mailbox.warnings);
    };
    assert!(
        warning.contains("`Company/Board`") && warning.contains("ErrorAccessDenied"),
        "{warning}"
    );
    let (held, _) = exchange.held_public().await;
    assert_eq!(sorted(held.into_values()), readable(exchange));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_folder_is_read_where_it_is_and_only_what_changed_is_read_again() {
    let exchange = organisation(Dialect::default()).await;
    let admin = &exchange.rig.admin;
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
    let (held, paths) = exchange.held_public().await;
    assert!(held.len() >= 12, "{}", held.len());
    let classes: BTreeSet<&str> = held.values().map(|one| one.class.as_str()).collect();
    for class in ["IPM.Note", "IPM.Appointment", "IPM.Contact", "IPM.Task"] {
        assert!(classes.contains(class), "{classes:?}");
    }
    for path in [
        "Company/Sales \\/ EMEA/Größere Kunden",
        "Ärger \\/ Lob/2026",
        "Company/Board",
    ] {
        assert!(paths.contains(path), "{paths:?}");
    }

    // Nothing changed: hierarchy and listings, and no item.
    exchange.rig.count_anew();
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
    let calls = exchange.calls();
    assert!(
        calls.keys().all(|name| !name.contains("GetItem")),
        "{calls:?}"
    );
    assert!(calls.keys().all(|name| !name.contains("Sync")), "{calls:?}");
    assert_eq!(run.counters().items_stored, 0);
    assert_eq!(run.counters().items_unchanged, held.len() as u64);

    // Everything changes.
    let announcements = folder(&exchange, "Announcements");
    let items = admin.items(PUBLIC_FOLDERS).unwrap();
    let within = |id: &str| {
        items
            .iter()
            .filter(move |item| item.folder == id)
            .collect::<Vec<_>>()
    };
    let edited = &within(&announcements)[0].id;
    let deleted = &within(&announcements)[1].id;
    let moved = &within(&folder(&exchange, "Größere Kunden"))[0].id;
    admin.edit_body(PUBLIC_FOLDERS, edited).unwrap();
    admin.delete_mail(PUBLIC_FOLDERS, deleted).unwrap();
    admin
        .move_mail(PUBLIC_FOLDERS, moved, &announcements)
        .unwrap();
    let new = admin
        .add_public_folder(&announcements, "Neu", "IPF.Note", 2)
        .unwrap();
    admin.add_mail(PUBLIC_FOLDERS, &new).unwrap();
    admin
        .rename_folder(
            PUBLIC_FOLDERS,
            &folder(&exchange, "Suppliers"),
            "Lieferanten",
        )
        .unwrap();
    admin
        .add_sample(PUBLIC_FOLDERS, &folder(&exchange, "Holidays"), "calendar")
        .unwrap();
    exchange.rig.count_anew();
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
    let counters = run.counters();
    assert_eq!(counters.items_stored, 4, "{counters:?}");
    assert_eq!(
        counters.items_deleted, 2,
        "the moved one has another id now: {counters:?}"
    );
    let (_, paths) = exchange.held_public().await;
    assert!(paths.contains("Company/Lieferanten") && !paths.contains("Company/Suppliers"));
    assert_eq!(admin.sent(), []);

    // A folder goes with all that is in it.
    admin
        .delete_folder(PUBLIC_FOLDERS, &folder(&exchange, "Ärger / Lob"))
        .unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_may_move_to_another_mailbox_be_closed_and_be_opened() {
    let dialect = Dialect {
        other_prefixes: true,
        nanoseconds: true,
        faults_with_ok: true,
        no_header: true,
        no_empty_root: true,
        ..Dialect::default()
    };
    let exchange = organisation(dialect).await;
    let admin = &exchange.rig.admin;
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
    admin
        .move_public_content(&folder(&exchange, "Announcements"), 2)
        .unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
    assert_eq!(run.counters().items_stored, 0, "items keep their ids");
    // What cannot be opened for now is neither gone nor forgotten, nor what lies below it.
    let sales = folder(&exchange, "Sales / EMEA");
    admin.deny_public_folder(&sales, true).unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    assert_eq!(run.exit_code(), 3);
    assert_eq!(run.mailboxes[0].incomplete_folders, 2);
    assert_eq!(run.counters().items_deleted, 0);
    let (held, paths) = exchange.held_public().await;
    assert_eq!(sorted(held.into_values()), readable(&exchange));
    assert!(
        paths.contains("Company/Sales \\/ EMEA/Größere Kunden"),
        "{paths:?}"
    );
    admin.deny_public_folder(&sales, false).unwrap();
    admin
        .deny_public_folder(&folder(&exchange, "Board"), false)
        .unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    assert_eq!(
        run.mailboxes[0].outcome,
        MailboxOutcome::Complete,
        "{run:?}"
    );
    let (held, _) = exchange.held_public().await;
    assert_eq!(
        sorted(held.into_values()),
        sorted(exchange.truth(PUBLIC_FOLDERS).into_values())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chosen_folders_come_with_what_will_be_below_them_or_without() {
    let exchange = organisation(Dialect::default()).await;
    let admin = &exchange.rig.admin;
    let choice = |path: &str, with_subfolders| FolderPathChoice {
        path: FolderPath::parse(path),
        with_subfolders,
    };
    let scope = || {
        FolderScope::Each(vec![
            choice("company/sales \\/ emea", true),
            choice("Ärger \\/ Lob", false),
        ])
    };
    let folders = |exchange: &Exchange, held: &[ExchangeFacts]| -> BTreeSet<String> {
        let all = exchange.rig.admin.folders(PUBLIC_FOLDERS).unwrap();
        let name = |id: &str| {
            all.iter()
                .find(|one| one.exchange_id == id)
                .unwrap()
                .name
                .clone()
        };
        held.iter().map(|one| name(&one.folder)).collect()
    };
    let run = exchange.back_up_public(scope()).await;
    assert_eq!(
        run.mailboxes[0].outcome,
        MailboxOutcome::Complete,
        "{run:?}"
    );
    let held: Vec<ExchangeFacts> = exchange.held_public().await.0.into_values().collect();
    let names = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect();
    let before: BTreeSet<String> = names(&["Größere Kunden", "Sales / EMEA", "Ärger / Lob"]);
    assert_eq!(folders(&exchange, &held), before);
    // New folders below: one of the two brings them in.
    for parent in ["Größere Kunden", "Ärger / Lob"] {
        let new = format!("Neu in {parent}");
        let new = admin
            .add_public_folder(&folder(&exchange, parent), &new, "IPF.Note", 0)
            .unwrap();
        admin.add_mail(PUBLIC_FOLDERS, &new).unwrap();
    }
    exchange.back_up_public(scope()).await;
    let held: Vec<ExchangeFacts> = exchange.held_public().await.0.into_values().collect();
    let mut after = before;
    after.insert("Neu in Größere Kunden".into());
    assert_eq!(folders(&exchange, &held), after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_are_tried_again_and_a_damaged_item_is_a_gap() {
    let exchange = organisation(Dialect::default()).await;
    let admin = &exchange.rig.admin;
    for (kind, only) in [
        (
            FaultKind::EwsBusy {
                backoff_millis: 60_000,
            },
            "FindFolder",
        ),
        (
            FaultKind::EwsItems {
                code: "ErrorTimeoutExpired".into(),
            },
            "FindItem",
        ),
        (
            FaultKind::EwsFault {
                code: "ErrorPublicFolderSyncException".into(),
            },
            "FindFolder",
        ),
        (FaultKind::EwsStopBatch { after: 1 }, "FindFolder"),
        (FaultKind::TruncateXml, "FindItem"),
    ] {
        admin.inject(Fault::new(kind.clone(), 2).only(only));
        let run = exchange.back_up_public(FolderScope::All).await;
        assert_eq!(run.exit_code(), 3, "{kind:?}");
        check(&exchange, &run).await;
        admin.clear_faults();
        exchange.rig.rest();
    }
    let items = admin.items(PUBLIC_FOLDERS).unwrap();
    let id = &items
        .iter()
        .find(|one| one.folder == folder(&exchange, "2026"))
        .unwrap()
        .id;
    admin.edit_body(PUBLIC_FOLDERS, id).unwrap();
    admin.corrupt_item(PUBLIC_FOLDERS, id).unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    assert_eq!(
        run.mailboxes[0].outcome,
        MailboxOutcome::WithGaps { gaps: 1 },
        "{run:?}"
    );
    admin.heal_item(PUBLIC_FOLDERS, id).unwrap();
    let run = exchange.back_up_public(FolderScope::All).await;
    check(&exchange, &run).await;
}

async fn restore(
    exchange: &Exchange,
    from: &str,
    to: &str,
    change: impl Fn(&mut RestoreRequest),
) -> RestoreSummary {
    let mailbox = exchange.rig.mailbox(&from.to_lowercase()).await;
    let mut request = RestoreRequest {
        placement: Placement::Original,
        ..RestoreRequest::new(mailbox.id().clone(), SourceMailboxId(to.to_lowercase()))
    };
    change(&mut request);
    let target = Arc::new(EwsTarget::with_client(exchange.public_client()));
    let (engine, observer) = (exchange.rig.engine(), Arc::new(Quiet));
    let run = restore::run(&engine, target, &request, observer, StopSignal::new()).await;
    let summary = run.unwrap();
    assert_eq!(summary.outcome, RestoreOutcome::Finished, "{summary:?}");
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    summary
}

/// What a restore keeps, without where it is.
fn kept(facts: impl IntoIterator<Item = ExchangeFacts>) -> Vec<String> {
    sorted(facts.into_iter().map(|facts| ExchangeFacts {
        folder: String::new(),
        canonical: None,
        ..facts
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_public_folders_come_back_once_with_all_classes() {
    let exchange = organisation(Dialect::default()).await;
    let admin = &exchange.rig.admin;
    admin
        .deny_public_folder(&folder(&exchange, "Board"), false)
        .unwrap();
    exchange.back_up_public(FolderScope::All).await;
    let before = exchange.truth(PUBLIC_FOLDERS);
    let classes = |exchange: &Exchange| -> BTreeSet<(String, String)> {
        let all = exchange
            .rig
            .admin
            .folders(PUBLIC_FOLDERS)
            .unwrap()
            .into_iter();
        all.map(|folder| (folder.name, folder.class)).collect()
    };
    let folders = classes(&exchange);
    for top in ["Company", "Ärger / Lob"] {
        admin
            .delete_folder(PUBLIC_FOLDERS, &folder(&exchange, top))
            .unwrap();
    }
    assert!(exchange.truth(PUBLIC_FOLDERS).is_empty());
    let first = restore(&exchange, PUBLIC_FOLDERS, PUBLIC_FOLDERS, |_| {}).await;
    assert_eq!(
        (first.restored, first.failed),
        (before.len() as u64, 0),
        "{first:?}"
    );
    assert_eq!(first.folders_created, 10, "{first:?}");
    assert_eq!(classes(&exchange), folders);
    let after = exchange.truth(PUBLIC_FOLDERS);
    assert_eq!(kept(after.into_values()), kept(before.into_values()));
    // A second time nothing is written; what differs is a conflict, dealt with as wanted.
    let again = restore(&exchange, PUBLIC_FOLDERS, PUBLIC_FOLDERS, |_| {}).await;
    assert_eq!((again.restored, again.already_there), (0, first.restored));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_in_public_folders_are_skipped_copied_or_replaced() {
    let exchange = organisation(Dialect::default()).await;
    exchange.back_up_public(FolderScope::All).await;
    let count = || exchange.truth(PUBLIC_FOLDERS).len() as u64;
    let within = |request: &mut RestoreRequest| {
        request.selection.folders = vec![FolderPath::parse("Company/Announcements")];
    };
    let before = count();
    let skipped = restore(&exchange, PUBLIC_FOLDERS, PUBLIC_FOLDERS, within).await;
    assert_eq!((skipped.skipped, skipped.restored, count()), (2, 0, before));
    let replaced = restore(&exchange, PUBLIC_FOLDERS, PUBLIC_FOLDERS, |request| {
        within(request);
        request.on_conflict = ConflictPolicy::Replace;
    });
    let replaced = replaced.await;
    assert_eq!(
        (replaced.restored, replaced.replaced, count()),
        (2, 2, before),
        "{replaced:?}"
    );
    let copied = restore(&exchange, PUBLIC_FOLDERS, PUBLIC_FOLDERS, |request| {
        request.selection.folders = vec![FolderPath::parse("Company/Suppliers")];
        request.on_conflict = ConflictPolicy::Copy;
    });
    assert_eq!((copied.await.restored, count()), (1, before + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_folders_go_into_mailboxes_and_mailboxes_into_public_folders() {
    let exchange = organisation(Dialect::default()).await;
    exchange.back_up_complete().await;
    exchange.back_up_public(FolderScope::All).await;
    let (first, second) = (exchange.first(), exchange.addresses().remove(1));
    let public = exchange.held_public().await.0;
    let before = exchange.truth(&second);
    let done = restore(&exchange, PUBLIC_FOLDERS, &second, |request| {
        request.placement = Placement::NewFolder {
            name: Some("Öffentlich".into()),
        };
    });
    assert_eq!(done.await.restored, public.len() as u64);
    let mut after = exchange.truth(&second);
    after.retain(|id, _| !before.contains_key(id));
    assert_eq!(kept(after.into_values()), kept(public.into_values()));

    let own = exchange.truth(&first);
    let before = exchange.truth(PUBLIC_FOLDERS);
    let done = restore(&exchange, &first, PUBLIC_FOLDERS, |request| {
        request.placement = Placement::NewFolder {
            name: Some("Nachlass".into()),
        };
        request.below = FolderPath::parse("Company/Sales \\/ EMEA");
    });
    let done = done.await;
    assert_eq!(
        (done.restored, done.failed),
        (own.len() as u64, 0),
        "{done:?}"
    );
    let mut after = exchange.truth(PUBLIC_FOLDERS);
    after.retain(|id, _| !before.contains_key(id));
    assert_eq!(kept(after.into_values()), kept(own.into_values()));
    let folders = exchange.rig.admin.folders(PUBLIC_FOLDERS).unwrap();
    let new = folders.iter().find(|one| one.name == "Nachlass").unwrap();
    assert_eq!(
        new.parent.as_deref(),
        Some(folder(&exchange, "Sales / EMEA").as_str())
    );
}
