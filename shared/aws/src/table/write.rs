//! Conditional writes.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use mailkeep_ports::table::check_transaction;
use mailkeep_ports::{Expect, TableError, TableErrorKind, Write};

use super::{Attributes, DynamoTable, PARTITION, VERSION, item_attributes, key_attributes, number};

/// An expectation as DynamoDB wants it: a condition and the values that it names.
struct Condition {
    text: String,
    values: Option<Attributes>,
}

impl Condition {
    fn of(expect: Expect) -> Self {
        match expect {
            Expect::Absent => Self {
                text: format!("attribute_not_exists({PARTITION})"),
                values: None,
            },
            Expect::Version(version) => Self {
                text: format!("{VERSION} = :expected"),
                values: Some(Attributes::from([(
                    ":expected".to_owned(),
                    number(version),
                )])),
            },
        }
    }
}

impl DynamoTable {
    pub(super) async fn write_one(&self, write: Write) -> Result<u64, TableError> {
        check_transaction(std::slice::from_ref(&write))?;
        let condition = Condition::of(write.expect());
        let name = write.key().to_string();
        match &write {
            Write::Put {
                key,
                body,
                expires_at,
                ..
            } => {
                let attributes = item_attributes(key, write.version_after(), body, *expires_at);
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(attributes))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                let sent = request.send().await;
                sent.map_err(|error| self.refused(&write, &name, error))?;
            }
            Write::Delete { key, .. } => {
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                let sent = request.send().await;
                sent.map_err(|error| self.refused(&write, &name, error))?;
            }
            // Nothing to write, so a transaction it must be.
            Write::Check { .. } => {
                let version = write.version_after();
                return self.write_all(vec![write]).await.map(|()| version);
            }
        }
        Ok(write.version_after())
    }

    pub(super) async fn write_all(&self, writes: Vec<Write>) -> Result<(), TableError> {
        check_transaction(&writes)?;
        let mut items = vec![];
        for write in &writes {
            let item = self.transact_item(write).map_err(|error| {
                let cause = "the write cannot be expressed";
                TableError::new(TableErrorKind::Invalid, &write.key().to_string(), cause)
                    .with_source(error)
            })?;
            items.push(item);
        }
        let request = self.client.transact_write_items();
        let request = request.set_transact_items(Some(items));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.cancelled(&writes, error)),
        }
    }

    fn transact_item(
        &self,
        write: &Write,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let condition = Condition::of(write.expect());
        let item = TransactWriteItem::builder();
        Ok(match write {
            Write::Put {
                key,
                body,
                expires_at,
                ..
            } => {
                let attributes = item_attributes(key, write.version_after(), body, *expires_at);
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(attributes))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                item.put(put.build()?)
            }
            Write::Delete { key, .. } => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                item.delete(delete.build()?)
            }
            Write::Check { key, .. } => {
                let check = ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                item.condition_check(check.build()?)
            }
        }
        .build())
    }

    /// DynamoDB gives a reason for each write of a transaction that it cancelled.
    fn cancelled(&self, writes: &[Write], error: SdkError<TransactWriteItemsError>) -> TableError {
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons()
            }
            _ => &[],
        };
        let codes: Vec<&str> = reasons.iter().map(|r| r.code().unwrap_or("None")).collect();
        let lost = codes
            .iter()
            .position(|code| *code == "ConditionalCheckFailed");
        if let Some((place, write)) = lost.and_then(|at| Some((at, writes.get(at)?))) {
            return TableError::conflict(write, place).with_source(error);
        }
        let name = writes.first().map(|write| write.key().to_string());
        let name = name.unwrap_or_default();
        let kind = match codes.iter().find(|code| **code != "None") {
            Some(&"ItemCollectionSizeLimitExceeded") => TableErrorKind::TooLarge,
            Some(&"ValidationError") => TableErrorKind::Invalid,
            // Another transaction is under way, or the table is too busy.
            Some(_) => TableErrorKind::Busy,
            None => return self.failed(&name, error),
        };
        let cause = format!(
            "table {}: the transaction was cancelled: {codes:?}",
            self.name
        );
        TableError::new(kind, &name, cause).with_source(error)
    }
}
