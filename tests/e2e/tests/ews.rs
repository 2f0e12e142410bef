//! The same scenarios on an Exchange organisation over EWS: everything arrives, costs what it must,
//! heals, and comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::sync::Arc;

use exchange_sim::{
    Dialect, ExchangeOptions, ExchangeVersion, Fault, FaultKind, ServiceRights, SimTenant,
    TokenLoss,
};
use mailkeep_e2e::{Exchange, ExchangeFacts, change_mail, small};
use mailkeep_engine::restore::{self, Placement, RestoreRequest, RestoreSummary};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::ews::{EwsLogin, MailboxAccess};
use mailkeep_model::SourceMailboxId;

fn plain() -> ExchangeOptions {
    ExchangeOptions::default()
}

/// A server that no developer has seen.
const UNSEEN: Dialect = Dialect {
    other_prefixes: true,
    nanoseconds: true,
    oldest_first: true,
    faults_with_ok: true,
    no_header: true,
    no_empty_root: true,
};

fn change_everything(exchange: &Exchange, mailbox: &str) {
    let admin = &exchange.rig.admin;
    let ids: Vec<String> = exchange
        .rig
        .items(mailbox)
        .into_iter()
        .filter(|item| item.class == "IPM.Note")
        .map(|item| item.id)
        .collect();
    change_mail(admin, mailbox, &ids);
    admin.set_read(mailbox, &ids[7], true).unwrap();
    let made = admin.create_folder(mailbox, "inbox", "Neu").unwrap();
    admin.add_mail(mailbox, &made).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_classes_and_all_changes_arrive_from_servers_of_every_kind() {
    for (version, dialect) in [
        (ExchangeVersion::SubscriptionEdition, Dialect::default()),
        (ExchangeVersion::Exchange2013, UNSEEN),
    ] {
        let options = ExchangeOptions {
            version,
            dialect,
            ..plain()
        };
        let exchange = Exchange::start(small(2, 40), options).await;
        exchange.back_up_complete().await;
        for mailbox in exchange.addresses() {
            change_everything(&exchange, &mailbox);
        }
        let run = exchange.back_up_complete().await;
        // New mail, edited mail, and what moved: its id is another one then.
        assert!(run.counters().items_stored <= 2 * 5, "{:?}", run.counters());
        let again = exchange.back_up_complete().await;
        assert_eq!(again.counters().items_stored, 0, "{:?}", again.counters());
        assert_eq!(exchange.rig.admin.sent(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delegate_access_basic_login_and_a_private_authority_serve_as_well() {
    let options = ExchangeOptions {
        tls: true,
        rights: ServiceRights {
            impersonation: false,
            full_access: true,
        },
        ..plain()
    };
    let exchange = Exchange::start(small(1, 10), options).await;
    let denied = exchange.back_up().await;
    assert_ne!(denied.exit_code(), 0, "impersonation without the right");
    let mut connection = exchange.connection();
    assert!(connection.url.starts_with("https://"));
    connection.access = MailboxAccess::Delegate;
    if let EwsLogin::Ntlm { user, password } = connection.login {
        connection.login = EwsLogin::Basic { user, password };
    }
    let (clock, rng) = (exchange.rig.clock.clone(), exchange.rig.rng.clone());
    let source = mailkeep_exchange::ews::EwsSource::new(&connection, clock, rng).unwrap();
    let request = mailkeep_engine::backup::BackupRequest::new("exchange", "simulated");
    let engine = exchange.rig.engine();
    let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
    let run = mailkeep_engine::backup::backup(&engine, Arc::new(source), request, observer, stop);
    assert_eq!(run.await.unwrap().exit_code(), 0);
    exchange.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_states_cost_a_listing_and_store_nothing_again() {
    let exchange = Exchange::start(small(1, 80), plain()).await;
    exchange.back_up_complete().await;
    let first = exchange.first();
    exchange
        .rig
        .admin
        .expire_delta_tokens(&first, None, TokenLoss::Gone)
        .unwrap();
    let run = exchange.back_up_complete().await;
    assert_eq!(run.counters().items_stored, 0, "{:?}", run.counters());
    change_everything(&exchange, &first);
    exchange
        .rig
        .admin
        .expire_delta_tokens(&first, None, TokenLoss::Gone)
        .unwrap();
    let run = exchange.back_up_complete().await;
    assert!(run.counters().items_stored <= 5, "{:?}", run.counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_items_are_gaps_until_they_heal() {
    let exchange = Exchange::start(small(1, 30), plain()).await;
    let (first, admin) = (exchange.first(), &exchange.rig.admin);
    let ids: Vec<String> = exchange
        .rig
        .items(&first)
        .into_iter()
        .filter(|item| item.class == "IPM.Note")
        .map(|item| item.id)
        .collect();
    admin.corrupt_item(&first, &ids[0]).unwrap();
    admin.corrupt_item(&first, &ids[5]).unwrap();
    admin.fail_item_for_now(&first, &ids[7], 3).unwrap();
    let run = exchange.back_up().await;
    assert_ne!(run.exit_code(), 0, "a gap is told");
    let view = exchange.rig.view(&first).await;
    assert_eq!(view.gaps().len(), 2, "{:?}", view.gaps());
    admin.heal_item(&first, &ids[0]).unwrap();
    admin.heal_item(&first, &ids[5]).unwrap();
    exchange.back_up_complete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_of_every_kind_are_tried_again() {
    let exchange = Exchange::start(small(1, 30), plain()).await;
    let code = |code: &str| code.to_owned();
    for (kind, only) in [
        (
            FaultKind::EwsBusy {
                backoff_millis: 90_000,
            },
            "SyncFolderItems",
        ),
        (
            FaultKind::EwsFault {
                code: code("ErrorExceededConnectionCount"),
            },
            "",
        ),
        (
            FaultKind::EwsFault {
                code: code("ErrorInternalServerTransientError"),
            },
            "",
        ),
        (
            FaultKind::EwsItems {
                code: code("ErrorTimeoutExpired"),
            },
            "GetItem",
        ),
        (
            FaultKind::EwsItems {
                code: code("ErrorMailboxStoreUnavailable"),
            },
            "",
        ),
        (FaultKind::EwsStopBatch { after: 2 }, "GetItem"),
        (FaultKind::EwsStopBatch { after: 0 }, "GetItem"),
        (FaultKind::EmptyError { status: 503 }, ""),
        (FaultKind::HtmlPage { status: 503 }, ""),
        (FaultKind::HtmlPage { status: 500 }, "GetItem"),
        (FaultKind::TruncateXml, "GetItem"),
        (FaultKind::TruncateXml, ""),
        (FaultKind::CutStream { after: 700 }, "GetItem"),
        (FaultKind::LostAnswer, ""),
    ] {
        exchange
            .rig
            .admin
            .inject(Fault::new(kind.clone(), 2).only(only));
        let run = exchange.back_up().await;
        assert_eq!(run.exit_code(), 0, "{kind:?} {only}: {run:?}");
        exchange.check().await;
        exchange.rig.admin.clear_faults();
        exchange.rig.rest();
        exchange.rig.admin.evolve(20);
    }
    let strain = exchange.rig.admin.exchange_strain().unwrap();
    assert_eq!(strain.ignored_backoff, 0, "{strain:?}");
    assert!(strain.highest <= plain().concurrent, "{strain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_small_mails_cost_few_calls_and_an_unchanged_mailbox_fewer() {
    let options = ExchangeOptions {
        samples: false,
        ..plain()
    };
    let builder = SimTenant::builder()
        .mailboxes(1)
        .items_per_mailbox(1_000)
        .folders_per_mailbox(2)
        .profile(exchange_sim::MailProfile::Small);
    let exchange = Exchange::start(builder, options).await;
    exchange.back_up_complete().await;
    let calls = exchange.calls();
    let number = exchange.number_of_calls();
    assert!((20..=60).contains(&number), "{number}: {calls:?}");

    let builder = small(1, 400).folders_per_mailbox(46);
    let exchange = Exchange::start(builder, plain()).await;
    exchange.back_up_complete().await;
    let folders = exchange.rig.admin.folders(&exchange.first()).unwrap();
    let visible = folders
        .iter()
        .filter(|one| !one.is_hidden && !one.is_search);
    // The top of the tree is the sixtieth.
    assert_eq!(visible.count(), 59);
    exchange.rig.count_anew();
    exchange.back_up_complete().await;
    let calls = exchange.calls();
    let number = exchange.number_of_calls();
    assert!((40..=61).contains(&number), "{number}: {calls:?}");
}

async fn restored(exchange: &Exchange, from: &str, to: &str, place: Placement) -> RestoreSummary {
    let mailbox = exchange.rig.mailbox(&from.to_lowercase()).await;
    let request = RestoreRequest {
        placement: place,
        ..RestoreRequest::new(mailbox.id().clone(), SourceMailboxId(to.to_lowercase()))
    };
    let (engine, observer) = (exchange.rig.engine(), Arc::new(Quiet));
    let run = restore::run(
        &engine,
        exchange.target(),
        &request,
        observer,
        StopSignal::new(),
    );
    let summary = run.await.unwrap();
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    summary
}

/// What a restore keeps, without where it is.
fn kept(facts: impl IntoIterator<Item = ExchangeFacts>) -> Vec<String> {
    let mut all: Vec<String> = facts
        .into_iter()
        .map(|facts| {
            let facts = ExchangeFacts {
                folder: String::new(),
                canonical: None,
                ..facts
            };
            format!("{facts:?}")
        })
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_comes_back_in_another_mailbox_once() {
    let exchange = Exchange::start(small(2, 25), plain()).await;
    exchange.back_up_complete().await;
    let (from, to) = (exchange.first(), exchange.addresses().remove(1));
    let before = exchange.truth(&to);
    let place = || Placement::NewFolder {
        name: Some("Zurück".into()),
    };
    let first = restored(&exchange, &from, &to, place()).await;
    let source = exchange.truth(&from);
    assert_eq!(first.restored, source.len() as u64, "{first:?}");
    let mut after = exchange.truth(&to);
    after.retain(|id, _| !before.contains_key(id));
    assert_eq!(kept(after.into_values()), kept(source.into_values()));
    let again = restored(&exchange, &from, &to, place()).await;
    assert_eq!((again.restored, again.already_there), (0, first.restored));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_comes_back_where_it_was() {
    let exchange = Exchange::start(small(1, 25), plain()).await;
    exchange.back_up_complete().await;
    let (first, admin) = (exchange.first(), &exchange.rig.admin);
    let before = exchange.truth(&first);
    let ids: Vec<String> = exchange
        .rig
        .items(&first)
        .into_iter()
        .map(|item| item.id)
        .collect();
    for id in ids.iter().take(8) {
        admin.delete_mail(&first, id).unwrap();
    }
    let summary = restored(&exchange, &first, &first, Placement::Original).await;
    assert_eq!(summary.restored, 8, "{summary:?}");
    let after = exchange.truth(&first);
    assert_eq!(kept(after.into_values()), kept(before.into_values()));
}
