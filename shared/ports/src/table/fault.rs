//! A table that fails on purpose.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Item, ItemKey, ItemPage, Query, Table, TableError, TableErrorKind, Write};
use crate::faults::{Effect, FaultPlan};

/// Wraps a table and makes its calls fail as a [`FaultPlan`] says.
pub struct FaultTable {
    inner: Arc<dyn Table>,
    plan: FaultPlan,
}

impl FaultTable {
    /// Wraps a table.
    #[must_use]
    pub fn new(inner: Arc<dyn Table>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    fn before(&self, name: &str) -> Result<Effect, TableError> {
        match self.plan.next_call() {
            Effect::Busy => Err(injected(TableErrorKind::Busy, name)),
            Effect::Lost => Err(injected(TableErrorKind::Unavailable, name)),
            effect => Ok(effect),
        }
    }
}

fn injected(kind: TableErrorKind, name: &str) -> TableError {
    TableError::new(kind, name, "injected fault")
}

fn answer<T>(effect: Effect, name: &str, result: Result<T, TableError>) -> Result<T, TableError> {
    match effect {
        Effect::ThenLoseAnswer => Err(injected(TableErrorKind::Unavailable, name)),
        _ => result,
    }
}

#[async_trait]
impl Table for FaultTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        let name = key.to_string();
        let effect = self.before(&name)?;
        answer(effect, &name, self.inner.get(key).await)
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let name = writes.first().map(|write| write.key().to_string());
        let name = name.unwrap_or_default();
        let effect = self.before(&name)?;
        answer(effect, &name, self.inner.transact(writes).await)
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        let effect = self.before(&query.partition)?;
        answer(effect, &query.partition, self.inner.query(query).await)
    }
}
