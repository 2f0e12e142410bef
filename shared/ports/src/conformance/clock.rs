//! The suite of [`Clock`].

use std::time::Duration;

use super::{Broken, check};
use crate::Clock;

/// Every clause of the contract of [`Clock`]. Takes about a tenth of a second of the clock's time.
///
/// # Errors
/// The first clause that does not hold.
pub async fn clock(clock: &dyn Clock) -> Result<(), Broken> {
    let mut last = clock.monotonic();
    for _ in 0..1_000 {
        let now = clock.monotonic();
        check(now >= last, "monotonic time never goes back", || {
            format!("from {last:?} to {now:?}")
        })?;
        last = now;
    }
    clock.sleep(Duration::ZERO).await;
    for milliseconds in [1, 20, 80] {
        let asked = Duration::from_millis(milliseconds);
        let (wall, before) = (clock.now(), clock.monotonic());
        clock.sleep(asked).await;
        let slept = clock.monotonic().saturating_sub(before);
        check(
            slept >= asked,
            "sleeping takes the time it was asked for",
            || format!("{slept:?} instead of {asked:?}"),
        )?;
        let passed = (clock.now() - wall).num_milliseconds();
        // A wall clock may be set meanwhile, so this is generous.
        check(
            (0..60_000).contains(&passed),
            "the wall clock goes on",
            || format!("by {passed} ms while {slept:?} passed"),
        )?;
    }
    Ok(())
}
