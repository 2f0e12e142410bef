//! Fixed cases and properties.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::schedule::{Day, Hours};

fn utc(text: &str) -> DateTime<Utc> {
    format!("{text}:00Z").parse().unwrap()
}

fn mail(modified: &str) -> Facts<'static> {
    Facts {
        kind: ItemKind::Message,
        class: "IPM.Note",
        sensitivity: Sensitivity::Normal,
        modified_at: Some(utc(modified)),
        received_at: Some(utc(modified)),
        occurrence: None,
    }
}

fn event(modified: &str, start: &str, end: Option<&str>) -> Facts<'static> {
    Facts {
        kind: ItemKind::Event,
        class: "IPM.Appointment",
        occurrence: Some(Occurrence {
            start: utc(start),
            end: end.map(utc),
        }),
        ..mail(modified)
    }
}

fn older(age: &str) -> ItemFilter {
    ItemFilter {
        age: AgeFilter::OlderThan(age.parse().unwrap()),
        ..ItemFilter::default()
    }
}

fn not_older(age: &str) -> ItemFilter {
    ItemFilter {
        age: AgeFilter::NotOlderThan(age.parse().unwrap()),
        ..ItemFilter::default()
    }
}

fn reason(filter: &ItemFilter, now: &str, facts: &Facts<'_>) -> Option<Reason> {
    match filter.for_cycle(utc(now)).decide(facts) {
        Decision::Take => None,
        Decision::LeaveOut { reason, .. } => Some(reason),
    }
}

/// Today is 2015-09-01, the filter is the last 6 months.
#[test]
fn the_worked_example_of_the_age_filter() {
    let filter = not_older("6 months");
    let appointment = event(
        "2014-03-10T09:00",
        "2015-04-01T09:00",
        Some("2015-04-01T10:00"),
    );
    assert_eq!(reason(&filter, "2015-09-01T12:00", &appointment), None);
    let mail = mail("2014-03-10T09:00");
    assert_eq!(
        reason(&filter, "2015-09-01T12:00", &mail),
        Some(Reason::TooOld)
    );
}

#[test]
fn without_an_age_everything_is_taken() {
    assert_eq!(
        reason(
            &ItemFilter::default(),
            "2015-09-01T12:00",
            &mail("1999-01-01T00:00")
        ),
        None
    );
    assert_eq!(
        ItemFilter::default()
            .for_cycle(utc("2015-09-01T12:00"))
            .cut_off(),
        None
    );
}

#[test]
fn the_cut_off_is_by_the_calendar_and_clamped() {
    for (age, now, then) in [
        ("1 day", "2026-03-01T10:00", "2026-02-28T10:00"),
        ("2 weeks", "2026-03-01T10:00", "2026-02-15T10:00"),
        ("1 month", "2026-03-31T10:00", "2026-02-28T10:00"),
        ("1 month", "2028-03-31T10:00", "2028-02-29T10:00"),
        ("6 months", "2026-08-31T10:00", "2026-02-28T10:00"),
        ("1 year", "2028-02-29T10:00", "2027-02-28T10:00"),
        ("4 years", "2028-02-29T10:00", "2024-02-29T10:00"),
    ] {
        let filter = not_older(age);
        assert_eq!(
            filter.for_cycle(utc(now)).cut_off(),
            Some(utc(then)),
            "{age} before {now}"
        );
    }
    let ancient = not_older("10000 years")
        .for_cycle(utc("2026-01-01T00:00"))
        .cut_off()
        .unwrap();
    assert!(ancient < utc("1970-01-01T00:00"));
}

#[test]
fn the_cut_off_itself_is_not_older() {
    let at = mail("2026-02-28T10:00");
    assert_eq!(reason(&not_older("1 month"), "2026-03-28T10:00", &at), None);
    assert_eq!(
        reason(&older("1 month"), "2026-03-28T10:00", &at),
        Some(Reason::TooYoung)
    );
    assert_eq!(reason(&older("1 month"), "2026-03-28T10:01", &at), None);
    assert_eq!(
        reason(&not_older("1 month"), "2026-03-28T10:01", &at),
        Some(Reason::TooOld)
    );
}

#[test]
fn all_workers_of_a_cycle_agree() {
    let filter = not_older("1 day");
    let cycle = filter.for_cycle(utc("2026-03-02T10:00"));
    let facts = mail("2026-03-01T10:00");
    // However long the cycle takes, its answer stays; a later one has another.
    assert_eq!(cycle.decide(&facts), Decision::Take);
    assert_eq!(cycle.cut_off(), Some(utc("2026-03-01T10:00")));
    assert_eq!(
        reason(&filter, "2026-03-02T10:01", &facts),
        Some(Reason::TooOld)
    );
}

#[test]
fn events_count_by_when_they_take_place() {
    let now = "2026-06-01T00:00";
    let (old, young) = (older("1 month"), not_older("1 month"));
    let past = event(
        "2026-05-30T00:00",
        "2026-01-01T09:00",
        Some("2026-01-01T10:00"),
    );
    assert_eq!(reason(&young, now, &past), Some(Reason::TooOld));
    assert_eq!(reason(&old, now, &past), None);
    let future = event(
        "2020-01-01T00:00",
        "2027-01-01T09:00",
        Some("2027-01-01T10:00"),
    );
    assert_eq!(reason(&young, now, &future), None);
    assert_eq!(reason(&old, now, &future), Some(Reason::TooYoung));
    // It lasts over the cut-off, so a part of it is in either range.
    let lasting = event(
        "2020-01-01T00:00",
        "2026-04-28T00:00",
        Some("2026-05-03T00:00"),
    );
    assert_eq!(reason(&young, now, &lasting), None);
    assert_eq!(reason(&old, now, &lasting), None);
    // It ended at the cut-off.
    let over = event(
        "2020-01-01T00:00",
        "2026-04-28T00:00",
        Some("2026-05-01T00:00"),
    );
    assert_eq!(reason(&young, now, &over), Some(Reason::TooOld));
}

#[test]
fn a_series_counts_by_any_occurrence() {
    let now = "2026-06-01T00:00";
    let endless = event("2010-01-01T00:00", "2010-01-01T09:00", None);
    assert_eq!(reason(&not_older("1 month"), now, &endless), None);
    assert_eq!(reason(&older("1 month"), now, &endless), None);
    let ended = event(
        "2026-05-31T00:00",
        "2010-01-01T09:00",
        Some("2012-01-01T10:00"),
    );
    assert_eq!(
        reason(&not_older("1 month"), now, &ended),
        Some(Reason::TooOld)
    );
}

#[test]
fn tasks_count_by_due_date_else_start_date_else_modification() {
    let due = Some(utc("2026-05-20T00:00"));
    let start = Some(utc("2026-01-20T00:00"));
    let task = |start, due| Facts {
        kind: ItemKind::Task,
        occurrence: Occurrence::of_task(start, due),
        ..mail("2020-01-01T00:00")
    };
    let filter = not_older("1 month");
    let now = "2026-06-01T00:00";
    assert_eq!(reason(&filter, now, &task(start, due)), None);
    assert_eq!(
        reason(&filter, now, &task(start, None)),
        Some(Reason::TooOld)
    );
    assert_eq!(reason(&filter, now, &task(due, None)), None);
    assert_eq!(
        reason(&filter, now, &task(None, None)),
        Some(Reason::TooOld)
    );
}

#[test]
fn mail_counts_by_modification_unless_the_basis_is_received() {
    let facts = Facts {
        received_at: Some(utc("2020-01-01T00:00")),
        ..mail("2026-05-30T00:00")
    };
    let now = "2026-06-01T00:00";
    let mut filter = not_older("1 month");
    assert_eq!(reason(&filter, now, &facts), None);
    filter.age_basis = AgeBasis::Received;
    assert_eq!(reason(&filter, now, &facts), Some(Reason::TooOld));
    // Others than mail are not received.
    let note = Facts {
        kind: ItemKind::Note,
        ..facts
    };
    assert_eq!(reason(&filter, now, &note), None);
    let timeless = Facts {
        received_at: None,
        modified_at: None,
        ..facts
    };
    assert_eq!(
        reason(&filter, now, &timeless),
        None,
        "nothing is lost for want of a time"
    );
}

#[test]
fn contacts_can_be_taken_whatever_their_age() {
    let contact = Facts {
        kind: ItemKind::Contact,
        ..mail("2010-01-01T00:00")
    };
    let mut filter = not_older("1 month");
    assert_eq!(
        reason(&filter, "2026-06-01T00:00", &contact),
        Some(Reason::TooOld)
    );
    filter.all_contacts = true;
    assert_eq!(reason(&filter, "2026-06-01T00:00", &contact), None);
    assert_eq!(
        reason(&filter, "2026-06-01T00:00", &mail("2010-01-01T00:00")),
        Some(Reason::TooOld)
    );
    filter.kinds.contacts = false;
    assert_eq!(
        reason(&filter, "2026-06-01T00:00", &contact),
        Some(Reason::Kind)
    );
}

#[test]
fn what_is_too_young_is_asked_about_again_when_it_has_aged() {
    let recheck =
        |age: &str, now: &str, of: &str| match older(age).for_cycle(utc(now)).decide(&mail(of)) {
            Decision::LeaveOut { recheck_at, .. } => recheck_at.unwrap().to_rfc3339(),
            Decision::Take => "taken".to_owned(),
        };
    assert_eq!(
        recheck("1 week", "2026-01-02T00:00", "2026-01-01T08:00"),
        "2026-01-08T08:00:01+00:00"
    );
    assert_eq!(
        recheck("1 month", "2026-01-15T00:00", "2026-01-10T08:00"),
        "2026-02-10T08:00:01+00:00"
    );
    // A month after January 31 is over when March begins.
    assert_eq!(
        recheck("1 month", "2026-02-01T00:00", "2026-01-31T08:00"),
        "2026-03-01T00:00:00+00:00"
    );
    // The cut-off of March 31 is that of March 28, so what was old enough is too young again; it is
    // not asked about at a time that is over.
    assert_eq!(
        recheck("1 month", "2026-03-31T00:00", "2026-02-28T12:00"),
        "2026-04-01T00:00:00+00:00"
    );
}

#[test]
fn what_was_left_out_is_due_when_its_time_comes_or_the_filter_is_edited() {
    let left = |recheck_at| LeftOutItem {
        item: ItemId("i".into()),
        folder: FolderId("f".into()),
        reason: Reason::TooYoung,
        recheck_at,
    };
    let now = utc("2026-01-01T00:00");
    assert!(left(Some(now)).is_due(now, false));
    assert!(!left(Some(now + TimeDelta::seconds(1))).is_due(now, false));
    assert!(!left(None).is_due(now, false));
    assert!(left(None).is_due(now, true));
}

proptest! {
    /// Whenever one asks, the answer to "when again" lies ahead, and then the item is taken.
    #[test]
    fn an_item_that_is_too_young_is_taken_when_its_time_has_come(
        number in 1_u32..40,
        unit in prop::sample::select(vec![AgeUnit::Days, AgeUnit::Weeks, AgeUnit::Months, AgeUnit::Years]),
        of in 0_i64..4_000_000_000,
        ahead in -100_000_000_i64..400_000_000,
    ) {
        let filter = ItemFilter {
            age: AgeFilter::OlderThan(Age::new(number, unit).unwrap()),
            ..ItemFilter::default()
        };
        let of = DateTime::from_timestamp(of, 0).unwrap();
        let facts = Facts { modified_at: Some(of), ..mail("2026-01-01T00:00") };
        let now = of + TimeDelta::seconds(ahead);
        if let Decision::LeaveOut { recheck_at, .. } = filter.for_cycle(now).decide(&facts) {
            let again = recheck_at.unwrap();
            prop_assert!(again > now);
            prop_assert_eq!(filter.for_cycle(again).decide(&facts), Decision::Take);
        }
    }

    /// Every item of one moment is on exactly one side.
    #[test]
    fn older_and_not_older_are_opposites(number in 1_u32..40, of in 0_i64..4_000_000_000, now in 0_i64..4_000_000_000) {
        let age = Age::new(number, AgeUnit::Months).unwrap();
        let of = DateTime::from_timestamp(of, 0);
        let facts = Facts { modified_at: of, received_at: of, ..mail("2026-01-01T00:00") };
        let now = DateTime::from_timestamp(now, 0).unwrap();
        let takes = |age| {
            let filter = ItemFilter { age, ..ItemFilter::default() };
            filter.for_cycle(now).decide(&facts) == Decision::Take
        };
        prop_assert_ne!(takes(AgeFilter::OlderThan(age)), takes(AgeFilter::NotOlderThan(age)));
    }
}

#[test]
fn ages_are_written_in_words() {
    for good in ["1 day", "2 weeks", "6 months", "10 years"] {
        assert_eq!(good.parse::<Age>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "6",
        "months",
        "0 days",
        "-1 days",
        "6 moons",
        "10001 days",
        "1.5 years",
    ] {
        assert!(bad.parse::<Age>().is_err(), "{bad}");
    }
}

#[test]
fn kinds_can_be_switched_off() {
    let of = |class: &'static str| Facts {
        kind: ItemKind::from_class(class),
        class,
        ..mail("2026-01-01T00:00")
    };
    let classes = [
        "IPM.Note",
        "IPM.Appointment",
        "IPM.Contact",
        "IPM.Task",
        "IPM.StickyNote",
        "IPM.Activity",
    ];
    for (index, class) in classes.into_iter().enumerate() {
        let mut on = [true; 6];
        on[index] = false;
        let [mail, calendar, contacts, tasks, notes, journal] = on;
        let filter = ItemFilter {
            kinds: Kinds {
                mail,
                calendar,
                contacts,
                tasks,
                notes,
                journal,
            },
            ..ItemFilter::default()
        };
        for (other, facts) in classes.into_iter().map(of).enumerate() {
            let expected = (other == index).then_some(Reason::Kind);
            assert_eq!(
                reason(&filter, "2026-01-01T00:00", &facts),
                expected,
                "{class}"
            );
        }
    }
}

#[test]
fn a_message_class_covers_those_below_it() {
    let class: MessageClass = "IPM.Invoice".parse().unwrap();
    for (text, expected) in [
        ("IPM.Invoice", true),
        ("ipm.invoice.paid", true),
        ("IPM.Invoices", false),
        ("IPM", false),
        ("", false),
        ("IPM.Invoicé", false),
    ] {
        assert_eq!(class.covers(text), expected, "{text}");
    }
    for bad in ["", ".", "IPM.", "IPM..Note", "IPM Note"] {
        assert!(bad.parse::<MessageClass>().is_err(), "{bad}");
    }
    let filter = ItemFilter {
        classes: Classes::BuiltInAnd(vec![class]),
        ..ItemFilter::default()
    };
    let of = |class: &'static str| {
        let facts = Facts {
            kind: ItemKind::from_class(class),
            class,
            ..mail("2026-01-01T00:00")
        };
        reason(&filter, "2026-01-01T00:00", &facts)
    };
    assert_eq!(of("IPM.Note.SMIME"), None);
    assert_eq!(of("IPM.Schedule.Meeting.Request"), None);
    assert_eq!(of("IPM.Invoice.Paid"), None);
    assert_eq!(of("IPM.Order"), Some(Reason::Class));
}

#[test]
fn private_and_confidential_mail_and_events_are_left_out_unless_wanted() {
    let mut filter = ItemFilter::default();
    let now = "2026-01-01T00:00";
    for (sensitivity, is_left_out) in [
        (Sensitivity::Normal, false),
        (Sensitivity::Personal, false),
        (Sensitivity::Private, true),
        (Sensitivity::Confidential, true),
    ] {
        for kind in [ItemKind::Message, ItemKind::MeetingMessage, ItemKind::Event] {
            filter.sensitive_items = false;
            let facts = Facts {
                kind,
                sensitivity,
                ..mail(now)
            };
            let expected = is_left_out.then_some(Reason::Sensitive);
            assert_eq!(
                reason(&filter, now, &facts),
                expected,
                "{kind:?} {sensitivity:?}"
            );
            filter.sensitive_items = true;
            assert_eq!(reason(&filter, now, &facts), None);
        }
        filter.sensitive_items = false;
        let contact = Facts {
            kind: ItemKind::Contact,
            sensitivity,
            ..mail(now)
        };
        assert_eq!(reason(&filter, now, &contact), None);
    }
}

#[test]
fn mail_received_at_excluded_times_is_left_out() {
    let filter = ItemFilter {
        not_received_in: vec![Blackout {
            days: [Day::Monday].into(),
            hours: Hours::between("09:00".parse().unwrap(), "10:00".parse().unwrap()),
            zone: "America/New_York".parse().unwrap(),
        }],
        ..ItemFilter::default()
    };
    // 2026-01-05 is a Monday; New York is five hours behind.
    for (at, expected) in [
        ("2026-01-05T13:59", None),
        ("2026-01-05T14:00", Some(Reason::ReceivedTime)),
        ("2026-01-05T15:00", None),
        ("2026-01-06T14:00", None),
    ] {
        assert_eq!(
            reason(&filter, "2026-02-01T00:00", &mail(at)),
            expected,
            "{at}"
        );
    }
}

#[test]
fn every_mistake_is_named_with_its_field() {
    let filter = ItemFilter {
        kinds: Kinds {
            mail: false,
            calendar: false,
            contacts: false,
            tasks: false,
            notes: false,
            journal: false,
        },
        classes: Classes::BuiltInAnd(vec!["IPM.X".parse().unwrap()]),
        not_received_in: vec![Blackout {
            days: [].into(),
            hours: Hours::ALL_DAY,
            zone: crate::schedule::Zone::UTC,
        }],
        ..ItemFilter::default()
    };
    let problems = filter.problems();
    let fields: Vec<_> = problems
        .list()
        .iter()
        .map(|error| error.field.as_str())
        .collect();
    assert_eq!(fields, ["kinds", "classes", "not_received_in[0].days"]);
    let folders = FolderFilter {
        exclude: [SpecialFolder::Inbox].into(),
        only: Some(vec![FolderChoice {
            folder: FolderRef::Special(SpecialFolder::Inbox),
            with_subfolders: true,
        }]),
    };
    assert_eq!(folders.problems().list()[0].field, "only[0].folder");
    let nothing = FolderFilter {
        exclude: [].into(),
        only: Some(vec![]),
    };
    assert_eq!(nothing.problems().list()[0].field, "only");
}
