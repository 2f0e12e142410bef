//! One clock for both sides.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use exchange_sim::{START_UNIX_MILLIS, SimClock};
use mailkeep_ports::Clock;

/// The simulated tenant's clock as mailkeep's: who sleeps moves the tenant's time, so that an hour
/// of waiting costs nothing and the tenant sees it pass.
#[derive(Clone, Debug)]
pub struct TenantClock(pub SimClock);

#[async_trait]
impl Clock for TenantClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        let millis = self.0.unix_millis() - START_UNIX_MILLIS;
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    async fn sleep(&self, duration: Duration) {
        // A tenth of a millisecond would otherwise never pass.
        self.0.advance(duration.max(Duration::from_millis(1)));
        tokio::task::yield_now().await;
    }
}
