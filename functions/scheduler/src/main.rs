//! Plans jobs every minute, and whenever somebody asks.

use mailkeep_scheduler::SchedulerFunction;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mailkeep_function::start("scheduler", SchedulerFunction::new).await
}
