//! A table that stands still when told, as for a process that was paused.

use std::sync::Arc;

/// A table whose calls wait while it is stalled.
pub(crate) struct StalledTable {
    inner: Arc<dyn mailkeep_ports::Table>,
    is_stalled: std::sync::atomic::AtomicBool,
}

impl StalledTable {
    pub(crate) fn over(inner: Arc<dyn mailkeep_ports::Table>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            is_stalled: false.into(),
        })
    }

    pub(crate) fn stall(&self) {
        self.is_stalled
            .store(true, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn go_on(&self) {
        self.is_stalled
            .store(false, std::sync::atomic::Ordering::SeqCst);
    }

    async fn pass(&self) {
        while self.is_stalled.load(std::sync::atomic::Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait::async_trait]
impl mailkeep_ports::Table for StalledTable {
    async fn get(
        &self,
        key: &mailkeep_ports::ItemKey,
    ) -> Result<Option<mailkeep_ports::Item>, mailkeep_ports::TableError> {
        self.pass().await;
        self.inner.get(key).await
    }

    async fn transact(
        &self,
        writes: Vec<mailkeep_ports::Write>,
    ) -> Result<(), mailkeep_ports::TableError> {
        self.pass().await;
        self.inner.transact(writes).await
    }

    async fn query(
        &self,
        query: &mailkeep_ports::Query,
    ) -> Result<mailkeep_ports::ItemPage, mailkeep_ports::TableError> {
        self.pass().await;
        self.inner.query(query).await
    }
}
