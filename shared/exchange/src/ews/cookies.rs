//! Cookies of one mailbox: they lead its calls to the same server behind a load balancer.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use hyper::header::{HeaderValue, SET_COOKIE};

/// Cookies that are kept.
const MOST: usize = 32;
/// Length of one.
const LONGEST: usize = 4096;

/// Cookies by name.
#[derive(Default)]
pub(crate) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Takes over what an answer sets.
    pub(crate) fn keep(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Some((name, value)) = value.to_str().ok().and_then(|text| {
                let (pair, _) = text.split_once(';').unwrap_or((text, ""));
                pair.trim().split_once('=')
            }) else {
                continue;
            };
            if value.is_empty() {
                self.0.remove(name);
            } else if name.len() + value.len() <= LONGEST
                && (self.0.len() < MOST || self.0.contains_key(name))
            {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// What to send.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut value = HeaderValue::try_from(pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_dropped() {
        let mut cookies = Cookies::default();
        let set = |cookies: &mut Cookies, text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_static(text));
            cookies.keep(&headers);
        };
        assert!(cookies.header().is_none());
        set(&mut cookies, "X-BackEndOverrideCookie=a~1; path=/; secure");
        set(&mut cookies, "exchangecookie=b");
        set(&mut cookies, "exchangecookie=c; HttpOnly");
        assert_eq!(
            cookies.header().unwrap(),
            "X-BackEndOverrideCookie=a~1; exchangecookie=c"
        );
        set(&mut cookies, "exchangecookie=; expires=Thu, 01 Jan 1970");
        assert_eq!(cookies.header().unwrap(), "X-BackEndOverrideCookie=a~1");
    }
}
