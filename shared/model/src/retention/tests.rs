use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;

fn day(days: i64) -> DateTime<Utc> {
    // A Monday at noon.
    DateTime::from_timestamp(1_735_560_000, 0).unwrap() + TimeDelta::days(days)
}

fn whole(sequence: u64, at: DateTime<Utc>) -> Moment {
    Moment {
        sequence,
        at,
        is_whole: true,
    }
}

fn policy(keep_days: u32) -> RetentionPolicy {
    RetentionPolicy {
        keep_days: Some(keep_days),
        ..RetentionPolicy::default()
    }
}

fn ended(from: u64, end: u64) -> VersionSpan {
    VersionSpan {
        from,
        end: Some(end),
        newer_versions: 1,
        item_is_present: true,
        is_held: false,
    }
}

#[test]
fn the_default_keeps_everything() {
    let rules = RetentionRules::new(RetentionPolicy::default(), &[whole(1, day(0))], day(9999));
    assert_eq!(rules.decide(&ended(1, 1)), Decision::Keep(Reason::Forever));
    assert!(rules.promises(1));
}

#[test]
fn a_version_goes_so_many_days_after_its_end_not_after_its_birth() {
    let history = [whole(1, day(0)), whole(2, day(100))];
    let at = |now| RetentionRules::new(policy(30), &history, now).decide(&ended(1, 2));
    assert_eq!(at(day(130)), Decision::Keep(Reason::Recent));
    assert_eq!(at(day(131)), Decision::Drop);
}

#[test]
fn current_held_and_newest_versions_stay() {
    let history = [whole(1, day(0)), whole(2, day(1))];
    let few = RetentionPolicy {
        min_versions: 2,
        ..policy(0)
    };
    let rules = RetentionRules::new(few, &history, day(50));
    let current = VersionSpan {
        end: None,
        ..ended(1, 2)
    };
    let held = VersionSpan {
        is_held: true,
        newer_versions: 9,
        ..ended(1, 2)
    };
    let older = VersionSpan {
        newer_versions: 2,
        ..ended(1, 2)
    };
    let removed = VersionSpan {
        newer_versions: 0,
        item_is_present: false,
        ..ended(1, 2)
    };
    assert_eq!(rules.decide(&current), Decision::Keep(Reason::Current));
    assert_eq!(rules.decide(&held), Decision::Keep(Reason::Held));
    assert_eq!(
        rules.decide(&ended(1, 2)),
        Decision::Keep(Reason::MinVersions)
    );
    assert_eq!(rules.decide(&older), Decision::Drop);
    assert_eq!(rules.decide(&removed), Decision::Drop);
}

#[test]
fn an_end_that_nobody_can_date_keeps() {
    let rules = RetentionRules::new(policy(0), &[whole(1, day(0))], day(50));
    assert_eq!(rules.decide(&ended(1, 2)), Decision::Keep(Reason::Unknown));
}

#[test]
fn the_first_run_of_each_day_stays() {
    let rule = PointRule {
        daily: Some(3),
        ..PointRule::default()
    };
    let history: Vec<Moment> = (0..40)
        .map(|n| whole(n, day(0) + TimeDelta::hours(i64::try_from(n).unwrap() * 6)))
        .collect();
    let now = history[39].at;
    // The times of day are 12, 18, 0, 6: the first of each day is the one at 0.
    assert_eq!(
        RestorePoints::choose(&rule, &history, now).sequences(),
        [30, 34, 38]
    );
}

#[test]
fn a_thousand_snapshots_more_change_nothing() {
    let rule = PointRule {
        hourly: Some(2),
        weekly: Some(60),
        monthly: Some(400),
        ..PointRule::default()
    };
    let mut history: Vec<Moment> = (0..100)
        .map(|n| whole(n + 1, day(4 * n.cast_signed())))
        .collect();
    let before = RestorePoints::choose(&rule, &history, day(400));
    history.extend((0..1000).map(|n| whole(101 + n, day(400))));
    let after = RestorePoints::choose(&rule, &history, day(400));
    assert!(
        before
            .sequences()
            .iter()
            .all(|it| after.sequences().contains(it))
    );
}

#[test]
fn a_commit_from_the_future_does_not_stand_in_for_real_ones() {
    let rule = PointRule {
        daily: Some(90),
        ..PointRule::default()
    };
    // Somebody forges one commit for each of the next days.
    let forged = (0..5_u64).map(|n| whole(n + 1, day(n.cast_signed() + 1)));
    let real = (0..5_u64).map(|n| whole(n + 6, day(n.cast_signed() + 1)));
    let history: Vec<Moment> = forged.chain(real).collect();
    let kept = RestorePoints::choose(&rule, &history, day(6));
    assert!((7..=10).all(|it| kept.sequences().contains(&it)));
}

#[test]
fn a_backdated_commit_does_not_make_versions_older() {
    let mut history = vec![whole(1, day(0)), whole(2, day(100))];
    history.push(whole(3, day(-5000)));
    let rules = RetentionRules::new(policy(30), &history, day(101));
    assert_eq!(rules.decide(&ended(1, 3)), Decision::Keep(Reason::Recent));
}

#[test]
fn a_clock_is_believed_as_far_as_history_leads_to_it() {
    let signs: Vec<_> = (0..10).map(|n| day(20 * n)).collect();
    let good = TrustedNow::follow(day(0), signs.clone(), day(200));
    assert_eq!((good.at, good.silence), (day(200), None));
    let jumped = TrustedNow::follow(day(0), signs.clone(), day(565));
    assert_eq!(jumped.at, day(180));
    assert_eq!(jumped.silence, Some((day(180), day(565))));
    // Backups that ran with the wrong clock prove nothing.
    let poisoned = signs.iter().copied().chain([day(560), day(561), day(562)]);
    assert_eq!(
        TrustedNow::follow(day(0), poisoned.clone(), day(563)).at,
        day(180)
    );
    // Nor once the clock is right again.
    assert_eq!(
        TrustedNow::follow(day(0), poisoned.clone(), day(185)).at,
        day(185)
    );
    // A person who confirms moves the anchor.
    assert_eq!(
        TrustedNow::follow(day(562), poisoned, day(563)).at,
        day(563)
    );
    // A clock that went back keeps more.
    assert_eq!(TrustedNow::follow(day(100), signs, day(5)).at, day(5));
}

/// A mailbox of a few items that change and vanish: versions by item.
fn spans(events: &[(u8, bool)]) -> Vec<Vec<(u64, Option<u64>)>> {
    let mut items: BTreeMap<u8, Vec<(u64, Option<u64>)>> = BTreeMap::new();
    for (sequence, (item, is_removal)) in (1..).zip(events) {
        let versions = items.entry(*item).or_default();
        if let Some((_, end @ None)) = versions.last_mut() {
            *end = Some(sequence);
        }
        if !is_removal {
            versions.push((sequence, None));
        }
    }
    items.into_values().collect()
}

fn dropped(rules: &RetentionRules, items: &[Vec<(u64, Option<u64>)>]) -> Vec<(u64, u64)> {
    let mut gone = vec![];
    for versions in items {
        let item_is_present = versions.last().is_some_and(|(_, end)| end.is_none());
        for (newer, (from, end)) in versions.iter().rev().enumerate() {
            let span = VersionSpan {
                from: *from,
                end: *end,
                newer_versions: u32::try_from(newer).unwrap(),
                item_is_present,
                is_held: false,
            };
            if rules.decide(&span) == Decision::Drop {
                gone.push((*from, end.unwrap()));
            }
        }
    }
    gone
}

fn policies() -> impl Strategy<Value = RetentionPolicy> {
    let days = || proptest::option::of(0..200_u32);
    (days(), 0..4_u32, days(), days(), days(), days(), days()).prop_map(
        |(keep_days, min_versions, hourly, daily, weekly, monthly, yearly)| RetentionPolicy {
            keep_days,
            min_versions,
            points: PointRule {
                hourly,
                daily,
                weekly,
                monthly,
                yearly,
            },
        },
    )
}

/// Events of a history: item, removal, hours since the one before (a bad clock goes back), whole.
fn histories() -> impl Strategy<Value = Vec<(u8, bool, i64, bool)>> {
    let hours = prop_oneof![8 => 0..200_i64, 1 => -3000..3000_i64];
    proptest::collection::vec((0..6_u8, any::<bool>(), hours, any::<bool>()), 1..120)
}

fn moments(events: &[(u8, bool, i64, bool)]) -> Vec<Moment> {
    let mut at = day(0);
    (1..)
        .zip(events)
        .map(|(sequence, (_, _, hours, is_whole))| {
            at += TimeDelta::hours(*hours);
            Moment {
                sequence,
                at,
                is_whole: *is_whole,
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn a_promised_point_in_time_loses_nothing(
        policy in policies(),
        events in histories(),
        age in 0..400_i64,
    ) {
        let history = moments(&events);
        let newest = history.iter().map(|it| it.at).max().unwrap();
        let rules = RetentionRules::new(policy, &history, newest + TimeDelta::days(age));
        let items = spans(&events.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>());
        for (from, end) in dropped(&rules, &items) {
            for sequence in from..end {
                prop_assert!(!rules.promises(sequence), "{sequence} shows {from}..{end}");
            }
        }
    }

    #[test]
    fn every_commit_within_the_days_is_promised(
        policy in policies(),
        events in histories(),
        age in 0..400_i64,
    ) {
        let history = moments(&events);
        let now = history.iter().map(|it| it.at).max().unwrap() + TimeDelta::days(age);
        let rules = RetentionRules::new(policy, &history, now);
        for moment in &history {
            let days = u32::try_from((now - moment.at).num_days()).unwrap();
            if policy.keep_days.is_none_or(|keep| days < keep) {
                prop_assert!(rules.promises(moment.sequence));
            }
        }
        prop_assert!(rules.promises(history.last().unwrap().sequence));
        for kept in rules.points().sequences() {
            prop_assert!(rules.promises(*kept));
        }
    }

    /// Whatever somebody appends, however it is dated, what stayed without it stays.
    #[test]
    fn commits_behind_the_newest_take_nothing_away(
        policy in policies(),
        events in histories(),
        more in histories(),
        age in 0..400_i64,
    ) {
        let policy = RetentionPolicy { min_versions: 0, ..policy };
        let all: Vec<_> = events.iter().chain(&more).copied().collect();
        let history = moments(&all);
        let (before, _) = history.split_at(events.len());
        let now = history.iter().map(|it| it.at).max().unwrap() + TimeDelta::days(age);
        let with = RetentionRules::new(policy, &history, now);
        let without = RetentionRules::new(policy, before, now);
        for kept in without.points().sequences() {
            prop_assert!(with.points().sequences().contains(kept));
        }
        // Versions that had ended already. How many versions followed them does not matter either.
        let before = spans(&events.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>());
        let gone = dropped(&without, &before);
        let after = spans(&all.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>());
        let newest = u64::try_from(events.len()).unwrap();
        for (from, end) in dropped(&with, &after) {
            prop_assert!(end > newest || gone.contains(&(from, end)));
        }
    }

    #[test]
    fn time_that_passes_brings_nothing_back_and_a_longer_policy_drops_less(
        policy in policies(),
        events in histories(),
        age in 0..400_i64,
        later in 0..400_i64,
    ) {
        let history = moments(&events);
        let now = history.iter().map(|it| it.at).max().unwrap() + TimeDelta::days(age);
        let items = spans(&events.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>());
        let first = dropped(&RetentionRules::new(policy, &history, now), &items);
        let then = now + TimeDelta::days(later);
        let second = dropped(&RetentionRules::new(policy, &history, then), &items);
        prop_assert!(first.iter().all(|span| second.contains(span)));
        let longer = RetentionPolicy { keep_days: policy.keep_days.map(|days| days + 10), ..policy };
        let fewer = dropped(&RetentionRules::new(longer, &history, now), &items);
        prop_assert!(fewer.iter().all(|span| first.contains(span)));
    }
}
