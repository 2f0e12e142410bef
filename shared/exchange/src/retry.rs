//! How long to wait before another attempt.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::{Action, FailureClass};
use mailkeep_ports::{Clock, Rng};
use reqwest::header::HeaderMap;

use crate::SourceError;

/// First waiting time without advice from the service.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Longest waiting time without advice from the service.
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// Advice beyond this is cut: nobody waits longer without asking again.
const LONGEST_ADVICE: Duration = Duration::from_secs(3600);

/// Answers that ask to wait are obeyed so often, beside the attempts.
const MOST_THROTTLES: u32 = 24;

/// Counts attempts and waits between them: exponential, with jitter, within bounds.
pub(crate) struct Backoff {
    attempts_left: u32,
    throttles_left: u32,
    failures: u32,
}

impl Backoff {
    /// At most `attempts` attempts in all.
    pub(crate) fn new(attempts: u32) -> Self {
        Self {
            attempts_left: attempts.saturating_sub(1),
            throttles_left: MOST_THROTTLES,
            failures: 0,
        }
    }

    /// How long to wait after `error`; the error itself when there shall be no other attempt.
    pub(crate) fn next(
        &mut self,
        error: SourceError,
        rng: &dyn Rng,
    ) -> Result<Duration, SourceError> {
        let left = match error.class {
            FailureClass::Throttled => &mut self.throttles_left,
            _ => &mut self.attempts_left,
        };
        if !is_retryable(error.class) || *left == 0 {
            return Err(error);
        }
        *left -= 1;
        let base = FIRST_WAIT
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_WAIT);
        self.failures += 1;
        // Half to the whole of the base, so that callers that failed together come back apart.
        let share = u32::try_from(rng.next_u64() % 500).unwrap_or(0) + 500;
        let own = base * share / 1000;
        Ok(error
            .retry_after
            .map_or(own, |advice| advice.max(Duration::from_millis(100))))
    }

    /// Waits after `error`, or gives it back when there shall be no other attempt.
    pub(crate) async fn wait(
        &mut self,
        error: SourceError,
        clock: &dyn Clock,
        rng: &dyn Rng,
    ) -> Result<(), SourceError> {
        let wait = self.next(error, rng)?;
        clock.sleep(wait).await;
        Ok(())
    }
}

/// True when the same call may succeed by itself later.
pub(crate) fn is_retryable(class: FailureClass) -> bool {
    class.action() == Action::Retry
}

/// The service's advice, in any of its forms: seconds (whole or with a fraction), milliseconds in
/// a header of their own, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    for name in ["x-ms-retry-after-ms", "retry-after-ms"] {
        if let Some(milliseconds) = text(name).and_then(|text| text.trim().parse::<f64>().ok()) {
            return seconds(milliseconds / 1000.0);
        }
    }
    parse_retry_after(text("retry-after")?, now)
}

/// Reads a `Retry-After` value.
pub(crate) fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    let wait = date.to_utc() - now;
    Some(wait.to_std().unwrap_or_default().min(LONGEST_ADVICE))
}

fn seconds(number: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(number).ok()?;
    Some(wait.min(LONGEST_ADVICE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    struct Fixed(u8);
    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn all_forms_of_advice() {
        for (text, millis) in [
            ("7", Some(7000)),
            ("2.128", Some(2128)),
            (" 0 ", Some(0)),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30_000)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("999999999", Some(3_600_000)),
            ("-3", None),
            ("NaN", None),
            ("soon", None),
        ] {
            let wait = parse_retry_after(text, now()).map(|wait| wait.as_millis());
            assert_eq!(wait, millis, "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-retry-after-ms", "1500".parse().unwrap());
        headers.insert("retry-after", "9".parse().unwrap());
        assert_eq!(
            retry_after(&headers, now()),
            Some(Duration::from_millis(1500))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_bounded(text in ".{0,40}") {
            if let Some(wait) = parse_retry_after(&text, now()) {
                prop_assert!(wait <= LONGEST_ADVICE);
            }
        }
    }

    #[test]
    fn waits_grow_and_attempts_end() {
        let error = SourceError::new(FailureClass::Transient, "x", "y", "z");
        let mut backoff = Backoff::new(8);
        let mut waits = vec![];
        while let Ok(wait) = backoff.next(error.clone(), &Fixed(0)) {
            waits.push(wait.as_millis());
        }
        assert_eq!(waits.len(), 7);
        assert!(waits.is_sorted());
        assert!(*waits.last().unwrap() <= 64_000);
        let throttled = SourceError::new(FailureClass::Throttled, "x", "y", "z");
        let mut backoff = Backoff::new(1);
        let waits = (0..100).filter(|_| backoff.next(throttled.clone(), &Fixed(0)).is_ok());
        assert_eq!(waits.count(), 24, "throttling is waited out, within bounds");
        let permanent = SourceError::new(FailureClass::ItemPermanent, "x", "y", "z");
        assert!(Backoff::new(8).next(permanent, &Fixed(0)).is_err());
    }
}
