//! Listing.

use aws_sdk_s3::types::Object as Listed;
use mailkeep_ports::{ETag, Key, ListOptions, ListPage, ObjectInfo, StoreError, StoreErrorKind};

use super::S3Store;
use super::get::time;

/// The most that S3 gives at once.
const PAGE: usize = 1_000;

impl S3Store {
    /// One page with at least one entry, unless it is the last one: objects of others below the prefix
    /// (the folders that the S3 console makes, for example) may fill whole pages.
    pub(super) async fn list_page(&self, options: &ListOptions) -> Result<ListPage, StoreError> {
        let root = self.full_name("");
        let mut after = options
            .start_after
            .as_deref()
            .map(|name| options.first_after(name));
        loop {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.location.bucket)
                .prefix(format!("{root}{}", options.prefix))
                .set_delimiter(options.delimited.then(|| "/".to_owned()))
                .set_start_after(after.as_ref().map(|name| format!("{root}{name}")))
                .max_keys(i32::try_from(options.page_limit().min(PAGE)).unwrap_or(i32::MAX));
            let answer = request.send().await;
            let answer = answer.map_err(|error| self.failed(&options.prefix, error))?;

            let objects = answer.contents.unwrap_or_default();
            let prefixes = answer.common_prefixes.unwrap_or_default();
            let mut names = vec![];
            let mut page = ListPage::default();
            for object in &objects {
                let name = object.key().and_then(|key| key.strip_prefix(&root));
                names.extend(name);
                page.objects
                    .extend(name.and_then(|name| info(name, object)));
            }
            for prefix in &prefixes {
                let name = prefix
                    .prefix()
                    .and_then(|prefix| prefix.strip_prefix(&root));
                names.extend(name);
                let is_ours = |name: &&str| Key::new(name.trim_end_matches('/')).is_ok();
                page.prefixes
                    .extend(name.filter(is_ours).map(str::to_owned));
            }
            if !page.objects.is_sorted_by_key(|object| &object.key) || !page.prefixes.is_sorted() {
                let cause = "this store does not list names in the order of their bytes";
                let kind = StoreErrorKind::Invalid;
                return Err(StoreError::new(kind, &options.prefix, cause));
            }
            if answer.is_truncated != Some(true) {
                return Ok(page);
            }
            let last = names.into_iter().max().map(str::to_owned);
            let next = last.as_deref().map(|name| options.first_after(name));
            if next.is_none() || next <= after {
                let cause = "the store's answer is broken: the listing does not get on";
                let kind = StoreErrorKind::Unavailable;
                return Err(StoreError::new(kind, &options.prefix, cause));
            }
            if !page.objects.is_empty() || !page.prefixes.is_empty() {
                page.next = last;
                return Ok(page);
            }
            after = next;
        }
    }
}

/// Where a listing goes on.
trait FirstAfter {
    /// What S3 must be told so that the first entry is the one after `name`. With a delimiter, all of a
    /// folder that `name` is in, or is, must be left out: S3 would show the folder again.
    fn first_after(&self, name: &str) -> String;
}

impl FirstAfter for ListOptions {
    fn first_after(&self, name: &str) -> String {
        let rest = name.strip_prefix(&self.prefix).filter(|_| self.delimited);
        let folder = rest.and_then(|rest| Some(self.prefix.len() + rest.find('/')? + 1));
        match folder.and_then(|end| name.get(..end)) {
            // Behind every name that a key may have.
            Some(folder) => format!("{folder}~"),
            None => name.to_owned(),
        }
    }
}

/// `None` for objects that are not of a vault.
fn info(name: &str, object: &Listed) -> Option<ObjectInfo> {
    Some(ObjectInfo {
        key: Key::new(name).ok()?,
        size_bytes: u64::try_from(object.size()?).ok()?,
        etag: ETag(object.e_tag()?.to_owned()),
        modified_at: time(object.last_modified()),
        retention: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_goes_on_behind_a_folder() {
        let mut options = ListOptions::prefix("m/");
        assert_eq!(options.first_after("m/x/log/1"), "m/x/log/1");
        options.delimited = true;
        assert_eq!(options.first_after("m/x/log/1"), "m/x/~");
        assert_eq!(options.first_after("m/x/"), "m/x/~");
        assert_eq!(options.first_after("m/x"), "m/x");
        assert_eq!(options.first_after("a/x/"), "a/x/");
    }
}
