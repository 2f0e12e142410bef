//! Where AWS is and who we are there: what all adapters share.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_types::service_config::ServiceConfigKey;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call without a large body may take.
const CALL: Duration = Duration::from_secs(30);

/// What is not left to the usual AWS environment: environment variables, `~/.aws/config`,
/// `~/.aws/credentials`, the role of a container, function or machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// Region, instead of `AWS_REGION` or the profile's.
    pub region: Option<String>,
    /// Profile, instead of `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Endpoint, instead of `AWS_ENDPOINT_URL` or the profile's.
    pub endpoint: Option<String>,
}

/// The environment does not say where AWS is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no AWS region is set; set AWS_REGION, or name one in the profile or the vault's address")]
pub struct SettingsError;

impl AwsSettings {
    /// Reads the environment. Credentials are looked for later, when the first call needs them.
    ///
    /// # Errors
    /// When there is neither a region nor an endpoint of its own.
    pub async fn load(&self) -> Result<SdkConfig, SettingsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(CALL)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        if config.region().is_some() {
            return Ok(config);
        }
        if endpoint(&config, "S3").is_none() {
            return Err(SettingsError);
        }
        // Stores other than AWS seldom have regions, but signatures need one.
        let region = Region::from_static("us-east-1");
        Ok(config.into_builder().region(region).build())
    }
}

/// The endpoint that is set for a service, or for all.
pub(crate) fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let general = config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = key
        .ok()
        .and_then(|key| config.service_config()?.load_config(key));
    own.or(general)
}

/// For calls that nobody else tries again: waits and attempts of the SDK, within seconds.
pub(crate) fn few_retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}
