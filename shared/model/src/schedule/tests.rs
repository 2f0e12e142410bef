//! Fixed cases.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn hours(text: &str) -> Hours {
    let (from, to) = text.split_once('-').unwrap();
    Hours::between(from.parse().unwrap(), to.parse().unwrap())
}

fn range(text: &str) -> DateRange {
    let day = |text: &str| (!text.is_empty()).then(|| text.parse::<NaiveDate>().unwrap());
    let (start, end) = text.split_once("..").unwrap();
    DateRange {
        start: day(start),
        end: day(end),
    }
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

fn schedule(zone_name: &str, pattern: ActivityPattern) -> Schedule {
    Schedule::new(zone(zone_name), Some(&pattern), &[]).unwrap()
}

/// The first windows as `start/end`, without the seconds.
fn windows(schedule: &Schedule, at: &str, count: usize) -> Vec<String> {
    let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M").to_string();
    let windows = schedule.windows_after(utc(at)).take(count);
    windows
        .map(|w| {
            format!(
                "{}/{}",
                text(w.start),
                w.end.map_or("never".to_owned(), text)
            )
        })
        .collect()
}

fn daily(every_days: u32, hours: Hours, range: DateRange) -> ActivityPattern {
    ActivityPattern::Daily(Daily {
        every_days,
        working_days: false,
        hours,
        range,
    })
}

fn monthly(every_months: u32, on: MonthDay, range: DateRange) -> ActivityPattern {
    ActivityPattern::Monthly(Monthly {
        every_months,
        on,
        hours: hours("01:00-02:00"),
        range,
    })
}

#[test]
fn custom_periods_that_overlap_or_touch_count_as_one() {
    let period = |start: &str, end: &str| Period {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    };
    let custom = ActivityPattern::Custom(Custom {
        periods: vec![
            period("2026-03-02T00:00:00", "2026-03-03T00:00:00"),
            period("2026-01-01T10:00:00", "2026-01-01T12:00:00"),
            period("2026-01-01T11:00:00", "2026-01-01T11:30:00"),
            period("2026-01-01T12:00:00", "2026-01-01T13:00:00"),
        ],
    });
    let schedule = schedule("Europe/Warsaw", custom);
    assert_eq!(
        windows(&schedule, "2020-01-01T00:00:00Z", 9),
        [
            "2026-01-01T09:00/2026-01-01T12:00",
            "2026-03-01T23:00/2026-03-02T23:00"
        ]
    );
    assert!(schedule.is_active(utc("2026-01-01T09:00:00Z")));
    assert!(
        !schedule.is_active(utc("2026-01-01T12:00:00Z")),
        "the end is not part of it"
    );
}

#[test]
fn all_day_and_no_end_are_the_defaults_and_never_end() {
    let pattern: ActivityPattern = serde_json::from_str(r#"{"daily": {}}"#).unwrap();
    let schedule = schedule("America/New_York", pattern);
    assert_eq!(
        windows(&schedule, "2026-01-01T00:00:00Z", 3),
        ["2026-01-01T00:00/never"]
    );
    let every_day = Weekly {
        days: Day::ALL.into(),
        range: range("2026-01-05..2026-01-11"),
        ..Weekly::default()
    };
    let schedule = self::schedule("UTC", ActivityPattern::Weekly(every_day));
    assert_eq!(
        windows(&schedule, "2025-01-01T00:00:00Z", 3),
        ["2026-01-05T00:00/2026-01-12T00:00"]
    );
}

#[test]
fn a_period_across_midnight_belongs_to_the_day_on_which_it_begins() {
    let fridays = ActivityPattern::Weekly(Weekly {
        days: [Day::Friday].into(),
        hours: hours("22:00-06:00"),
        range: range("2026-01-01..2026-01-09"),
        ..Weekly::default()
    });
    assert_eq!(
        windows(&schedule("UTC", fridays), "2026-01-01T00:00:00Z", 9),
        [
            "2026-01-02T22:00/2026-01-03T06:00",
            "2026-01-09T22:00/2026-01-10T06:00"
        ]
    );
}

#[test]
fn turns_are_counted_from_the_start_of_the_range() {
    let third_days = daily(3, hours("08:00-09:00"), range("2026-01-30.."));
    assert_eq!(
        windows(&schedule("UTC", third_days), "2026-01-01T00:00:00Z", 3),
        [
            "2026-01-30T08:00/2026-01-30T09:00",
            "2026-02-02T08:00/2026-02-02T09:00",
            "2026-02-05T08:00/2026-02-05T09:00"
        ]
    );
    // 2026-01-07 is a Wednesday: the Monday of its week is before the range.
    let other_weeks = ActivityPattern::Weekly(Weekly {
        every_weeks: 2,
        days: [Day::Monday, Day::Thursday].into(),
        hours: hours("08:00-09:00"),
        range: range("2026-01-07.."),
    });
    assert_eq!(
        windows(&schedule("UTC", other_weeks), "2026-01-01T00:00:00Z", 3),
        [
            "2026-01-08T08:00/2026-01-08T09:00",
            "2026-01-19T08:00/2026-01-19T09:00",
            "2026-01-22T08:00/2026-01-22T09:00"
        ]
    );
}

#[test]
fn working_days_are_monday_to_friday() {
    let pattern = ActivityPattern::Daily(Daily {
        working_days: true,
        ..Daily::default()
    });
    assert_eq!(
        windows(&schedule("UTC", pattern), "2026-01-01T00:00:00Z", 2),
        [
            "2026-01-01T00:00/2026-01-03T00:00",
            "2026-01-05T00:00/2026-01-10T00:00"
        ]
    );
}

#[test]
fn a_day_that_a_month_lacks_is_its_last() {
    let pattern = monthly(1, MonthDay::Day(31), range("2027-12-31.."));
    let found = windows(&schedule("UTC", pattern), "2028-01-01T00:00:00Z", 4);
    let starts: Vec<_> = found.iter().map(|window| &window[..10]).collect();
    assert_eq!(
        starts,
        ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
    );
}

#[test]
fn months_know_their_first_and_last_days_of_the_week() {
    let days = |which, day| {
        let on = MonthDay::Nth { which, day };
        let pattern = monthly(2, on, range("2026-01-15.."));
        let found = windows(&schedule("UTC", pattern), "2026-01-01T00:00:00Z", 3);
        found
            .iter()
            .map(|window| window[..10].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        days(Ordinal::First, Day::Monday),
        ["2026-03-02", "2026-05-04", "2026-07-06"]
    );
    assert_eq!(
        days(Ordinal::Third, Day::Friday),
        ["2026-01-16", "2026-03-20", "2026-05-15"]
    );
    assert_eq!(
        days(Ordinal::Last, Day::Friday),
        ["2026-01-30", "2026-03-27", "2026-05-29"]
    );
    assert_eq!(
        days(Ordinal::Last, Day::Sunday),
        ["2026-01-25", "2026-03-29", "2026-05-31"]
    );
}

/// In Warsaw, the clock jumps from 02:00 to 03:00 on 2026-03-29, at 01:00 UTC.
#[test]
fn a_gap_moves_forward_what_it_takes_away() {
    let on_that_day = |text| {
        let pattern = daily(1, hours(text), range("2026-03-29..2026-03-29"));
        windows(
            &schedule("Europe/Warsaw", pattern),
            "2026-03-01T00:00:00Z",
            9,
        )
    };
    // The start does not exist: at the end of the gap. The end stays.
    assert_eq!(
        on_that_day("02:30-06:00"),
        ["2026-03-29T01:00/2026-03-29T04:00"]
    );
    // The end does not exist.
    assert_eq!(
        on_that_day("00:00-02:30"),
        ["2026-03-28T23:00/2026-03-29T01:00"]
    );
    // Nothing of it exists: an hour later.
    assert_eq!(
        on_that_day("02:00-03:00"),
        ["2026-03-29T01:00/2026-03-29T02:00"]
    );
    assert_eq!(
        on_that_day("02:15-02:45"),
        ["2026-03-29T01:15/2026-03-29T01:45"]
    );
}

/// In Warsaw, the clock jumps from 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC.
#[test]
fn an_overlap_runs_once() {
    let on_that_day = |text| {
        let pattern = daily(1, hours(text), range("2026-10-25..2026-10-25"));
        windows(
            &schedule("Europe/Warsaw", pattern),
            "2026-10-01T00:00:00Z",
            9,
        )
    };
    assert_eq!(
        on_that_day("02:15-02:45"),
        ["2026-10-25T00:15/2026-10-25T00:45"]
    );
    assert_eq!(
        on_that_day("02:30-06:00"),
        ["2026-10-25T00:30/2026-10-25T05:00"]
    );
    assert_eq!(
        on_that_day("00:00-02:30"),
        ["2026-10-24T22:00/2026-10-25T00:30"]
    );
}

/// Samoa had no 2011-12-30: it went from the 29th to the 31st.
#[test]
fn a_day_that_a_zone_left_out_is_made_up_for_on_the_next() {
    let friday = daily(1, hours("08:00-10:00"), range("2011-12-30..2011-12-30"));
    assert_eq!(
        windows(&schedule("Pacific/Apia", friday), "2011-12-01T00:00:00Z", 9),
        ["2011-12-30T18:00/2011-12-30T20:00"]
    );
    let all_day = daily(1, Hours::ALL_DAY, range("2011-12-30..2011-12-30"));
    assert_eq!(
        windows(
            &schedule("Pacific/Apia", all_day),
            "2011-12-01T00:00:00Z",
            9
        ),
        ["2011-12-30T10:00/2011-12-31T10:00"]
    );
}

#[test]
fn a_window_that_began_is_cut_off_where_one_looks_from() {
    let schedule = schedule("UTC", daily(1, hours("22:00-06:00"), range("..")));
    assert_eq!(
        windows(&schedule, "2026-01-02T03:00:00Z", 2),
        [
            "2026-01-02T03:00/2026-01-02T06:00",
            "2026-01-02T22:00/2026-01-03T06:00"
        ]
    );
}

#[test]
fn blackouts_are_cut_out_in_their_own_region() {
    let blackout = |days: &[Day], text: &str, name: &str| Blackout {
        days: days.iter().copied().collect(),
        hours: hours(text),
        zone: zone(name),
    };
    let blackouts = [
        blackout(&[Day::Monday], "09:00-17:00", "America/New_York"),
        blackout(&[Day::Monday], "16:00-23:00", "Europe/London"),
        blackout(&[Day::Tuesday], "23:30-00:30", "UTC"),
    ];
    let always = Schedule::new(Zone::UTC, None, &blackouts).unwrap();
    // 2026-01-05 is a Monday.
    assert_eq!(
        windows(&always, "2026-01-05T12:00:00Z", 3),
        [
            "2026-01-05T12:00/2026-01-05T14:00",
            "2026-01-05T23:00/2026-01-06T23:30",
            "2026-01-07T00:30/2026-01-12T14:00"
        ]
    );
}

/// The hour from 02:00 to 03:00 comes twice on 2026-10-25 in Warsaw; a blackout holds in both.
#[test]
fn a_blackout_holds_until_the_clock_is_past_it_for_good() {
    let blackout = Blackout {
        days: [Day::Sunday].into(),
        hours: hours("01:00-02:30"),
        zone: zone("Europe/Warsaw"),
    };
    let always = Schedule::new(Zone::UTC, None, &[blackout]).unwrap();
    assert_eq!(
        windows(&always, "2026-10-24T12:00:00Z", 2),
        [
            "2026-10-24T12:00/2026-10-24T23:00",
            "2026-10-25T01:30/2026-11-01T00:00"
        ]
    );
}

#[test]
fn a_schedule_that_is_never_active_is_found_out() {
    let all_week = |text: &str| Blackout {
        days: Day::ALL.into(),
        hours: hours(text),
        zone: Zone::UTC,
    };
    // Two halves that together take every day.
    let halves = [all_week("00:00-12:00"), all_week("12:00-00:00")];
    let never = Schedule::new(Zone::UTC, None, &halves).unwrap();
    assert_eq!(never.next_window(utc("2026-01-01T00:00:00Z")), None);
    // Each turn is taken, with free time in between.
    let mornings = daily(1, hours("03:00-04:00"), range(".."));
    let never = Schedule::new(Zone::UTC, Some(&mornings), &halves[..1]).unwrap();
    assert_eq!(never.next_window(utc("2026-01-01T00:00:00Z")), None);
}

/// Going day by day to the next window would take minutes here.
#[test]
fn a_window_far_away_is_computed_and_not_searched() {
    let schedule = schedule(
        "Europe/Warsaw",
        monthly(1_000, MonthDay::Day(31), range("1970-06-01..")),
    );
    assert_eq!(
        windows(&schedule, "1970-07-01T00:00:00Z", 2),
        [
            "2053-10-31T00:00/2053-10-31T01:00",
            "2137-02-28T00:00/2137-02-28T01:00"
        ]
    );
    let mut at = utc("1970-01-01T00:00:00Z");
    for _ in 0..20_000 {
        at += TimeDelta::hours(1);
        assert!(schedule.next_window(at).is_some());
    }
}

#[test]
fn what_lies_outside_of_the_calendar_has_no_windows() {
    let schedule = schedule(
        "Pacific/Kiritimati",
        daily(1, hours("22:00-06:00"), range("..")),
    );
    assert_eq!(schedule.next_window(DateTime::<Utc>::MAX_UTC), None);
    let first = schedule.next_window(DateTime::<Utc>::MIN_UTC).unwrap();
    assert!(first.start >= DateTime::UNIX_EPOCH);
}

#[test]
fn every_mistake_is_named_with_its_field() {
    let pattern: ActivityPattern = serde_json::from_str(
        r#"{"weekly": {"every_weeks": 0, "days": [], "hours": {"from": "08:00", "to": "08:00"},
            "range": {"start": "2026-02-01", "end": "2026-01-01"}}}"#,
    )
    .unwrap();
    let blackout = Blackout {
        days: Days7::new(),
        hours: Hours {
            from: None,
            to: "10:00".parse().ok(),
        },
        zone: Zone::UTC,
    };
    let errors = Schedule::new(Zone::UTC, Some(&pattern), &[blackout]).unwrap_err();
    let fields: Vec<_> = errors
        .list()
        .iter()
        .map(|error| error.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "pattern.weekly.every_weeks",
            "pattern.weekly.days",
            "pattern.weekly.hours.to",
            "pattern.weekly.range.end",
            "blackouts[0].days",
            "blackouts[0].hours.from"
        ]
    );
    for bad in [
        r#"{"custom": {"periods": []}}"#,
        r#"{"custom": {"periods": [{"start": "2026-01-02T00:00:00", "end": "2026-01-02T00:00:00"}]}}"#,
        r#"{"custom": {"periods": [{"start": "1969-01-02T00:00:00", "end": "2026-01-02T00:00:00"}]}}"#,
        r#"{"daily": {"every_days": 2}}"#,
        r#"{"daily": {"every_days": 2, "working_days": true, "range": {"start": "2026-01-01"}}}"#,
        r#"{"monthly": {"on": {"day": 32}}}"#,
        r#"{"monthly": {"on": {"day": 0}}}"#,
        r#"{"weekly": {"days": ["monday"], "range": {"end": "2200-01-01"}}}"#,
    ] {
        let pattern: ActivityPattern = serde_json::from_str(bad).unwrap();
        assert_eq!(pattern.problems().list().len(), 1, "{bad}");
    }
    for unreadable in [
        r#"{"hourly": {}}"#,
        r#"{"daily": {}, "weekly": {"days": ["monday"]}}"#,
        r#"{"daily": {"hour": 1}}"#,
        r#"{"daily": {"hours": {"from": "8:00", "to": "09:00"}}}"#,
        r#"{"weekly": {"days": ["someday"]}}"#,
    ] {
        assert!(
            serde_json::from_str::<ActivityPattern>(unreadable).is_err(),
            "{unreadable}"
        );
    }
    assert!("Europe/Warsow".parse::<Zone>().is_err());
}
