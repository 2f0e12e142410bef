//! Lets go of what nothing promises any more.

use mailkeep_retention::RetentionFunction;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mailkeep_function::start("retention", RetentionFunction::new).await
}
