//! Works on mailboxes whose tasks come from the queue.

use mailkeep_worker::WorkerFunction;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mailkeep_function::start("worker", WorkerFunction::new).await
}
