//! From a vault of an Exchange server to Exchange Online: contacts, events, tasks and mail, once, without an
//! invitation, and with what is lost told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use exchange_sim::ExchangeOptions;
use mailkeep_e2e::{Exchange, small};
use mailkeep_engine::restore::{
    self, ConflictPolicy, Placement, RestoreOutcome, RestoreRequest, RestoreSummary,
};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::graph::GraphTarget;
use mailkeep_model::SourceMailboxId;

type Details = BTreeMap<String, String>;

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 not much of a picture";

async fn start() -> Exchange {
    Exchange::start(small(2, 8), ExchangeOptions::default()).await
}

/// The mailbox as Exchange Online names it.
fn online(exchange: &Exchange, place: usize) -> String {
    exchange.rig.admin.mailboxes()[place].id.clone()
}

fn request(mailbox: mailkeep_vault::MailboxId, to: &str, place: Placement) -> RestoreRequest {
    RestoreRequest {
        placement: place,
        ..RestoreRequest::new(mailbox, SourceMailboxId(to.into()))
    }
}

fn new_folder() -> Placement {
    Placement::NewFolder {
        name: Some("Umzug".into()),
    }
}

async fn restored(exchange: &Exchange, request: &RestoreRequest) -> RestoreSummary {
    let target = Arc::new(GraphTarget::with_client(exchange.rig.client()));
    let (engine, observer) = (exchange.rig.engine(), Arc::new(Quiet));
    let run = restore::run(&engine, target, request, observer, StopSignal::new());
    let summary = run.await.unwrap();
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    summary
}

async fn first_mailbox(exchange: &Exchange) -> mailkeep_vault::MailboxId {
    let key = exchange.first().to_lowercase();
    exchange.rig.mailbox(&key).await.id().clone()
}

/// Items of a class by subject, in visible folders other than Deleted Items.
fn of_class(exchange: &Exchange, mailbox: &str, class: &str) -> BTreeMap<String, Vec<Details>> {
    let admin = &exchange.rig.admin;
    let deleted = exchange.rig.folder(mailbox, "deleteditems");
    let mut found: BTreeMap<String, Vec<Details>> = BTreeMap::new();
    for item in exchange.rig.items(mailbox) {
        if item.class.starts_with(class) && item.folder != deleted {
            let details = admin.details(mailbox, &item.id).unwrap();
            found.entry(item.subject).or_default().push(details);
        }
    }
    found
}

/// What the service makes up for each item, and how ours are marked.
const SERVERS_OWN: &[&str] = &[
    "DateTimeStamp",
    "UID",
    "ChangeCount",
    "Owner",
    "Organizer",
    "TransactionId",
    "LinkedResources",
    "StartTimeZone",
];

/// Properties of the only item by this subject that differ.
fn differing(before: &[Details], after: &[Details]) -> Vec<String> {
    assert_eq!((before.len(), after.len()), (1, 1));
    let (before, after) = (&before[0], &after[0]);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let is_default = |name: &str, value: &str| name == "ReminderIsSet" && value.ends_with("false");
    let shown = |all: &Details, name: &str| {
        let value = all.get(name).cloned()?;
        // Ids of occurrences are new.
        let value = value.split("ItemId").map(|part| {
            let rest = part.split_once(':').filter(|_| part.starts_with(" Id="));
            rest.map_or(part, |(_, rest)| rest)
        });
        Some(value.collect::<String>()).filter(|value| !is_default(name, value))
    };
    names
        .into_iter()
        .filter(|name| !SERVERS_OWN.contains(&name.as_str()) && !name.ends_with("MailkeepRestore"))
        .filter(|name| shown(before, name) != shown(after, name))
        .cloned()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_goes_to_exchange_online_once_and_what_is_lost_is_told() {
    let exchange = start().await;
    exchange.back_up_complete().await;
    let (from, to) = (exchange.first(), online(&exchange, 1));
    let request = request(first_mailbox(&exchange).await, &to, new_folder());
    let target = GraphTarget::with_client(exchange.rig.client());
    let plan = restore::plan(&exchange.rig.engine(), &target, &request).await;
    let plan = plan.unwrap();
    assert_eq!(plan.not_restorable(), 1, "the distribution list: {plan:?}");
    let paths: Vec<&str> = plan.folders.iter().map(|one| one.to.as_str()).collect();
    assert!(
        paths.contains(&"Umzug/Contacts") && paths.contains(&"Umzug \\/ Calendar"),
        "{paths:?}"
    );
    let first = restored(&exchange, &request).await;
    assert_eq!(first.outcome, RestoreOutcome::Finished, "{first:?}");
    assert_eq!(first.failed, 1, "{:?}", first.problems);
    assert_eq!(first.not_restorable["distribution_list"], 1);
    let everything = exchange.truth(&from).len() as u64;
    assert_eq!(first.restored, everything - 1);

    for (class, subject, lost) in [
        ("IPM.Contact", "Jörg Müller", &[][..]),
        ("IPM.Appointment", "Dentist", &[]),
        (
            "IPM.Appointment",
            "Jour fixe",
            &[
                "AppointmentState",
                "Body",
                "IsMeeting",
                "MyResponseType",
                "RequiredAttendees",
            ],
        ),
        ("IPM.Task", "Write the report", &["PercentComplete"]),
        // It recurs from the day it is due.
        ("IPM.Task", "Water the plants", &["Recurrence"]),
    ] {
        let before = of_class(&exchange, &from, class);
        let after = of_class(&exchange, &to, class);
        let found = after
            .get(subject)
            .unwrap_or_else(|| panic!("{subject} is not there"));
        assert_eq!(
            differing(&before[subject], found),
            lost,
            "{subject}: {before:#?} {found:#?}"
        );
    }
    let meeting = &of_class(&exchange, &to, "IPM.Appointment")["Jour fixe"][0];
    assert!(
        meeting["Body"].contains("Ann <ann@contoso.example>"),
        "{meeting:?}"
    );
    let told = |words: &str| first.problems.iter().any(|one| one.message.contains(words));
    for words in [
        "1 attendees are not restored",
        "To Do has no place for",
        "1 changed occurrences of the series have their times again",
        "restored as ordinary mail",
    ] {
        assert!(told(words), "{words} in {:#?}", first.problems);
    }

    let count = exchange.rig.admin.items(&to).unwrap().len();
    let again = restored(&exchange, &request).await;
    assert_eq!((again.restored, again.already_there), (0, first.restored));
    assert_eq!(again.folders_created, 0);
    assert_eq!(exchange.rig.admin.items(&to).unwrap().len(), count);
    let plan = restore::plan(&exchange.rig.engine(), &target, &request).await;
    let plan = plan.unwrap();
    let there: u64 = plan.folders.iter().map(|one| one.already_there).sum();
    assert_eq!(there, first.restored);
    assert!(
        plan.folders
            .iter()
            .all(|one| !one.is_new || one.items == one.not_restorable)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_comes_back_in_its_own_folders_and_the_rest_is_left_alone() {
    let exchange = start().await;
    exchange.back_up_complete().await;
    let (first, admin) = (online(&exchange, 0), &exchange.rig.admin);
    let gone = ["Jörg Müller", "Dentist", "Water the plants"];
    let before = exchange.rig.items(&first);
    for item in before
        .iter()
        .filter(|item| gone.contains(&item.subject.as_str()))
    {
        admin.delete_mail(&first, &item.id).unwrap();
    }
    let id = first_mailbox(&exchange).await;
    let mut request = request(id, &first, Placement::Original);
    let summary = restored(&exchange, &request).await;
    assert_eq!(summary.restored, 3, "{:#?}", summary.problems);
    assert_eq!(
        (summary.failed, summary.folders_created),
        (1, 0),
        "{summary:?}"
    );
    for (name, wanted) in [("contacts", 2), ("calendar", 2), ("tasks", 2)] {
        let folder = exchange.rig.folder(&first, name);
        let items = exchange.rig.items(&first).into_iter();
        let there = items.filter(|item| item.folder == folder).count();
        assert_eq!(there, wanted, "{name}");
    }

    // Replacing writes new ones and moves the old ones away, but cancels no meeting.
    request.on_conflict = ConflictPolicy::Replace;
    let summary = restored(&exchange, &request).await;
    let kept: Vec<&str> = summary
        .problems
        .iter()
        .map(|one| one.code.as_str())
        .collect();
    assert!(kept.contains(&"would_send_cancellations"), "{summary:#?}");
    let tasks = of_class(&exchange, &first, "IPM.Task");
    assert!(tasks.values().all(|items| items.len() == 1), "{tasks:?}");
    let events = of_class(&exchange, &first, "IPM.Appointment");
    assert_eq!((events["Dentist"].len(), events["Jour fixe"].len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_misses_for_contacts_stops_nothing_else() {
    let exchange = start().await;
    exchange.back_up_complete().await;
    let to = online(&exchange, 1);
    let admin = &exchange.rig.admin;
    admin.set_roles(&[
        "User.Read.All",
        "Mail.Read",
        "Mail.ReadWrite",
        "Calendars.ReadWrite",
        "Tasks.Read.All",
    ]);
    let request = request(first_mailbox(&exchange).await, &to, new_folder());
    let summary = restored(&exchange, &request).await;
    assert_eq!(summary.outcome, RestoreOutcome::Finished, "{summary:?}");
    let told = |words: &str| {
        let all = summary.problems.iter();
        all.filter(|one| one.message.contains(words)).count()
    };
    assert_eq!(told("Contacts.ReadWrite"), 2, "{:#?}", summary.problems);
    assert_eq!(told("Tasks.ReadWrite.All"), 2, "{:#?}", summary.problems);
    assert_eq!(of_class(&exchange, &to, "IPM.Appointment").len(), 2);
    assert!(of_class(&exchange, &to, "IPM.Contact").is_empty());
    assert!(summary.restored > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_and_files_go_with_their_items_or_are_told() {
    let exchange = start().await;
    let first = exchange.first();
    let admin = &exchange.rig.admin;
    let subjects = ["Jörg Müller", "Dentist", "Water the plants"];
    for item in exchange.rig.items(&first) {
        if subjects.contains(&item.subject.as_str()) {
            admin
                .add_attachment(&first, &item.id, "ContactPicture.jpg", PICTURE)
                .unwrap();
            admin
                .add_attachment(&first, &item.id, "more.txt", b"more")
                .unwrap();
        }
    }
    exchange.back_up_complete().await;
    let to = online(&exchange, 1);
    let request = request(first_mailbox(&exchange).await, &to, new_folder());
    let summary = restored(&exchange, &request).await;
    let files = |class: &str, subject: &str| {
        let found = of_class(&exchange, &to, class);
        let names = found[subject][0]
            .keys()
            .filter(|name| name.starts_with("Attachment "));
        names.cloned().collect::<Vec<_>>()
    };
    let both = ["Attachment ContactPicture.jpg", "Attachment more.txt"];
    assert_eq!(files("IPM.Contact", "Jörg Müller"), both[..1]);
    assert_eq!(files("IPM.Appointment", "Dentist"), both);
    assert_eq!(files("IPM.Task", "Water the plants"), both);
    let told = |words: &str| {
        summary
            .problems
            .iter()
            .any(|one| one.message.contains(words))
    };
    assert!(
        told("contacts at Microsoft 365 have none"),
        "{:#?}",
        summary.problems
    );
    let again = restored(&exchange, &request).await;
    assert_eq!((again.restored, again.already_there), (0, summary.restored));
}
