//! Prices, as a file has them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What AWS asks in one region.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The region.
    pub region: String,
    /// When they were read (a month is enough).
    pub as_of: String,
    /// Where they come from.
    pub source: String,
    /// The currency of all of them.
    pub currency: String,
    /// A million invocations of a function.
    pub lambda_million_requests: f64,
    /// A gigabyte of a function's memory for a second.
    pub lambda_gb_second: f64,
    /// Storage classes of S3, by their names.
    pub s3: BTreeMap<String, S3Class>,
    /// A million write units of DynamoDB, on demand.
    pub dynamodb_million_write_units: f64,
    /// A million read units.
    pub dynamodb_million_read_units: f64,
    /// A gigabyte in DynamoDB for a month, with point-in-time recovery.
    pub dynamodb_gb_month: f64,
    /// A million requests to SQS.
    pub sqs_million_requests: f64,
    /// A key of KMS for a month.
    pub kms_key_month: f64,
    /// Ten thousand requests to KMS.
    pub kms_ten_thousand_requests: f64,
    /// A gigabyte of logs, written and kept for some months.
    pub logs_gb: f64,
    /// A metric for a month.
    pub metric_month: f64,
    /// An alarm for a month.
    pub alarm_month: f64,
    /// A million invocations by a schedule.
    pub scheduler_million_requests: f64,
    /// A gigabyte that leaves AWS.
    pub transfer_out_gb: f64,
}

/// A storage class of S3.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Class {
    /// A gigabyte for a month.
    pub gb_month: f64,
    /// A million writes or lists.
    pub million_writes: f64,
    /// A million reads.
    pub million_reads: f64,
    /// A gigabyte read.
    #[serde(default)]
    pub retrieved_gb: f64,
}

/// The class of everything but the content of mail.
const HOT: &str = "STANDARD";

impl Prices {
    /// What makes them useless for this storage class, if anything does.
    #[must_use]
    pub fn problem(&self, storage_class: &str) -> Option<String> {
        let known = || self.s3.keys().cloned().collect::<Vec<_>>().join(", ");
        for class in [HOT, storage_class] {
            if !self.s3.contains_key(class) {
                let known = known();
                return Some(format!(
                    "they have no storage class {class} of S3, only: {known}"
                ));
            }
        }
        None
    }

    pub(super) fn hot(&self) -> S3Class {
        self.class(HOT)
    }

    pub(super) fn class(&self, name: &str) -> S3Class {
        const FREE: S3Class = S3Class {
            gb_month: 0.0,
            million_writes: 0.0,
            million_reads: 0.0,
            retrieved_gb: 0.0,
        };
        self.s3.get(name).copied().unwrap_or(FREE)
    }
}
