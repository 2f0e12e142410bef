//! Tells people and programs what became of jobs.

use mailkeep_notifier::NotifierFunction;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mailkeep_function::start("notifier", NotifierFunction::new).await
}
