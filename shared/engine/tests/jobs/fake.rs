//! A site whose operations write numbered items, each once, and do as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use mailkeep_engine::StopSignal;
use mailkeep_engine::cursor::Cursor;
use mailkeep_engine::operation::{
    ExportPart, Failure, FailureKind, Keeper, OperationKind, OperationPlan, OperationSite, Pinned,
    PinnedTarget, PlanDetails, PlanOrder, Planned, WorkEnd, WorkOrder, WorkState,
};
use mailkeep_model::FailureClass;
use mailkeep_ports::{Key, MemoryStore, PutOptions, Store};

/// Called before an item is written.
pub(crate) type BeforeItem = Arc<dyn Fn(u64, StopSignal) -> BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct FakeOperations {
    pub(crate) items: Mutex<u64>,
    /// How often each item was written to the target.
    pub(crate) written: Mutex<BTreeMap<u64, u32>>,
    /// Items that work was begun at: what was looked at again.
    pub(crate) looked: Mutex<Vec<u64>>,
    /// What comes next of a plan, after which item work fails, and how.
    pub(crate) plans: Mutex<VecDeque<Failure>>,
    pub(crate) failures: Mutex<VecDeque<(u64, Failure)>>,
    pub(crate) before: Mutex<Option<BeforeItem>>,
    exports: Arc<MemoryStore>,
}

pub(crate) fn failure(class: FailureClass) -> Failure {
    Failure {
        kind: FailureKind::Class {
            class,
            retry_after: None,
        },
        message: "told to fail".to_owned(),
    }
}

impl FakeOperations {
    pub(crate) fn new(exports: Arc<MemoryStore>) -> Self {
        Self {
            items: Mutex::new(4),
            written: Mutex::default(),
            looked: Mutex::default(),
            plans: Mutex::default(),
            failures: Mutex::default(),
            before: Mutex::default(),
            exports,
        }
    }

    async fn item(&self, order: &WorkOrder, state: &mut WorkState, number: u64) {
        self.looked.lock().unwrap().push(number);
        state.counts.items_done = number + 1;
        state.cursor = Some(Cursor {
            folders: usize::try_from(number + 1).unwrap(),
            ..Cursor::default()
        });
        if order.request.kind() == OperationKind::Export {
            let name = format!("exports/{}/{:08}-{number:06}.zip", order.id, order.attempt);
            let key = Key::new(&name).unwrap();
            let put = self.exports.put(&key, "x".into(), PutOptions::if_absent());
            put.await.expect("no two attempts write one object");
            state.parts += 1;
            state.part_bytes += 1;
            state.counts.created += 1;
            state.new_parts.push(ExportPart {
                number: state.parts,
                key: name,
                file_name: format!("part-{number}.zip"),
                size_bytes: 1,
                sha256: String::new(),
                items: 1,
            });
            return;
        }
        // What is there already is recognised, as by a marker.
        let mut written = self.written.lock().unwrap();
        let times = written.entry(number).or_default();
        if *times > 0 {
            state.counts.already_there += 1;
        } else {
            state.counts.created += 1;
            *times += 1;
        }
    }
}

#[async_trait]
impl OperationSite for FakeOperations {
    async fn plan(&self, order: &PlanOrder, _stop: StopSignal) -> Result<Planned, Failure> {
        if let Some(failure) = self.plans.lock().unwrap().pop_front() {
            return Err(failure);
        }
        let is_restore = order.request.kind() == OperationKind::Restore;
        let target = is_restore.then(|| PinnedTarget {
            realm: "tenant".to_owned(),
            mailbox: "id-ann".to_owned(),
            new_folder: None,
        });
        let items = *self.items.lock().unwrap();
        Ok(Planned {
            pinned: Pinned {
                vault_mailbox: "v".to_owned(),
                sequence: 7,
                target,
            },
            plan: OperationPlan {
                items,
                to_create: items,
                ..OperationPlan::default()
            },
            details: PlanDetails {
                more: 3,
                ..PlanDetails::default()
            },
        })
    }

    async fn carry_out(
        &self,
        order: &WorkOrder,
        keeper: Arc<dyn Keeper>,
        stop: StopSignal,
    ) -> (WorkEnd, WorkState) {
        let mut state = order.state.clone();
        let items = *self.items.lock().unwrap();
        let failure = self.failures.lock().unwrap().pop_front();
        for number in state.counts.items_done..items {
            let before = self.before.lock().unwrap().clone();
            if let Some(before) = before {
                before(number, stop.clone()).await;
            }
            if let Some((_, failure)) = failure.as_ref().filter(|(at, _)| *at == number) {
                return (WorkEnd::Failed(failure.clone()), state);
            }
            if stop.is_stopped() {
                return (WorkEnd::Stopped, state);
            }
            self.item(order, &mut state, number).await;
            if !keeper.keep(&mut state).await {
                return (WorkEnd::Stopped, state);
            }
        }
        (WorkEnd::Done, state)
    }
}
