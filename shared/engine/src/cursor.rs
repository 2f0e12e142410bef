//! How far a restore or an export has come, so that it can go on there.

use std::collections::HashSet;

use mailkeep_vault::ItemKey;
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::select::PageMark;

/// A place in the items of a selection. Valid for the same selection of the same restore point, whose
/// items have the same order each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Folders that are done, counted in their order.
    pub folders: usize,
    /// The page of the next folder; `None` for its first.
    pub page: Option<String>,
    /// Items of that page that are done.
    pub done: Vec<String>,
}

impl Cursor {
    /// The page.
    pub(crate) fn mark(&self) -> Result<Option<PageMark>, EngineError> {
        let unreadable = || EngineError::Invalid("the place to go on at cannot be read".to_owned());
        let Some(page) = &self.page else {
            return Ok(None);
        };
        if let Some(offset) = page.strip_prefix('#') {
            let offset = offset.parse().map_err(|_| unreadable())?;
            return Ok(Some(PageMark::Offset(offset)));
        }
        let token = page.parse().map_err(|_| unreadable())?;
        Ok(Some(PageMark::Token(token)))
    }

    /// The items of the page that are done.
    pub(crate) fn done(&self) -> HashSet<&str> {
        self.done.iter().map(String::as_str).collect()
    }

    /// An item of the page is done.
    pub(crate) fn item(&mut self, key: ItemKey) {
        self.done.push(key.to_string());
    }

    /// The page is done.
    pub(crate) fn next_page(&mut self, next: &PageMark) {
        self.page = Some(match next {
            PageMark::Token(token) => token.to_string(),
            PageMark::Offset(offset) => format!("#{offset}"),
        });
        self.done.clear();
    }

    /// The beginning of the folder with this number.
    pub(crate) fn of_folder(number: usize) -> Self {
        Self {
            folders: number,
            ..Self::default()
        }
    }
}
