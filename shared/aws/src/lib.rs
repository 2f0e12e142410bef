//! Adapters to AWS: objects on S3 or on any store that speaks its protocol, a table in DynamoDB, a queue
//! in SQS, keys sealed by KMS, secrets in Secrets Manager, news by SES and SNS.
//!
//! For objects the SDK's own retries are off: [`mailkeep_ports::RetryStore`] retries, and two layers of
//! retries would multiply. For all others the SDK retries a little.

mod client;
mod fault;
pub mod kms;
pub mod notify;
pub mod queue;
pub mod s3;
pub mod secrets;
pub mod table;

pub use client::{AwsSettings, SettingsError};
pub use kms::KmsKeys;
pub use notify::AwsNotify;
pub use queue::SqsQueue;
pub use s3::{ColdClass, LocationError, S3Location, S3Store};
pub use secrets::AwsSecrets;
pub use table::DynamoTable;
