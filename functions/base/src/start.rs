//! Running a function under Lambda.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument as _;

use crate::{Context, Deadline, Environment, FunctionError, Unit, logs};

/// A function: deals with one event after another.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// Deals with an event before the deadline.
    ///
    /// # Errors
    /// When it could not; Lambda then counts an error and, where the event is not a call, tries again.
    async fn handle(&self, event: Value, deadline: Deadline) -> Result<Value, FunctionError>;
}

/// Makes a function and deals with events until Lambda ends the process.
///
/// # Errors
/// When it cannot be made, or Lambda cannot be reached.
pub async fn start<F: Function>(
    name: &str,
    make: impl FnOnce(&Context) -> Result<F, FunctionError>,
) -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    logs::start(&environment);
    let context = Context::new(environment, name).await?;
    let function = make(&context).inspect_err(|error| {
        tracing::error!(%error, "the function cannot start");
    })?;
    let begun = Arc::new(Begun { context, function });
    let cold = std::sync::atomic::AtomicBool::new(true);
    let serve = |event: LambdaEvent<Value>| {
        let begun = Arc::clone(&begun);
        let is_cold = cold.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move { begun.handle(event, is_cold).await }
    };
    lambda_runtime::run(service_fn(serve)).await
}

struct Begun<F> {
    context: Context,
    function: F,
}

impl<F: Function> Begun<F> {
    async fn handle(
        &self,
        event: LambdaEvent<Value>,
        is_cold: bool,
    ) -> Result<Value, lambda_runtime::Error> {
        let clock = self.context.clock();
        let span = tracing::info_span!("invocation", request = event.context.request_id);
        let hard = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let hard = DateTime::from_timestamp_millis(hard).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let deadline = Deadline::of(clock.now(), hard);
        // Since the process began: the start, once, or the work.
        let started_at = clock.monotonic();
        let done = self
            .function
            .handle(event.payload, deadline)
            .instrument(span.clone())
            .await;
        let worked = clock.monotonic().saturating_sub(started_at);
        let milliseconds =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut line = self.context.metrics().line();
        if is_cold {
            line = line.metric(
                "StartMilliseconds",
                Unit::Milliseconds,
                milliseconds(started_at),
            );
        }
        line.metric("WorkMilliseconds", Unit::Milliseconds, milliseconds(worked))
            .about("request", event.context.request_id)
            .write();
        self.context.metrics().usage(&self.context.usage().take());
        done.map_err(|error| {
            let _entered = span.enter();
            tracing::error!(%error, "the event was not dealt with");
            error.into()
        })
    }
}
