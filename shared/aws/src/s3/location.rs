//! Where a vault lies on S3, written as one address.

use std::fmt;
use std::str::FromStr;

use mailkeep_ports::Key;
use url::Url;

use crate::AwsSettings;

/// Storage class of objects that are read only when something is restored. All of them answer at
/// once; archives that must be thawed first are not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColdClass {
    /// As everything else. The only one that every store knows.
    #[default]
    Standard,
    /// Cheaper to keep and dearer to read; at least 30 days.
    StandardIa,
    /// AWS decides by how often it is read.
    IntelligentTiering,
    /// Cheapest to keep and dearest to read; at least 90 days.
    GlacierInstant,
}

impl ColdClass {
    const NAMES: [(&str, Self); 4] = [
        ("STANDARD", Self::Standard),
        ("STANDARD_IA", Self::StandardIa),
        ("INTELLIGENT_TIERING", Self::IntelligentTiering),
        ("GLACIER_IR", Self::GlacierInstant),
    ];
}

/// A bucket, a prefix in it, and how to get there:
/// `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&profile=NAME&path-style=BOOL&cold-class=NAME`.
/// Only the bucket is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with; empty, or without a `/` at its ends.
    pub prefix: String,
    /// Region, profile and endpoint.
    pub aws: AwsSettings,
    /// The bucket in the path instead of the host's name. When not given: with an endpoint of its own.
    pub path_style: Option<bool>,
    /// Storage class of packs.
    pub cold_class: ColdClass,
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not an S3 address: {cause}")]
pub struct LocationError {
    /// What was given.
    pub address: String,
    /// What is wrong.
    pub cause: String,
}

impl S3Location {
    /// The part of an address that makes it one of S3.
    pub const SCHEME: &'static str = "s3://";

    fn parse(address: &str) -> Result<Self, String> {
        if !address.starts_with(Self::SCHEME) {
            return Err("it must begin with s3://".to_owned());
        }
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let bucket = url.host_str().unwrap_or_default();
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        let has_more = url.port().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
            || url.fragment().is_some();
        if !is_bucket || has_more {
            return Err(
                "after s3:// comes the name of a bucket (3 to 63 of a-z, 0-9, . and -)".into(),
            );
        }
        let prefix = url.path().trim_matches('/');
        // Names below it get up to 512 bytes of the 1,024 that S3 permits.
        if !prefix.is_empty() && Key::new(prefix).is_err() {
            return Err("a prefix has only a-z, A-Z, 0-9, ., _, - and single /".to_owned());
        }
        let mut location = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            aws: AwsSettings::default(),
            path_style: None,
            cold_class: ColdClass::default(),
        };
        for (name, value) in url.query_pairs() {
            location.set(&name, &value)?;
        }
        Ok(location)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("{name} has no value"));
        }
        match name {
            "endpoint" => {
                let is_url = Url::parse(value)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
                if !is_url {
                    return Err("endpoint must be an http or https address".to_owned());
                }
                self.aws.endpoint = Some(value.to_owned());
            }
            "region" => self.aws.region = Some(value.to_owned()),
            "profile" => self.aws.profile = Some(value.to_owned()),
            "path-style" => {
                let parsed = value.parse();
                self.path_style = Some(parsed.map_err(|_| "path-style is true or false")?);
            }
            "cold-class" => {
                let known = ColdClass::NAMES.iter().find(|(name, _)| *name == value);
                let names = ColdClass::NAMES.map(|(name, _)| name).join(", ");
                let (_, class) = known.ok_or_else(|| format!("cold-class is one of {names}"))?;
                self.cold_class = *class;
            }
            _ => {
                return Err(format!(
                    "there is no {name}; there are endpoint, region, profile, path-style and cold-class"
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for S3Location {
    type Err = LocationError;

    fn from_str(address: &str) -> Result<Self, LocationError> {
        Self::parse(address).map_err(|cause| LocationError {
            address: address.to_owned(),
            cause,
        })
    }
}

/// Bucket and prefix, for messages.
impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::SCHEME, self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_how() {
        let plain: S3Location = "s3://backups".parse().unwrap();
        assert_eq!(
            (plain.bucket.as_str(), plain.prefix.as_str()),
            ("backups", "")
        );
        assert_eq!(plain.to_string(), "s3://backups");
        let full = "s3://my.bucket-1/a/B_2/?endpoint=http://127.0.0.1:9000&region=eu-1\
                    &profile=mail%20keep&path-style=false&cold-class=GLACIER_IR";
        let full: S3Location = full.parse().unwrap();
        assert_eq!(full.to_string(), "s3://my.bucket-1/a/B_2");
        assert_eq!(
            full.aws,
            AwsSettings {
                region: Some("eu-1".into()),
                profile: Some("mail keep".into()),
                endpoint: Some("http://127.0.0.1:9000".into()),
            }
        );
        assert_eq!(full.path_style, Some(false));
        assert_eq!(full.cold_class, ColdClass::GlacierInstant);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (address, about) in [
            ("/a/folder", "s3://"),
            ("S3://bucket", "s3://"),
            ("s3://", "bucket"),
            ("s3://ab", "bucket"),
            ("s3://Backups", "bucket"),
            ("s3://bucket:80/a", "bucket"),
            ("s3://key:secret@bucket", "bucket"),
            ("s3://bucket/a#b", "bucket"),
            ("s3://bucket/a//b", "prefix"),
            ("s3://bucket/a%20b", "prefix"),
            ("s3://bucket?endpoint=example.com", "endpoint"),
            ("s3://bucket?endpoint=ftp://example.com", "endpoint"),
            ("s3://bucket?region=", "region"),
            ("s3://bucket?path-style=yes", "path-style"),
            ("s3://bucket?cold-class=DEEP_ARCHIVE", "cold-class"),
            ("s3://bucket?colour=red", "colour"),
        ] {
            let error = address.parse::<S3Location>().unwrap_err();
            assert!(error.cause.contains(about), "{error}");
        }
    }
}
