//! Serves the HTTP API behind API Gateway.

use mailkeep_api_function::ApiFunction;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    mailkeep_function::start("api", ApiFunction::new).await
}
