//! Reading in order.

use std::cmp::Ordering;

use aws_sdk_dynamodb::types::AttributeValue;
use mailkeep_ports::{ItemPage, Query, TableError};

use super::{Attributes, DynamoTable, PARTITION, SORT, item, not_ours, text};

/// Where a query begins.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// At the first item of its prefix.
    First,
    /// After an item, whether or not it is there.
    After(String),
    /// Behind the last one: nothing is left.
    Nowhere,
}

impl Start {
    /// DynamoDB refuses to start at a key that is outside of the prefix.
    fn of(query: &Query) -> Self {
        let Some(after) = &query.after else {
            return Self::First;
        };
        if after.starts_with(&query.prefix) && !after.is_empty() {
            return Self::After(after.clone());
        }
        let is_before = match after.as_str().cmp(&query.prefix) {
            Ordering::Less => !query.is_descending,
            Ordering::Equal | Ordering::Greater => query.is_descending,
        };
        // An empty key comes before all others, also when there is no prefix.
        match (after.is_empty(), query.is_descending, is_before) {
            (true, false, _) | (false, _, true) => Self::First,
            (true, true, _) | (false, _, false) => Self::Nowhere,
        }
    }
}

impl DynamoTable {
    pub(super) async fn query_page(&self, query: &Query) -> Result<ItemPage, TableError> {
        // No item can be there, and DynamoDB takes no empty value of a key.
        if query.partition.is_empty() {
            return Ok(ItemPage::default());
        }
        let mut start = match Start::of(query) {
            Start::Nowhere => return Ok(ItemPage::default()),
            Start::First => None,
            Start::After(sort) => Some(Attributes::from([
                (PARTITION.to_owned(), text(&query.partition)),
                (SORT.to_owned(), text(&sort)),
            ])),
        };
        loop {
            let mut request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .scan_index_forward(!query.is_descending)
                .limit(i32::try_from(query.page_limit()).unwrap_or(i32::MAX))
                .expression_attribute_values(":partition", text(&query.partition))
                .set_exclusive_start_key(start);
            request = if query.prefix.is_empty() {
                request.key_condition_expression(format!("{PARTITION} = :partition"))
            } else {
                request
                    .key_condition_expression(format!(
                        "{PARTITION} = :partition AND begins_with({SORT}, :prefix)"
                    ))
                    .expression_attribute_values(":prefix", text(&query.prefix))
            };
            let answer = request.send().await;
            let answer = answer.map_err(|error| self.failed(&query.partition, error))?;
            let mut page = ItemPage::default();
            for attributes in answer.items.unwrap_or_default() {
                let item = item(attributes).ok_or_else(|| not_ours(&query.partition))?;
                page.items.push(item);
            }
            let Some(last) = answer.last_evaluated_key else {
                return Ok(page);
            };
            if !page.items.is_empty() {
                page.next = match last.get(SORT) {
                    Some(AttributeValue::S(sort)) => Some(sort.clone()),
                    _ => return Err(not_ours(&query.partition)),
                };
                return Ok(page);
            }
            start = Some(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_outside_of_the_prefix_is_before_or_behind_everything() {
        let start = |prefix: &str, after: &str, is_descending| {
            Start::of(&Query {
                prefix: prefix.into(),
                after: Some(after.into()),
                is_descending,
                ..Query::default()
            })
        };
        assert_eq!(Start::of(&Query::default()), Start::First);
        for (prefix, after) in [("b", "b"), ("b", "b1"), ("", "x")] {
            for is_descending in [false, true] {
                let found = start(prefix, after, is_descending);
                assert_eq!(found, Start::After(after.into()), "{prefix} {after}");
            }
        }
        for (prefix, after) in [("b", "a"), ("b", "a9"), ("bb", "b"), ("b", ""), ("", "")] {
            assert_eq!(
                start(prefix, after, false),
                Start::First,
                "{prefix} {after}"
            );
            assert_eq!(
                start(prefix, after, true),
                Start::Nowhere,
                "{prefix} {after}"
            );
        }
        for (prefix, after) in [("b", "c"), ("b1", "b2")] {
            assert_eq!(start(prefix, after, false), Start::Nowhere);
            assert_eq!(start(prefix, after, true), Start::First);
        }
    }
}
