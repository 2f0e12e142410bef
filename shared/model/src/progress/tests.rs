use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn remaining(items: u64, speed: f64) -> Remaining {
    Remaining {
        items,
        speed,
        requests_per_item: 1.0,
        limits: None,
        throttled_for: Duration::ZERO,
    }
}

fn done(items: u64, bytes: u64) -> Done {
    Done { items, bytes }
}

#[test]
fn the_average_counts_from_the_start_and_the_recent_speed_forgets() {
    let mut meter = Meter::default();
    meter.sample(seconds(100), done(0, 0));
    for second in 1..=60 {
        meter.sample(seconds(100 + second), done(second * 100, second * 1_000));
    }
    assert!((meter.average().items - 100.0).abs() < 0.01);
    assert!((meter.recent().items - 100.0).abs() < 0.01);
    for second in 1..=60 {
        meter.sample(seconds(160 + second), done(6_000 + second * 10, 60_000));
    }
    let (average, recent) = (meter.average(), meter.recent());
    assert!((average.items - 55.0).abs() < 0.01, "{average:?}");
    assert!((10.0..25.0).contains(&recent.items), "{recent:?}");
    assert!(recent.bytes < 200.0 && average.bytes > 499.0);
    assert_eq!(meter.worked(), seconds(120));
}

#[test]
fn time_at_rest_counts_for_no_speed() {
    let mut meter = Meter::default();
    meter.sample(seconds(0), done(0, 0));
    meter.sample(seconds(10), done(100, 1_000));
    meter.rest(seconds(10));
    meter.sample(seconds(4_000), done(100, 1_000));
    meter.sample(seconds(4_010), done(200, 2_000));
    assert_eq!(meter.worked(), seconds(20));
    assert!((meter.average().items - 10.0).abs() < 0.01);
    assert!((meter.recent().items - 10.0).abs() < 0.01);
}

#[test]
fn before_anything_is_known_nothing_is_said() {
    let meter = Meter::default();
    assert_eq!(meter.average(), Speed::default());
    assert_eq!(meter.recent(), Speed::default());
    assert_eq!(remaining(5, 0.0).time_left(), None);
    assert_eq!(remaining(0, 0.0).time_left(), Some(Duration::ZERO));
    assert_eq!(Spent::default().bottleneck(), None);
}

/// A burst of 9,000 requests in two minutes, 31,000 more to come: by its speed that takes seven
/// minutes, by the source's limit half an hour.
#[test]
fn the_sources_limit_is_in_the_estimate() {
    let mut window = RequestWindow::new(SourceLimits::GRAPH);
    for second in 0..=120 {
        window.sample(seconds(second), second * 75);
    }
    assert_eq!(window.left(seconds(120)), 1_000);
    let mut left = remaining(31_000, 75.0);
    assert!(left.time_left().unwrap() < seconds(420));
    left.limits = Some((window.limits(), window.left(seconds(120))));
    assert_eq!(left.time_left(), Some(seconds(1_800)));
    left.throttled_for = seconds(300);
    assert_eq!(left.time_left(), Some(seconds(2_100)));
    // Ten minutes later the burst no longer counts.
    window.sample(seconds(800), 9_000);
    assert_eq!(window.left(seconds(800)), 10_000);
}

#[test]
fn a_run_takes_as_long_as_its_longest_mailbox_and_as_all_of_them_side_by_side() {
    let minutes = |minutes: u64| seconds(minutes * 60);
    let at_work = [minutes(10), minutes(2)];
    assert_eq!(run_time_left(&at_work, 0, None, 2), Some(minutes(10)));
    assert_eq!(
        run_time_left(&at_work, 1, None, 2),
        None,
        "nobody knows how long one takes"
    );
    // 12 minutes of work and 8 times 3 more, in two rows.
    assert_eq!(
        run_time_left(&at_work, 8, Some(minutes(3)), 2),
        Some(minutes(18))
    );
    assert_eq!(
        run_time_left(&at_work, 1, Some(minutes(1)), 2),
        Some(minutes(10))
    );
    assert_eq!(run_time_left(&[], u64::MAX, Some(minutes(1)), 1), None);
}

#[test]
fn the_bottleneck_is_where_the_time_goes() {
    for what in Bottleneck::ALL {
        let mut spent = Spent {
            throttled: seconds(10),
            source: seconds(10),
            cpu: seconds(10),
            target: seconds(10),
            schedule: seconds(10),
        };
        let field = match what {
            Bottleneck::SourceThrottling => &mut spent.throttled,
            Bottleneck::Source => &mut spent.source,
            Bottleneck::Cpu => &mut spent.cpu,
            Bottleneck::Target => &mut spent.target,
            Bottleneck::Schedule => &mut spent.schedule,
        };
        *field = seconds(11);
        assert_eq!(spent.bottleneck(), Some(what));
        assert_eq!(spent.plus(spent).since(spent), spent);
        assert!(!what.words().is_empty());
    }
}

proptest! {
    /// Whatever is measured: speeds are finite, and the average is all work by all time.
    #[test]
    fn speeds_are_finite_and_the_average_is_all_by_all(
        steps in prop::collection::vec((0u64..5_000, 0u64..1_000_000, prop::bool::weighted(0.1)), 1..100)
    ) {
        let mut meter = Meter::default();
        let (mut now, mut all, mut worked) = (Duration::ZERO, Done::default(), Duration::ZERO);
        let mut is_resting = true;
        for (millis, amount, rests) in steps {
            let step = Duration::from_millis(millis);
            now += step;
            if !is_resting {
                worked += step;
            }
            all = done(all.items + amount % 100, all.bytes + amount);
            meter.sample(now, all);
            is_resting = rests;
            if rests {
                meter.rest(now);
            }
        }
        prop_assert_eq!(meter.worked(), worked);
        prop_assert_eq!(meter.done(), all);
        let (average, recent) = (meter.average(), meter.recent());
        prop_assert!(average.items.is_finite() && recent.items.is_finite());
        prop_assert!(recent.items >= 0.0 && recent.bytes >= 0.0);
        if !worked.is_zero() {
            let items = average.items * worked.as_secs_f64();
            let difference = (items - f64::from(u32::try_from(all.items).unwrap())).abs();
            prop_assert!(difference < 0.001 + items * 1e-9);
        }
    }

    /// The recent speed never leaves what was measured.
    #[test]
    fn the_recent_speed_lies_between_the_slowest_and_the_fastest_step(
        speeds in prop::collection::vec(1u64..1_000, 1..60)
    ) {
        let mut meter = Meter::default();
        meter.sample(Duration::ZERO, Done::default());
        let mut items = 0;
        for (second, speed) in speeds.iter().enumerate() {
            items += speed;
            meter.sample(seconds(second as u64 + 1), done(items, 0));
        }
        let bound = |speed: Option<&u64>| f64::from(u32::try_from(*speed.unwrap()).unwrap());
        let recent = meter.recent().items;
        prop_assert!(recent >= bound(speeds.iter().min()) - 1e-6);
        prop_assert!(recent <= bound(speeds.iter().max()) + 1e-6);
    }

    /// More items, a longer wait or fewer requests left never make it shorter.
    #[test]
    fn more_to_do_never_takes_less_time(
        items in 1u64..1_000_000,
        more in 0u64..1_000_000,
        speed in 0.1f64..1_000.0,
        per_item in 0.0f64..10.0,
        requests_left in 0u64..10_000,
        fewer in 0u64..10_000,
        throttled in 0u64..10_000,
    ) {
        let base = Remaining {
            items,
            speed,
            requests_per_item: per_item,
            limits: Some((SourceLimits::GRAPH, requests_left)),
            throttled_for: Duration::ZERO,
        };
        let time = base.time_left().unwrap_or(Duration::MAX);
        let worse = [
            Remaining { items: items + more, ..base },
            Remaining { throttled_for: seconds(throttled), ..base },
            Remaining { limits: Some((SourceLimits::GRAPH, requests_left.saturating_sub(fewer))), ..base },
            Remaining { requests_per_item: per_item * 2.0, ..base },
            Remaining { speed: speed / 2.0, ..base },
        ];
        for other in worse {
            prop_assert!(other.time_left().unwrap_or(Duration::MAX) >= time);
        }
        let without = Remaining { limits: None, ..base };
        prop_assert!(without.time_left().unwrap_or(Duration::MAX) <= time);
    }

    /// What a window says to be left never lets more than the limit into any span.
    #[test]
    fn whoever_keeps_to_what_is_left_keeps_to_the_limit(
        steps in prop::collection::vec((0u64..90, 0u64..50), 1..200)
    ) {
        let limits = SourceLimits { requests: 100, span: seconds(600) };
        let mut window = RequestWindow::new(limits);
        let mut sent: Vec<(Duration, u64)> = vec![];
        let (mut now, mut total) = (Duration::ZERO, 0);
        for (pause, wanted) in steps {
            now += seconds(pause);
            window.sample(now, total);
            let amount = wanted.min(window.left(now));
            total += amount;
            sent.push((now, amount));
            window.sample(now, total);
            let within: u64 = sent
                .iter()
                .filter(|(at, _)| *at + limits.span > now)
                .map(|(_, amount)| amount)
                .sum();
            prop_assert!(within <= limits.requests, "{} at {:?}", within, now);
            prop_assert!(window.left(now) <= limits.requests - within);
        }
    }
}
