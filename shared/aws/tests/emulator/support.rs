//! The emulator, and what a test needs in it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use chrono::{DateTime, Utc};
use mailkeep_ports::Clock;

/// The variable with the emulator's address.
pub(crate) const ENDPOINT: &str = "MAILKEEP_TEST_AWS_ENDPOINT";

/// The emulator's address.
pub(crate) fn endpoint() -> String {
    std::env::var(ENDPOINT)
        .unwrap_or_else(|_| panic!("{ENDPOINT} is not set; `./check aws` starts an emulator"))
}

/// How to reach the emulator.
pub(crate) async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint())
        .load()
        .await
}

/// A name that no other test, and no earlier run on the same emulator, has used.
pub(crate) fn fresh_name(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{what}-{}-{number}", std::process::id())
}

/// Waiting for what happens on the emulator by itself, for example the end of a lock.
pub(crate) struct RealTime;

#[async_trait]
impl Clock for RealTime {
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator's time cannot be set"
    )]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
