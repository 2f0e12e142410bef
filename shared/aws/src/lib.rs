//! Adapters to AWS: objects on S3, or on any store that speaks its protocol.
//!
//! The SDK's own retries are off: [`mailkeep_ports::RetryStore`] retries, and two layers of retries
//! would multiply.

mod client;
mod fault;
pub mod s3;

pub use client::{AwsSettings, SettingsError};
pub use s3::{ColdClass, LocationError, S3Location, S3Store};
