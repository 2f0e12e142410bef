//! Order, pages, prefixes.

use bytes::Bytes;

use super::store::StoreUnderTest;
use super::{Broken, check, done, equal, key};
use crate::store::{Condition, ETag, ListOptions, PutOptions, Store};

/// Chosen so that the order of names and the order of a walk through folders differ.
const NAMES: [&str; 16] = [
    "a",
    "b/c",
    "b-/x",
    "b.",
    "b.d/e/f",
    "b0",
    "m/x/log/01",
    "m/x/log/02",
    "m/x/log/10",
    "m/x/log-",
    "m/x/pack/a",
    "m/xy/key",
    "m/z",
    "B",
    "m/x/log0",
    "zz/zz/zz/zz",
];

pub(super) async fn all(test: &StoreUnderTest) -> Result<(), Broken> {
    empty((test.fresh)().as_ref()).await?;
    pages((test.fresh)().as_ref()).await?;
    follows_writes((test.fresh)().as_ref()).await
}

async fn empty(store: &dyn Store) -> Result<(), Broken> {
    let clause = "an empty store lists nothing";
    for prefix in ["", "m", "m/", "m/x/log/0", "//", "../", "no such~"] {
        let page = done(store.list(ListOptions::prefix(prefix)).await, clause)?;
        let is_empty = page.objects.is_empty() && page.prefixes.is_empty() && page.next.is_none();
        check(is_empty, clause, || {
            format!("prefix {prefix:?} gave {page:?}")
        })?;
    }
    Ok(())
}

async fn pages(store: &dyn Store) -> Result<(), Broken> {
    let mut marks = vec![];
    for (at, name) in NAMES.iter().enumerate() {
        let name = key(name)?;
        let put = store.put(&name, Bytes::from(vec![7; at]), PutOptions::default());
        marks.push(done(put.await, "write")?);
    }
    let prefixes = [
        "", "a", "b", "b.", "m", "m/", "m/x", "m/x/", "m/x/log", "m/x/log/", "zz/zz",
    ];
    for prefix in prefixes {
        for delimited in [false, true] {
            let afters =
                NAMES
                    .iter()
                    .chain(&["m/x/log/", "m/x/", "m/", "b/", "0", "~", "m/x/log/05"]);
            for after in std::iter::once(None).chain(afters.map(|name| Some(*name))) {
                for limit in [0, 1, 2, 3, 5, 100] {
                    let options = ListOptions {
                        prefix: prefix.to_owned(),
                        start_after: after.map(str::to_owned),
                        delimited,
                        limit,
                    };
                    one_listing(store, options, &marks).await?;
                }
            }
        }
    }
    Ok(())
}

/// All pages of a listing against what it means.
async fn one_listing(
    store: &dyn Store,
    mut options: ListOptions,
    marks: &[ETag],
) -> Result<(), Broken> {
    let clause = format!("the listing {options:?}");
    let expected = expected(&options);
    let mut listed = Vec::new();
    loop {
        let page = done(store.list(options.clone()).await, &clause)?;
        let names: Vec<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
        let is_sorted = names.is_sorted() && page.prefixes.is_sorted();
        check(is_sorted, "a page is in byte order", || format!("{page:?}"))?;
        for object in &page.objects {
            let at = NAMES.iter().position(|name| *name == object.key.as_str());
            let size = at.and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX);
            equal(&object.size_bytes, &size, "a listing knows sizes")?;
            let mark = at.and_then(|at| marks.get(at));
            equal(&Some(&object.etag), &mark, "a listing knows version marks")?;
        }
        let count = page.objects.len() + page.prefixes.len();
        let limit = options.page_limit();
        check(count <= limit, "a page keeps its limit", || {
            format!("{count} entries")
        })?;
        let mut entries: Vec<String> = names.into_iter().map(str::to_owned).collect();
        entries.extend(page.prefixes);
        entries.sort();
        listed.extend(entries);
        match page.next {
            None => break,
            Some(next) => {
                let clause = "a page that is not the last one has entries and leads on";
                let is_ahead = options
                    .start_after
                    .as_ref()
                    .is_none_or(|after| next > *after);
                check(count > 0 && is_ahead, clause, || {
                    format!("next is {next:?}")
                })?;
                options.start_after = Some(next);
            }
        }
    }
    equal(&listed, &expected, &clause)
}

fn expected(options: &ListOptions) -> Vec<String> {
    let matching = NAMES.iter().filter_map(|name| {
        let rest = name.strip_prefix(&options.prefix)?;
        let folder = rest.find('/').filter(|_| options.delimited);
        let length = folder.map_or(name.len(), |at| options.prefix.len() + at + 1);
        name.get(..length).map(str::to_owned)
    });
    let after = options.start_after.as_ref();
    let mut entries: Vec<_> = matching
        .filter(|entry| after.is_none_or(|after| entry > after))
        .collect();
    entries.sort();
    entries.dedup();
    entries
}

async fn follows_writes(store: &dyn Store) -> Result<(), Broken> {
    let clause = "a listing shows every write and deletion before it";
    let all = || ListOptions::prefix("d/");
    for number in 0..20 {
        let name = key(&format!("d/{number:02}/x"))?;
        let put = store.put(&name, Bytes::new(), PutOptions::default());
        done(put.await, clause)?;
        let page = done(store.list(all()).await, clause)?;
        equal(&page.objects.len(), &(number + 1), clause)?;
    }
    for number in 0..20 {
        let name = key(&format!("d/{number:02}/x"))?;
        done(store.delete(&name, Condition::None).await, clause)?;
        let page = done(store.list(all()).await, clause)?;
        equal(&page.objects.len(), &(19 - number), clause)?;
        let delimited = ListOptions {
            delimited: true,
            ..all()
        };
        let page = done(store.list(delimited).await, clause)?;
        equal(&page.prefixes.len(), &(19 - number), clause)?;
    }
    Ok(())
}
