//! Time and sleep.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Wall clock and sleep. Wall time may jump in both directions; nothing may lose data when it does.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns when `duration` has passed.
    async fn sleep(&self, duration: Duration);
}
