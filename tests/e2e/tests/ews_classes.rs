//! Every class of items, round trip: from a mailbox on Exchange into the vault and into another mailbox, property
//! by property; from messages and properties, and from export streams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exchange_sim::ExchangeOptions;
use mailkeep_e2e::{Exchange, small};
use mailkeep_engine::restore::{self, Placement, RestoreRequest};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_model::{Extent, SourceMailboxId};

const MARK: &str = "Name MailkeepRestore";

type Details = BTreeMap<String, String>;

/// Items of a class by subject, in visible folders.
fn of_class(exchange: &Exchange, mailbox: &str, class: &str) -> BTreeMap<String, Vec<Details>> {
    let admin = &exchange.rig.admin;
    let mut found: BTreeMap<String, Vec<Details>> = BTreeMap::new();
    for item in exchange.rig.items(mailbox) {
        if item.class.starts_with(class) {
            let mut details = admin.details(mailbox, &item.id).unwrap();
            details.retain(|name, value| {
                let is_default = name == "ReminderIsSet" && value.ends_with("false");
                !name.ends_with(MARK) && !is_default && !SERVERS_OWN.contains(&name.as_str())
            });
            found.entry(item.subject).or_default().push(details);
        }
    }
    found
}

/// Restores everything into the second mailbox; gives back for each class what differs.
async fn round_trip(class: &str, export_streams: bool) -> (Details, Vec<String>) {
    let mut exchange = Exchange::start(small(2, 8), ExchangeOptions::default()).await;
    exchange.extent = Extent {
        export_streams,
        ..Extent::default()
    };
    exchange.back_up_complete().await;
    let (from, to) = (exchange.first(), exchange.addresses().remove(1));
    let mailbox = exchange.rig.mailbox(&from.to_lowercase()).await;
    let request = RestoreRequest {
        placement: Placement::NewFolder {
            name: Some("Zurück".into()),
        },
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
    assert_eq!((summary.exit_code(), summary.failed), (0, 0), "{summary:?}");
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    let (before, after) = (
        of_class(&exchange, &from, class),
        of_class(&exchange, &to, class),
    );
    assert!(!before.is_empty(), "no {class} to try");
    let mut differences = Details::new();
    for (subject, items) in before {
        let found = after
            .get(&subject)
            .unwrap_or_else(|| panic!("{subject} did not come back"));
        for wanted in items {
            // Mail of the same subject may be there twice; the best fit counts.
            let differing = |found: &Details| -> Details {
                let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
                let names = names.into_iter();
                names
                    .filter(|name| wanted.get(*name) != found.get(*name))
                    .map(|name| {
                        let (before, after) = (wanted.get(name), found.get(name));
                        (name.clone(), format!("{before:?} became {after:?}"))
                    })
                    .collect()
            };
            let best = found.iter().map(differing).min_by_key(Details::len);
            differences.extend(best.unwrap());
        }
    }
    let losses = summary
        .problems
        .into_iter()
        .map(|one| one.message)
        .collect();
    (differences, losses)
}

/// What the server decides by itself at each item.
const SERVERS_OWN: &[&str] = &[
    "DateTimeStamp",
    "UID",
    "ChangeCount",
    "AssignedTime",
    "Organizer",
    "Owner",
    // The simulated server makes the index of a conversation up where nobody wrote one.
    "Binary 0x71",
];

async fn check(class: &str, lost: &[&str]) -> Vec<String> {
    let (differences, losses) = round_trip(class, false).await;
    let names: Vec<&str> = differences.keys().map(String::as_str).collect();
    assert_eq!(
        names, lost,
        "{class} from message and properties: {differences:#?}"
    );
    let (differences, told) = round_trip(class, true).await;
    assert!(
        differences.is_empty(),
        "{class} from its export stream: {differences:#?}"
    );
    assert!(told.is_empty(), "{told:?}");
    losses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_round_trip() {
    check("IPM.Note", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_round_trip() {
    check("IPM.Post", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meeting_messages_round_trip() {
    check("IPM.Schedule.Meeting", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_round_trip() {
    check("IPM.Contact", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distribution_lists_round_trip() {
    check("IPM.DistList", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appointments_and_series_round_trip_and_what_is_lost_is_told() {
    let lost = [
        "AppointmentState",
        "DeletedOccurrences",
        "IsMeeting",
        "ModifiedOccurrences",
        "MyResponseType",
        "RequiredAttendees",
    ];
    let losses = check("IPM.Appointment", &lost).await;
    for words in [
        "attendees are not restored",
        "changed occurrences",
        "deleted occurrences",
    ] {
        assert!(
            losses.iter().any(|loss| loss.contains(words)),
            "{words} in {losses:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_round_trip() {
    check("IPM.Task", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_round_trip() {
    check("IPM.StickyNote", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_entries_round_trip() {
    check("IPM.Activity", &[]).await;
}
