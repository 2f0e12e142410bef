//! The schedule against an oracle that goes through time minute by minute and looks at the wall
//! clock, in all zones that have transitions, from 1970 to 2100.
//!
//! The oracle shares no code with the schedule but the definitions: it knows a zone only by what the
//! clock shows at a moment, and days only by asking of each whether it is one.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc,
};
use proptest::prelude::*;

use super::*;

const WARM_UP_DAYS: i64 = 4;
const SPAN_DAYS: i64 = 3;

/// Moments one minute apart, with the wall clock of a zone.
struct Clock {
    moments: Vec<DateTime<Utc>>,
    shows: Vec<NaiveDateTime>,
}

impl Clock {
    fn new(zone: Zone, from: DateTime<Utc>, days: i64) -> Self {
        let zone: chrono_tz::Tz = zone.name().parse().unwrap();
        let moments: Vec<_> = (0..days * 1440)
            .map(|m| from + TimeDelta::minutes(m))
            .collect();
        let shows = moments
            .iter()
            .map(|at| zone.from_utc_datetime(&at.naive_utc()).naive_local());
        Self {
            shows: shows.collect(),
            moments,
        }
    }

    fn days(&self) -> impl Iterator<Item = NaiveDate> {
        let first = self.shows[0].date() - Days::new(3);
        first
            .iter_days()
            .take(usize::try_from(WARM_UP_DAYS + SPAN_DAYS).unwrap() + 10)
    }

    /// Marks the minutes of a period.
    fn mark(&self, from: NaiveDateTime, to: NaiveDateTime, marks: &mut [bool]) {
        let first = |limit| self.shows.iter().position(|shown| *shown >= limit);
        let start = first(from).unwrap_or(self.shows.len());
        let end = first(to).unwrap_or(self.shows.len());
        let (mut start, mut end) = (start, end);
        if start == end && start > 0 && start < self.shows.len() {
            // Wholly in a gap: as if the clock had run on.
            let before = start - 1;
            let later = |local: NaiveDateTime| {
                let moment = self.moments[before] + (local - self.shows[before]);
                self.moments
                    .iter()
                    .position(|at| *at >= moment)
                    .unwrap_or(self.moments.len())
            };
            (start, end) = (later(from), later(to));
        }
        marks[start..end].fill(true);
    }

    /// Unmarks the minutes of a blackout.
    fn unmark(&self, from: NaiveDateTime, to: NaiveDateTime, marks: &mut [bool]) {
        let start = self.shows.iter().position(|shown| *shown >= from);
        let last = self.shows.iter().rposition(|shown| *shown < to);
        if let (Some(start), Some(last)) = (start, last)
            && start <= last
        {
            marks[start..=last].fill(false);
        }
    }
}

fn local(day: NaiveDate, hours: &Hours) -> (NaiveDateTime, NaiveDateTime) {
    let minutes = |time: Option<TimeOfDay>| {
        let text = time.map_or("00:00".to_owned(), |time| time.to_string());
        let (hour, minute) = text.split_once(':').unwrap();
        hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
    };
    let (from, mut to) = (minutes(hours.from), minutes(hours.to));
    if to <= from {
        to += 1440;
    }
    let midnight = day.and_hms_opt(0, 0, 0).unwrap();
    (
        midnight + TimeDelta::minutes(from),
        midnight + TimeDelta::minutes(to),
    )
}

fn week_number(day: NaiveDate) -> i64 {
    // 1969-12-29 was a Monday.
    let monday = NaiveDate::from_ymd_opt(1969, 12, 29).unwrap();
    (day - monday).num_days().div_euclid(7)
}

fn month_number(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month())
}

fn is_month_day(day: NaiveDate, on: MonthDay) -> bool {
    let is_last = (day + Days::new(1)).month() != day.month();
    match on {
        MonthDay::Day(number) => day.day() == number || (is_last && day.day() < number),
        MonthDay::Nth {
            which,
            day: weekday,
        } => {
            let nth = (day.day() - 1) / 7;
            Day::of(day) == weekday
                && match which {
                    Ordinal::First => nth == 0,
                    Ordinal::Second => nth == 1,
                    Ordinal::Third => nth == 2,
                    Ordinal::Fourth => nth == 3,
                    Ordinal::Last => (day + Days::new(7)).month() != day.month(),
                }
        }
    }
}

/// The hours of the pattern on a day, if it is one of its days.
fn hours_on(pattern: &ActivityPattern, day: NaiveDate) -> Option<Hours> {
    let (range, hours) = match pattern {
        ActivityPattern::Custom(_) => return None,
        ActivityPattern::Daily(daily) => (daily.range, daily.hours),
        ActivityPattern::Weekly(weekly) => (weekly.range, weekly.hours),
        ActivityPattern::Monthly(monthly) => (monthly.range, monthly.hours),
    };
    let start = range.start.unwrap_or_default();
    if day < start || range.end.is_some_and(|end| day > end) {
        return None;
    }
    let is_one = match pattern {
        ActivityPattern::Custom(_) => false,
        ActivityPattern::Daily(daily) if daily.working_days => {
            !matches!(Day::of(day), Day::Saturday | Day::Sunday)
        }
        ActivityPattern::Daily(daily) => {
            (day - start).num_days() % i64::from(daily.every_days) == 0
        }
        ActivityPattern::Weekly(weekly) => {
            let passed = week_number(day) - week_number(start);
            weekly.days.contains(&Day::of(day)) && passed % i64::from(weekly.every_weeks) == 0
        }
        ActivityPattern::Monthly(monthly) => {
            let passed = month_number(day) - month_number(start);
            is_month_day(day, monthly.on) && passed % i64::from(monthly.every_months) == 0
        }
    };
    is_one.then_some(hours)
}

/// Compares every minute of some days from `from` on.
fn compare(zone: Zone, pattern: &ActivityPattern, blackouts: &[Blackout], from: DateTime<Utc>) {
    let begin = from - TimeDelta::days(WARM_UP_DAYS);
    // Some more days, so that a blackout is seen to its end.
    let all_days = WARM_UP_DAYS + SPAN_DAYS + 3;
    let clock = Clock::new(zone, begin, all_days);
    let mut expected = vec![false; clock.moments.len()];
    if let ActivityPattern::Custom(custom) = pattern {
        for period in &custom.periods {
            clock.mark(period.start, period.end, &mut expected);
        }
    }
    for day in clock.days() {
        if let Some(hours) = hours_on(pattern, day) {
            let (from, to) = local(day, &hours);
            clock.mark(from, to, &mut expected);
        }
    }
    for blackout in blackouts {
        let clock = Clock::new(blackout.zone, begin, all_days);
        for day in clock
            .days()
            .filter(|day| blackout.days.contains(&Day::of(*day)))
        {
            let (from, to) = local(day, &blackout.hours);
            clock.unmark(from, to, &mut expected);
        }
    }

    let schedule = Schedule::new(zone, Some(pattern), blackouts).unwrap();
    let until = from + TimeDelta::days(SPAN_DAYS);
    let windows: Vec<_> = schedule
        .windows_after(from)
        .take_while(|window| window.start < until)
        .collect();
    for pair in windows.windows(2) {
        assert!(pair[0].end.unwrap() < pair[1].start, "{pair:?} touch");
    }
    assert!(
        windows
            .iter()
            .all(|window| window.end.is_none_or(|end| window.start < end))
    );
    let case = || format!("{zone} {pattern:?} {blackouts:?} {windows:?}");
    for (at, expected) in clock.moments.iter().zip(&expected) {
        if *at < from || *at >= until {
            continue;
        }
        let found = windows.iter().any(|window| window.contains(*at));
        assert_eq!(found, *expected, "{at} in {}", case());
        let is_edge = windows.iter().any(|window| {
            let near = |edge: DateTime<Utc>| (edge - *at).num_minutes().abs() <= 1;
            near(window.start) || window.end.is_some_and(near)
        });
        if is_edge || at.timestamp() / 60 % 97 == 0 {
            assert_eq!(
                schedule.is_active(*at),
                *expected,
                "is_active at {at} in {}",
                case()
            );
        }
    }
}

fn offset_at(zone: chrono_tz::Tz, at: DateTime<Utc>) -> i32 {
    use chrono::Offset as _;
    zone.offset_from_utc_datetime(&at.naive_utc())
        .fix()
        .local_minus_utc()
}

/// Days of a year on which a zone's clock jumps.
fn jumps(zone: chrono_tz::Tz, years: std::ops::Range<i32>) -> Vec<DateTime<Utc>> {
    let day = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
    let (start, end) = (day(years.start), day(years.end));
    let days = (end - start).num_days();
    let moments = (0..days).map(|number| start + TimeDelta::days(number));
    moments
        .filter(|at| offset_at(zone, *at) != offset_at(zone, *at + TimeDelta::days(1)))
        .collect()
}

fn any_hours() -> impl Strategy<Value = Hours> {
    // Full and odd minutes of the hours in which clocks jump, and any others.
    let minute = prop_oneof![
        0_u32..300,
        0_u32..1440,
        (0_u32..48).prop_map(|half| half * 30)
    ];
    prop_oneof![
        1 => Just(Hours::ALL_DAY),
        6 => (minute.clone(), minute).prop_filter_map("empty", |(from, to)| {
            let time = |minutes: u32| TimeOfDay::new(minutes / 60, minutes % 60).unwrap();
            (from != to).then(|| Hours::between(time(from), time(to)))
        }),
    ]
}

fn any_days() -> impl Strategy<Value = Days7> {
    (1_u8..128).prop_map(|bits| {
        Day::ALL
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| bits >> bit & 1 == 1)
            .map(|(_, d)| d)
            .collect()
    })
}

/// A range that has its start or end near `at`, or not.
fn any_range(at: DateTime<Utc>) -> impl Strategy<Value = DateRange> {
    let today = at.date_naive();
    let end = prop_oneof![Just(None), (0_u64..5).prop_map(Some)];
    (prop_oneof![0_u64..5, 0_u64..800], end).prop_map(move |(back, ahead)| DateRange {
        start: Some((today - Days::new(back)).max(NaiveDate::default())),
        end: ahead.map(|days| today + Days::new(days)),
    })
}

fn any_pattern(at: DateTime<Utc>) -> impl Strategy<Value = ActivityPattern> {
    let minutes = -2 * 1440_i64..5 * 1440;
    let period = (minutes, 1_i64..2000).prop_map(move |(start, length)| {
        let start = at.naive_utc() + TimeDelta::minutes(start);
        let start = start.max(NaiveDateTime::default());
        Period {
            start,
            end: start + TimeDelta::minutes(length),
        }
    });
    let ordinal = prop::sample::select(vec![
        Ordinal::First,
        Ordinal::Second,
        Ordinal::Third,
        Ordinal::Fourth,
        Ordinal::Last,
    ]);
    let nth = (ordinal, prop::sample::select(Day::ALL.to_vec()))
        .prop_map(|(which, day)| MonthDay::Nth { which, day });
    // Near today, so that something happens in the days that are looked at.
    let near = (0_u64..4).prop_map(move |days| MonthDay::Day((at + Days::new(days)).day()));
    let on = prop_oneof![nth, near, (28_u32..=31).prop_map(MonthDay::Day)];
    prop_oneof![
        prop::collection::vec(period, 1..6)
            .prop_map(|periods| ActivityPattern::Custom(Custom { periods })),
        (1_u32..5, any_hours(), any_range(at)).prop_map(|(every_days, hours, range)| {
            ActivityPattern::Daily(Daily {
                every_days,
                working_days: false,
                hours,
                range,
            })
        }),
        (any_hours(), any_range(at)).prop_map(|(hours, range)| {
            ActivityPattern::Daily(Daily {
                every_days: 1,
                working_days: true,
                hours,
                range,
            })
        }),
        (1_u32..4, any_days(), any_hours(), any_range(at)).prop_map(
            |(every_weeks, days, hours, range)| {
                ActivityPattern::Weekly(Weekly {
                    every_weeks,
                    days,
                    hours,
                    range,
                })
            }
        ),
        (1_u32..4, on, any_hours(), any_range(at)).prop_map(|(every_months, on, hours, range)| {
            ActivityPattern::Monthly(Monthly {
                every_months,
                on,
                hours,
                range,
            })
        }),
    ]
}

fn any_zone() -> impl Strategy<Value = chrono_tz::Tz> {
    prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())
}

fn any_case() -> impl Strategy<Value = (chrono_tz::Tz, DateTime<Utc>)> {
    (
        any_zone(),
        1970_i32..2101,
        any::<prop::sample::Index>(),
        0_i64..1440,
    )
        .prop_map(|(zone, year, index, minute)| {
            let found = jumps(zone, year..year + 1);
            let at = if found.is_empty() {
                Utc.with_ymd_and_hms(year, 6, 1, 0, 0, 0).unwrap()
            } else {
                *index.get(&found)
            };
            let earliest = DateTime::UNIX_EPOCH + TimeDelta::days(WARM_UP_DAYS + 4);
            let at = (at - TimeDelta::days(1)).max(earliest);
            (zone, at + TimeDelta::minutes(minute))
        })
}

fn any_blackouts() -> impl Strategy<Value = Vec<Blackout>> {
    let blackout = (any_days(), any_hours(), any_zone()).prop_map(|(days, hours, zone)| Blackout {
        days,
        hours,
        zone: zone.name().parse().unwrap(),
    });
    prop::collection::vec(blackout, 0..3)
}

proptest! {
    #[test]
    fn windows_are_those_of_the_minute_by_minute_oracle(
        (zone, at, pattern, blackouts) in any_case().prop_flat_map(|(zone, at)| {
            (Just(zone), Just(at), any_pattern(at), any_blackouts())
        })
    ) {
        compare(zone.name().parse().unwrap(), &pattern, &blackouts, at);
    }

    /// The next window is the same from wherever one looks, and nothing before it is active.
    #[test]
    fn the_next_window_does_not_depend_on_where_one_looks_from(
        (zone, at, pattern) in any_case().prop_flat_map(|(zone, at)| {
            (Just(zone), Just(at), any_pattern(at))
        }),
        share in 0_i32..1000,
    ) {
        let schedule = Schedule::new(zone.name().parse().unwrap(), Some(&pattern), &[]).unwrap();
        if let Some(next) = schedule.next_window(at) {
            let between = at + (next.start - at) * share / 1000;
            prop_assert_eq!(schedule.is_active(between), between == next.start);
            prop_assert_eq!(schedule.next_window(between), Some(next));
        }
    }
}

/// Every zone at transitions of its own, with periods that meet them.
#[test]
fn every_zone_with_transitions_agrees_with_the_oracle() {
    let time = |hour, minute| TimeOfDay::new(hour, minute).unwrap();
    let shapes = [
        Hours::ALL_DAY,
        Hours::between(time(0, 15), time(0, 45)),
        Hours::between(time(1, 30), time(3, 30)),
        Hours::between(time(2, 0), time(3, 0)),
        Hours::between(time(22, 0), time(2, 30)),
        Hours::between(time(23, 30), time(0, 0)),
    ];
    let mut seen = 0_usize;
    for (number, zone) in chrono_tz::TZ_VARIANTS.into_iter().enumerate() {
        // A different quarter of the years for each zone.
        let start = 1971 + i32::try_from(number % 4).unwrap() * 32;
        let found = jumps(zone, start..start + 32);
        let Some(at) = found.get(number % found.len().max(1)) else {
            continue;
        };
        seen += 1;
        let days = Days7::from([Day::of(at.date_naive()), Day::Sunday]);
        let hours = shapes[number % shapes.len()];
        let pattern = ActivityPattern::Weekly(Weekly {
            days,
            hours,
            ..Weekly::default()
        });
        compare(
            zone.name().parse().unwrap(),
            &pattern,
            &[],
            *at - TimeDelta::days(1),
        );
    }
    assert!(seen > 200, "only {seen} zones have transitions");
}
