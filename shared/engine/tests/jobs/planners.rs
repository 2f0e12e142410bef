//! Two planners at one hook.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use mailkeep_engine::hooks::HookOrder;
use mailkeep_engine::plan::PlanSettings;
use mailkeep_model::job::HookFailure;
use mailkeep_ports::{
    Item, ItemKey, ItemPage, MemoryTable, Query, Table, TableError, TableErrorKind, Write,
};

use crate::hooks::hook;
use crate::rig::{World, one_time};

type Meanwhile = BoxFuture<'static, ()>;

/// A table that loses the first transaction that calls a hook, while something else happens.
struct Losing {
    inner: Arc<MemoryTable>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

#[async_trait]
impl Table for Losing {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        self.inner.get(key).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let calls = writes.iter().any(|it| it.key().partition() == "hooks");
        let meanwhile = self.meanwhile.lock().unwrap().take_if(|_| calls);
        let Some(meanwhile) = meanwhile else {
            return self.inner.transact(writes).await;
        };
        meanwhile.await;
        Err(TableError::new(
            TableErrorKind::Unavailable,
            "hooks",
            "nobody answered",
        ))
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        self.inner.query(query).await
    }
}

#[tokio::test]
async fn a_planner_never_takes_the_unanswered_call_of_another_for_its_own() {
    for (before, wait) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = World::new(&["ann"]);
        let other = world.process();
        let mut definition = one_time("Hooked");
        let called = Some(hook("script", wait, HookFailure::Continue));
        if before {
            definition.hooks.before = called;
        } else {
            definition.hooks.after = called;
        }
        let id = other.jobs.create(&definition).await.unwrap().id;
        other.start(&id).await;
        if !before {
            // All that is left is the end.
            other.tick().await;
            other.work().await;
        }
        let orders: Arc<Mutex<Vec<HookOrder>>> = Arc::default();
        let (planner, given) = (other.planner.clone(), orders.clone());
        let losing = Losing {
            inner: world.table.clone(),
            meanwhile: Mutex::new(Some(Box::pin(async move {
                let tick = planner.tick().await.unwrap();
                given.lock().unwrap().extend(tick.hooks);
            }))),
        };
        let one = world.process_on(
            Arc::new(losing),
            world.queue.clone(),
            PlanSettings::default(),
        );
        let tick = one.planner.tick().await.unwrap();
        assert!(tick.failures.is_empty(), "{:?}", tick.failures);
        let others = orders.lock().unwrap().len();
        assert_eq!((others, tick.hooks.len()), (1, 0), "{before} {wait}");
    }
}
