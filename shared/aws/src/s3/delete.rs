//! Deleting, in buckets that keep versions and in those that do not.

use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use mailkeep_ports::{Condition, ETag, Key, StoreError, StoreErrorKind};

use super::S3Store;
use super::get::Head;

/// What a bucket keeps of one object.
#[derive(Default)]
struct Versions {
    /// Earlier deletions.
    markers: Vec<String>,
    /// All that was written.
    newest_first: Vec<String>,
}

impl S3Store {
    pub(super) async fn delete_object(
        &self,
        key: &Key,
        condition: &Condition,
    ) -> Result<(), StoreError> {
        let wanted = match condition {
            Condition::None => None,
            Condition::IfMatch(etag) => Some(etag),
            Condition::IfAbsent => {
                let cause = "a deletion on condition of absence makes no sense";
                let kind = StoreErrorKind::Invalid;
                return Err(StoreError::new(kind, key.as_str(), cause));
            }
        };
        let head = match self.head_object(key).await {
            Ok(head) => head,
            Err(error) if error.kind == StoreErrorKind::Missing && wanted.is_none() => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if wanted.is_some_and(|etag| *etag != head.info.etag) {
            return Err(changed(key));
        }
        let deleted = match &head.version {
            Some(version) => self.delete_versions(key, version, wanted).await,
            None => {
                let etag = wanted.map(|etag| etag.0.clone());
                self.send(key, self.deletion(key).set_if_match(etag)).await
            }
        };
        deleted.map_err(|error| explain(&head, error))
    }

    /// Deletes all versions, the current one last: readers see that one until the end.
    async fn delete_versions(
        &self,
        key: &Key,
        current: &str,
        wanted: Option<&ETag>,
    ) -> Result<(), StoreError> {
        let Versions {
            markers,
            newest_first,
        } = self.versions(key).await?;
        if wanted.is_some() && newest_first.first().map(String::as_str) != Some(current) {
            return Err(changed(key));
        }
        for version in markers.into_iter().chain(newest_first.into_iter().rev()) {
            let request = self.deletion(key).version_id(version);
            self.send(key, request).await?;
        }
        Ok(())
    }

    async fn versions(&self, key: &Key) -> Result<Versions, StoreError> {
        let name = self.full_name(key.as_str());
        let mut found = Versions::default();
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let request = self
                .client
                .list_object_versions()
                .bucket(&self.location.bucket)
                .prefix(&name)
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker);
            let page = request.send().await;
            let page = page.map_err(|error| self.failed(key.as_str(), error))?;
            // Other names may begin with this one; they come after it.
            let is_this = |of: &Option<String>| of.as_deref() == Some(&name);
            let versions = page.versions.unwrap_or_default();
            let versions = versions.into_iter().filter(|version| is_this(&version.key));
            found
                .newest_first
                .extend(versions.filter_map(|version| version.version_id));
            let markers = page.delete_markers.unwrap_or_default();
            let markers = markers.into_iter().filter(|marker| is_this(&marker.key));
            found
                .markers
                .extend(markers.filter_map(|marker| marker.version_id));
            if page.is_truncated != Some(true) || !is_this(&page.next_key_marker) {
                return Ok(found);
            }
            key_marker = page.next_key_marker;
            version_marker = page.next_version_id_marker;
        }
    }

    fn deletion(&self, key: &Key) -> DeleteObjectFluentBuilder {
        self.client
            .delete_object()
            .bucket(&self.location.bucket)
            .key(self.full_name(key.as_str()))
    }

    async fn send(&self, key: &Key, request: DeleteObjectFluentBuilder) -> Result<(), StoreError> {
        let sent = request.send().await;
        sent.map(drop)
            .map_err(|error| self.failed(key.as_str(), error))
    }
}

fn changed(key: &Key) -> StoreError {
    let cause = "it has another version meanwhile";
    StoreError::new(StoreErrorKind::Changed, key.as_str(), cause)
}

/// S3 calls a locked object denied.
fn explain(head: &Head, mut error: StoreError) -> StoreError {
    if error.kind == StoreErrorKind::Denied && (head.info.retention.is_some() || head.is_on_hold) {
        error.kind = StoreErrorKind::Locked;
        error.cause = match &head.info.retention {
            Some(retention) => format!("Object Lock keeps it until {}", retention.until),
            None => "a legal hold keeps it".to_owned(),
        };
    }
    error
}
