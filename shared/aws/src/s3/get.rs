//! Reading.

use std::ops::Range;

use aws_sdk_s3::primitives::DateTime as AwsTime;
use chrono::{DateTime, Utc};
use mailkeep_ports::{
    ByteRange, ETag, GetOptions, Key, MAX_BODY_BYTES, Object, ObjectInfo, StoreError,
    StoreErrorKind,
};

use super::error::broken_answer;
use super::{S3Store, lock};

/// The largest offset that is asked for: no object is as large (50 TB).
const LARGEST: u64 = 1 << 46;

/// What HEAD tells.
pub(super) struct Head {
    /// For the port.
    pub info: ObjectInfo,
    /// In a bucket that keeps versions: which one it is.
    pub version: Option<String>,
    /// Somebody forbade to delete it, without a date.
    pub is_on_hold: bool,
}

impl S3Store {
    pub(super) async fn head_object(&self, key: &Key) -> Result<Head, StoreError> {
        let request = self
            .client
            .head_object()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()));
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.failed(key.as_str(), error))?;
        let size = answer.content_length;
        let is_on_hold = answer
            .object_lock_legal_hold_status
            .as_ref()
            .map(|s| s.as_str());
        Ok(Head {
            is_on_hold: is_on_hold == Some("ON"),
            info: ObjectInfo {
                key: key.clone(),
                size_bytes: length(key, size)?,
                etag: etag(key, answer.e_tag)?,
                modified_at: time(answer.last_modified.as_ref()),
                retention: lock::retention(
                    answer.object_lock_mode.as_ref().map(|mode| mode.as_str()),
                    answer.object_lock_retain_until_date.as_ref(),
                ),
            },
            version: answer.version_id,
        })
    }

    pub(super) async fn get_object(
        &self,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Object, StoreError> {
        let Some(range) = header(options) else {
            return self.get_nothing(key, options).await;
        };
        let request = self
            .client
            .get_object()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()))
            .set_range(range.clone());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error)
                if error
                    .raw_response()
                    .is_some_and(|r| r.status().as_u16() == 416) =>
            {
                return self.get_nothing(key, options).await;
            }
            Err(error) => return Err(self.failed(key.as_str(), error)),
        };
        let length = length(key, answer.content_length)?;
        if length > MAX_BODY_BYTES {
            let cause = format!("{length} bytes at once are more than 64 MiB");
            let kind = StoreErrorKind::Invalid;
            return Err(StoreError::new(kind, key.as_str(), cause));
        }
        if length == 0 && answer.content_range.is_some() {
            // Right is 416, but some stores give the empty part of an empty object.
            return self.get_nothing(key, options).await;
        }
        let part = match &answer.content_range {
            Some(text) => parse_content_range(text).ok_or_else(|| broken_answer(key, text))?,
            // The whole object, even if a part was asked for.
            None => (0..length, length),
        };
        let (part, size_bytes) = part;
        let info = ObjectInfo {
            key: key.clone(),
            size_bytes,
            etag: etag(key, answer.e_tag)?,
            modified_at: time(answer.last_modified.as_ref()),
            retention: None,
        };
        let body = answer.body.collect().await.map_err(|error| {
            let cause = "the answer ended early or does not match its checksum";
            StoreError::new(StoreErrorKind::Unavailable, key.as_str(), cause).with_source(error)
        })?;
        let body = body.into_bytes();
        let wanted = options.resolve(key, size_bytes)?;
        let is_whole = u64::try_from(body.len()) == Ok(part.end - part.start);
        if !is_whole || wanted.start < part.start || wanted.end > part.end {
            return Err(broken_answer(key, "it is not the part that was asked for"));
        }
        let within = |at: u64| usize::try_from(at - part.start).unwrap_or(usize::MAX);
        Ok(Object {
            info,
            offset: wanted.start,
            body: body.slice(within(wanted.start)..within(wanted.end)),
        })
    }

    /// For parts without a byte, which HTTP cannot ask for.
    async fn get_nothing(&self, key: &Key, options: &GetOptions) -> Result<Object, StoreError> {
        // A range that makes no sense does so for an object of any size.
        options.resolve(key, 0)?;
        let info = self.head_object(key).await?.info;
        let part = options.resolve(key, info.size_bytes)?;
        if !part.is_empty() {
            return Err(broken_answer(key, "it refused a part that is there"));
        }
        Ok(Object {
            info: ObjectInfo {
                retention: None,
                ..info
            },
            offset: part.start,
            body: bytes::Bytes::new(),
        })
    }
}

/// The `Range` header; `None` when no byte is asked for.
fn header(options: &GetOptions) -> Option<Option<String>> {
    match &options.range {
        None => Some(None),
        Some(ByteRange::Range(range)) if range.end <= range.start => None,
        Some(ByteRange::Range(range)) => {
            let (start, last) = (range.start.min(LARGEST), (range.end - 1).min(LARGEST));
            Some(Some(format!("bytes={start}-{last}")))
        }
        Some(ByteRange::Suffix(0)) => None,
        Some(ByteRange::Suffix(count)) => Some(Some(format!("bytes=-{}", count.min(&LARGEST)))),
    }
}

/// `bytes FIRST-LAST/SIZE` as a range and a size.
fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (part, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let (end, size) = (last.checked_add(1)?, size.parse().ok()?);
    (first < end && end <= size).then_some((first..end, size))
}

fn length(key: &Key, length: Option<i64>) -> Result<u64, StoreError> {
    let length = length.and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| broken_answer(key, "no length"))
}

fn etag(key: &Key, etag: Option<String>) -> Result<ETag, StoreError> {
    etag.map(ETag).ok_or_else(|| broken_answer(key, "no ETag"))
}

/// A time of S3.
pub(super) fn time(time: Option<&AwsTime>) -> DateTime<Utc> {
    let time = time.and_then(|t| DateTime::from_timestamp(t.secs(), t.subsec_nanos()));
    time.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        assert_eq!(parse_content_range("bytes 3-6/10"), Some((3..7, 10)));
        for wrong in [
            "",
            "bytes 3-6",
            "bytes 6-3/10",
            "bytes 3-6/*",
            "bytes */10",
            "3-6/10",
            "bytes 3-10/10",
            "bytes -6/10",
            "bytes 0-18446744073709551615/10",
        ] {
            assert_eq!(parse_content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ranges_are_asked_for_as_http_wants_it() {
        let range = |start, end| header(&GetOptions::range(ByteRange::Range(start..end)));
        assert_eq!(range(0, 1), Some(Some("bytes=0-0".into())));
        assert_eq!(range(4, 4), None);
        assert_eq!(range(8, u64::MAX), Some(Some(format!("bytes=8-{LARGEST}"))));
        let suffix = |count| header(&GetOptions::range(ByteRange::Suffix(count)));
        assert_eq!(suffix(3), Some(Some("bytes=-3".into())));
        assert_eq!(suffix(0), None);
        assert_eq!(header(&GetOptions::default()), Some(None));
    }
}
