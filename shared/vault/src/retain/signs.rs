//! Signs of life: runs that prove that time went by.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use mailkeep_model::retention::MAX_SILENCE_DAYS;

use crate::error::VaultError;
use crate::names;
use crate::vault::Vault;

impl Vault {
    /// Times of runs, so few of them that nothing is read in vain: no two neighbours are farther apart
    /// than need be. Names alone prove nothing, they can be forged without a key; so each run's record is
    /// opened.
    pub(crate) async fn signs_of_life(
        &self,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<DateTime<Utc>>, VaultError> {
        let mut days: Vec<(NaiveDate, String)> = self
            .run_days()
            .await?
            .into_iter()
            .filter_map(|prefix| {
                let day = prefix.strip_prefix(names::RUNS)?.strip_suffix('/')?;
                Some((day.parse::<NaiveDate>().ok()?, prefix))
            })
            .filter(|(day, _)| since.is_none_or(|since| *day >= since.date_naive()))
            .collect();
        days.sort();
        let mut signs = vec![];
        for prefix in chain(&days) {
            for key in names::list(&*self.inner.ctx.store, prefix).await? {
                match self.read_run(&key).await {
                    Ok(run) => {
                        signs.push(run.started_at);
                        break;
                    }
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => tracing::warn!(%error, "a run record cannot be read"),
                }
            }
        }
        Ok(signs)
    }
}

/// From day to day in the longest steps that are no silence.
fn chain(days: &[(NaiveDate, String)]) -> impl Iterator<Item = &str> {
    let step = TimeDelta::days(i64::from(MAX_SILENCE_DAYS) - 1);
    let mut next = 0;
    std::iter::from_fn(move || {
        let (day, prefix) = days.get(next)?;
        let reachable = days.partition_point(|(other, _)| *other - *day <= step);
        next = reachable.saturating_sub(1).max(next + 1);
        Some(prefix.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_days_make_the_chain_and_the_last_one_is_among_them() {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let days = |numbers: &[i64]| -> Vec<(NaiveDate, String)> {
            numbers
                .iter()
                .map(|n| (start + TimeDelta::days(*n), n.to_string()))
                .collect()
        };
        let daily = days(&(0..100).collect::<Vec<_>>());
        assert_eq!(
            chain(&daily).collect::<Vec<_>>(),
            ["0", "30", "60", "90", "99"]
        );
        let gaps = days(&[0, 10, 40, 100, 101]);
        assert_eq!(
            chain(&gaps).collect::<Vec<_>>(),
            ["0", "10", "40", "100", "101"]
        );
        assert_eq!(chain(&[]).count(), 0);
    }
}
