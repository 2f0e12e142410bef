//! Contacts, calendars and tasks of Exchange Online: backed up, followed, and restored to either kind of target.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exchange_sim::{ExchangeOptions, TokenLoss};
use mailkeep_e2e::{Exchange, of, small};
use mailkeep_engine::restore::{self, Placement, RestoreRequest, RestoreSummary};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::Target;
use mailkeep_exchange::graph::GraphTarget;
use mailkeep_model::{ItemKind, MailboxOutcome, SourceMailboxId};
use mailkeep_vault::{ItemFilter, ItemVersion};

type Details = BTreeMap<String, String>;

async fn start() -> Exchange {
    Exchange::start(small(2, 8), ExchangeOptions::default()).await
}

fn online(exchange: &Exchange, place: usize) -> String {
    exchange.rig.admin.mailboxes()[place].id.clone()
}

/// What the vault has of a kind now, by subject.
async fn held(exchange: &Exchange, mailbox: &str, kind: ItemKind) -> BTreeMap<String, ItemVersion> {
    let view = exchange.rig.view(mailbox).await;
    let page = view.items(&ItemFilter::default(), None, 500).await.unwrap();
    let items = page.items.into_iter().filter(|one| one.item.kind == kind);
    items.map(|one| (one.item.subject.clone(), one)).collect()
}

fn names<T>(map: &BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

fn item(exchange: &Exchange, mailbox: &str, subject: &str) -> String {
    let all = exchange.rig.items(mailbox).into_iter();
    let mut all = all.filter(|one| one.subject == subject);
    all.next().unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_contacts_events_and_tasks_are_followed() {
    let exchange = start().await;
    let (first, rig) = (online(&exchange, 0), &exchange.rig);
    let run = rig.back_up().await;
    assert_eq!(
        of(&run, &first).outcome,
        MailboxOutcome::Complete,
        "{run:?}"
    );
    assert_eq!(run.exit_code(), 0, "{run:?}");
    let events = held(&exchange, &first, ItemKind::Event).await;
    assert_eq!(names(&events), ["Dentist", "Jour fixe"]);
    assert_eq!(
        names(&held(&exchange, &first, ItemKind::Contact).await),
        ["Jörg Müller"]
    );
    let tasks = held(&exchange, &first, ItemKind::Task).await;
    assert_eq!(names(&tasks), ["Water the plants", "Write the report"]);

    let before = of(&run, &first).sequence;
    let quiet = rig.back_up().await;
    let stored = |run: &mailkeep_model::RunSummary| {
        let counters = &of(run, &first).counters;
        (
            counters.items_stored,
            counters.items_updated,
            counters.items_deleted,
        )
    };
    assert_eq!(stored(&quiet), (0, 0, 0));
    assert_eq!(
        of(&quiet, &first).sequence,
        before,
        "a quiet run commits nothing"
    );

    let admin = &rig.admin;
    let contact = item(&exchange, &first, "Jörg Müller");
    admin
        .set_field(&first, &contact, "JobTitle", "Leiter")
        .unwrap();
    admin
        .delete_mail(&first, &item(&exchange, &first, "Dentist"))
        .unwrap();
    admin
        .set_field(
            &first,
            &item(&exchange, &first, "Jour fixe"),
            "Location",
            "Raum 5",
        )
        .unwrap();
    admin
        .delete_mail(&first, &item(&exchange, &first, "Write the report"))
        .unwrap();
    let run = rig.back_up().await;
    assert_eq!(run.exit_code(), 0, "{run:?}");
    assert_eq!(stored(&run), (2, 0, 2), "{run:?}");
    let events = held(&exchange, &first, ItemKind::Event).await;
    assert_eq!(names(&events), ["Jour fixe"]);
    assert_eq!(
        names(&held(&exchange, &first, ItemKind::Task).await),
        ["Water the plants"]
    );
    let contact = &held(&exchange, &first, ItemKind::Contact).await["Jörg Müller"];
    let view = rig.view(&first).await;
    let kept = view.content(contact).await.unwrap();
    let kept = String::from_utf8(kept.properties_json().to_vec()).unwrap();
    assert!(kept.contains("Leiter"), "{kept}");

    // What the service forgot is listed anew, and nothing is stored again.
    admin
        .expire_delta_tokens(&first, None, TokenLoss::Gone)
        .unwrap();
    let run = rig.back_up().await;
    assert_eq!(run.exit_code(), 0, "{run:?}");
    assert_eq!(stored(&run), (0, 0, 0), "{run:?}");
}

/// Items of a class by subject, in visible folders.
fn of_class(exchange: &Exchange, mailbox: &str, class: &str) -> BTreeMap<String, Vec<Details>> {
    let mut found: BTreeMap<String, Vec<Details>> = BTreeMap::new();
    for item in exchange.rig.items(mailbox) {
        if item.class.starts_with(class) {
            let details = exchange.rig.admin.details(mailbox, &item.id).unwrap();
            found.entry(item.subject).or_default().push(details);
        }
    }
    found
}

/// What a server makes up for each item, and how ours are marked.
const SERVERS_OWN: &[&str] = &[
    "DateTimeStamp",
    "UID",
    "ChangeCount",
    "Owner",
    "Organizer",
    "TransactionId",
    "LinkedResources",
    "StartTimeZone",
    "OccurrenceChanges",
];

fn differing(before: &[Details], after: &[Details]) -> Vec<String> {
    assert_eq!((before.len(), after.len()), (1, 1));
    let (before, after) = (&before[0], &after[0]);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |all: &Details, name: &str| {
        let value = all.get(name).cloned()?;
        let is_default = name == "ReminderIsSet" && value.ends_with("false")
            || name == "ReminderMinutesBeforeStart" && value.ends_with(": 15");
        // Ids of occurrences are new.
        let value = value.split("ItemId").map(|part| {
            let rest = part.split_once(':').filter(|_| part.starts_with(" Id="));
            rest.map_or(part, |(_, rest)| rest)
        });
        Some(value.collect::<String>()).filter(|_| !is_default)
    };
    names
        .into_iter()
        .filter(|name| !SERVERS_OWN.contains(&name.as_str()) && !name.ends_with("MailkeepRestore"))
        .filter(|name| shown(before, name) != shown(after, name))
        .cloned()
        .collect()
}

async fn restored(exchange: &Exchange, target: Arc<dyn Target>, to: &str) -> RestoreSummary {
    let mailbox = exchange.rig.mailbox(&online(exchange, 0)).await;
    let request = RestoreRequest {
        placement: Placement::NewFolder {
            name: Some("Zurück".into()),
        },
        ..RestoreRequest::new(mailbox.id().clone(), SourceMailboxId(to.into()))
    };
    let (engine, observer) = (exchange.rig.engine(), Arc::new(Quiet));
    let run = restore::run(&engine, target, &request, observer, StopSignal::new());
    let summary = run.await.unwrap();
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    assert_eq!(summary.failed, 0, "{:#?}", summary.problems);
    summary
}

const PEOPLE: &[&str] = &[
    "AppointmentState",
    "Body",
    "IsMeeting",
    "MyResponseType",
    "RequiredAttendees",
];
const SERIES: &[&str] = &[
    "AppointmentState",
    "DeletedOccurrences",
    "IsMeeting",
    "ModifiedOccurrences",
    "MyResponseType",
    "RequiredAttendees",
];

/// What differs after a round trip, by subject.
fn check(exchange: &Exchange, to: &str, series: &[&str], report: &[&str], plants: &[&str]) {
    let from = online(exchange, 0);
    for (class, subject, lost) in [
        ("IPM.Contact", "Jörg Müller", &[][..]),
        ("IPM.Appointment", "Dentist", &[]),
        ("IPM.Appointment", "Jour fixe", series),
        ("IPM.Task", "Write the report", report),
        ("IPM.Task", "Water the plants", plants),
    ] {
        let before = of_class(exchange, &from, class);
        let after = of_class(exchange, to, class);
        let found = after
            .get(subject)
            .unwrap_or_else(|| panic!("{subject} is not there"));
        assert_eq!(
            differing(&before[subject], found),
            lost,
            "{subject}: {before:#?} {found:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_events_and_tasks_come_back_online() {
    let exchange = start().await;
    let first = online(&exchange, 0);
    let admin = &exchange.rig.admin;
    for subject in ["Jörg Müller", "Dentist", "Water the plants"] {
        let item = item(&exchange, &first, subject);
        admin
            .add_attachment(&first, &item, "ContactPicture.jpg", b"\xff\xd8\xff")
            .unwrap();
    }
    exchange.rig.back_up().await;
    let to = online(&exchange, 1);
    let target = Arc::new(GraphTarget::with_client(exchange.rig.client()));
    let once = restored(&exchange, target.clone(), &to).await;
    check(
        &exchange,
        &to,
        PEOPLE,
        &["PercentComplete"],
        &["Recurrence"],
    );
    let again = restored(&exchange, target, &to).await;
    assert_eq!((again.restored, again.already_there), (0, once.restored));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_from_exchange_online_goes_to_a_server() {
    let exchange = start().await;
    exchange.rig.back_up().await;
    let to = exchange.addresses().remove(1);
    restored(&exchange, exchange.target(), &to.to_lowercase()).await;
    check(&exchange, &to, SERIES, &["PercentComplete"], &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_misses_for_one_kind_is_told_and_stops_nothing_else() {
    let exchange = start().await;
    let (first, rig) = (online(&exchange, 0), &exchange.rig);
    let admin = &rig.admin;
    let all = [
        "User.Read.All",
        "MailboxSettings.Read",
        "Mail.Read",
        "Calendars.Read",
        "Tasks.Read.All",
    ];
    admin.set_roles(&all);
    for _ in 0..2 {
        let run = rig.back_up().await;
        let told = of(&run, &first);
        assert_eq!(run.exit_code(), 3, "{run:?}");
        assert!(
            told.warnings
                .iter()
                .any(|one| one.contains("Contacts.Read")),
            "{told:?}"
        );
        assert_eq!(held(&exchange, &first, ItemKind::Event).await.len(), 2);
        assert!(held(&exchange, &first, ItemKind::Contact).await.is_empty());
        assert!(held(&exchange, &first, ItemKind::Message).await.len() > 3);
    }
    admin.set_roles(&[&all[..], &["Contacts.Read"]].concat());
    let client_of_a_new_process = rig.back_up().await;
    assert_eq!(
        client_of_a_new_process.exit_code(),
        0,
        "{client_of_a_new_process:?}"
    );
    assert_eq!(held(&exchange, &first, ItemKind::Contact).await.len(), 1);

    // Taken away again, what is there stays; each permission that misses is named.
    admin.set_roles(&all[..4]);
    let run = rig.back_up().await;
    assert_eq!(run.exit_code(), 3, "{run:?}");
    let told = of(&run, &first).warnings.join(" ");
    for missing in ["Contacts.Read", "Tasks.Read.All"] {
        assert!(told.contains(missing), "{told}");
    }
    assert_eq!(held(&exchange, &first, ItemKind::Contact).await.len(), 1);
}
