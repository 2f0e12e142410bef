//! The suite of [`HookRunner`].

use std::time::Duration;

use super::{Broken, check, equal};
use crate::hook::MAX_HOOK_OUTPUT;
use crate::{HookCall, HookFault, HookRunner, HookTarget};

/// Calls that the runner under test was prepared for.
pub struct KnownHooks {
    /// Ends well and prints or answers `hello`.
    pub good: HookTarget,
    /// Fails with this code.
    pub bad: (HookTarget, i32),
    /// Does not end within many seconds, and does not want to be ended.
    pub endless: HookTarget,
    /// Prints or answers many times [`MAX_HOOK_OUTPUT`], ends with `the end` and ends well.
    pub chatty: HookTarget,
    /// Cannot be started or reached.
    pub missing: HookTarget,
}

/// Every clause of the contract of [`HookRunner`], as far as it shows from outside.
///
/// # Errors
/// The first clause that does not hold.
pub async fn hooks(runner: &dyn HookRunner, known: &KnownHooks) -> Result<(), Broken> {
    let report = runner.run(&call(&known.good, 60)).await;
    equal(&report.fault, &None, "what ends well is no failure")?;
    check(report.output.contains("hello"), "output is kept", || {
        report.output.clone()
    })?;
    let report = runner.run(&call(&known.bad.0, 60)).await;
    let code = Some(HookFault::Code(known.bad.1));
    equal(&report.fault, &code, "the code of a failure is told")?;
    let report = runner.run(&call(&known.endless, 1)).await;
    let fault = Some(HookFault::TimedOut);
    equal(&report.fault, &fault, "what takes too long is ended")?;
    let report = runner.run(&call(&known.chatty, 60)).await;
    equal(&report.fault, &None, "much output is no failure")?;
    let clause = "of much output the end is kept, and the rest counted";
    check(
        report.output.len() <= MAX_HOOK_OUTPUT
            && report.output.trim_end().ends_with("the end")
            && report.dropped_bytes > 0,
        clause,
        || format!("{} bytes kept", report.output.len()),
    )?;
    let report = runner.run(&call(&known.missing, 60)).await;
    let is_right = matches!(&report.fault, Some(HookFault::CannotStart(why)) if !why.is_empty());
    check(
        is_right,
        "what cannot be started is told with its cause",
        || format!("{:?}", report.fault),
    )
}

fn call(target: &HookTarget, seconds: u64) -> HookCall {
    HookCall {
        id: "hook-1".to_owned(),
        target: target.clone(),
        facts: vec![("MAILKEEP_JOB".to_owned(), "nightly".to_owned())],
        timeout: Duration::from_secs(seconds),
    }
}
