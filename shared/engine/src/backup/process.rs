//! Taking many items with bounded concurrency, and keeping account.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mailkeep_exchange::{SourceError, SourceItem};
use mailkeep_model::filter::Decision;
use mailkeep_model::{FailureClass, FolderId, Gap, Item, ItemFailure, ItemId};

use super::halt::{Halt, Verdict, judge};
use super::session::Session;
use super::take::{Belief, Taken};
use crate::Event;

/// Passing failures of items in a row after which the source is asked whether it is there at all.
const MAX_FAILURES_IN_A_ROW: u32 = 8;

impl Session {
    /// Takes these items. On a stop or a halt those in flight are finished first. Commits on the
    /// way when enough has gathered; nothing is in flight then.
    pub(super) async fn process(&mut self, items: Vec<SourceItem>) -> Result<(), Halt> {
        self.announce_content(&items);
        let limit = self.context.request.concurrent_items.max(1);
        let mut queue = items.into_iter().peekable();
        while queue.peek().is_some() {
            self.check_stop()?;
            let mut running = FuturesUnordered::new();
            let mut halt = None;
            loop {
                while running.len() < limit
                    && halt.is_none()
                    && !self.is_commit_due()
                    && !self.context.stop.is_stopped()
                    && let Some(item) = queue.next()
                {
                    if self.tried.contains(&item.item.id) {
                        continue;
                    }
                    let gap = self.ledger.get(&item.item.id);
                    let is_gap = gap.is_some();
                    let is_lost = gap.is_some_and(|gap| gap.failure.class == FailureClass::Vault);
                    let rereads = self.reads_everything();
                    if !is_gap && !rereads && self.taker.is_stored(&item) {
                        self.counters.items_unchanged += 1;
                        continue;
                    }
                    let decision = self.decide(&item);
                    self.note_decision(&item, decision);
                    let belief = match decision {
                        Decision::LeaveOut { .. } if !self.taker.is_known(&item) => {
                            self.counters.items_left_out += 1;
                            self.close_gap(&item.item.id)?;
                            continue;
                        }
                        Decision::LeaveOut { .. } => Belief::OnlyMoves,
                        Decision::Take if is_gap => Belief::Nothing,
                        Decision::Take if rereads => Belief::AllButContent,
                        Decision::Take => Belief::All,
                    };
                    let taker = self.taker.clone();
                    running.push(async move {
                        let taken = if is_lost {
                            taker.take_again(&item).await
                        } else {
                            taker.take(&item, belief).await
                        };
                        (item, taken)
                    });
                }
                let Some((item, taken)) = running.next().await else {
                    break;
                };
                if let Err(error) = self.account(&item, taken).await {
                    // What concerns the vault matters most.
                    if !matches!(halt, Some(Halt::Vault(_))) {
                        halt = Some(error);
                    }
                }
                self.report_progress();
            }
            if let Some(halt) = halt {
                return Err(halt);
            }
            self.commit_if_due().await?;
        }
        Ok(())
    }

    /// Tells the source which contents will be asked for, so that it may read several at once.
    fn announce_content(&self, items: &[SourceItem]) {
        let wanted: Vec<&Item> = items
            .iter()
            .filter(|item| !self.tried.contains(&item.item.id))
            .filter(|item| self.ledger.contains_key(&item.item.id) || !self.taker.is_stored(item))
            .filter(|item| self.decide(item) == Decision::Take)
            .map(|item| &item.item)
            .collect();
        self.context.source.expect_content(&self.mailbox, &wanted);
    }

    async fn account(&mut self, item: &SourceItem, taken: Taken) -> Result<(), Halt> {
        let (id, folder) = (&item.item.id, &item.item.folder);
        match taken {
            Taken::Unchanged => self.counters.items_unchanged += 1,
            Taken::Updated => self.counters.items_updated += 1,
            Taken::Stored => self.counters.items_stored += 1,
            Taken::LeftOut => self.counters.items_left_out += 1,
            // Not believed at once: the removal is verified like any other.
            Taken::Gone => {
                self.gone.insert(id.clone());
                return self.doubt_any(id, folder);
            }
            Taken::Failed(error, is_passing) => {
                self.record_failure(id, folder, error.item_failure())?;
                return if is_passing {
                    self.suspect(id, error).await
                } else {
                    Ok(())
                };
            }
            Taken::Halt(halt) => return Err(halt),
        }
        self.failures_in_a_row = 0;
        self.is_substantive = true;
        self.close_gap(id)
    }

    /// Many failures in a row: either these items are bad, or nothing works any more. Without this
    /// an outage would turn a whole mailbox into gaps.
    async fn suspect(&mut self, id: &ItemId, error: SourceError) -> Result<(), Halt> {
        self.failures_in_a_row += 1;
        if self.failures_in_a_row < MAX_FAILURES_IN_A_ROW {
            return Ok(());
        }
        self.failures_in_a_row = 0;
        let ids = std::slice::from_ref(id);
        match self.context.source.locate(&self.mailbox, ids).await {
            Ok(_) => Ok(()),
            Err(probe) => match judge(probe) {
                Verdict::Halt(halt) => Err(halt),
                _ => Err(Halt::Source(error)),
            },
        }
    }

    /// Puts the item into the ledger of failed items, once per run.
    pub(super) fn record_failure(
        &mut self,
        id: &ItemId,
        folder: &FolderId,
        failure: ItemFailure,
    ) -> Result<(), Halt> {
        if !self.tried.insert(id.clone()) {
            return Ok(());
        }
        let now = self.context.engine.clock().now();
        let earlier = self.ledger.get(id);
        let gap = Gap {
            item: id.clone(),
            folder: folder.clone(),
            failure,
            attempts: earlier.map_or(1, |gap| gap.attempts.saturating_add(1)),
            first_failed_at: earlier.map_or(now, |gap| gap.first_failed_at),
            last_failed_at: now,
        };
        self.counters.items_failed += 1;
        self.is_substantive = true;
        self.writer.record_gap(gap.clone());
        self.emit(&Event::Gap {
            mailbox: self.mailbox.clone(),
            gap: gap.clone(),
        });
        self.ledger.insert(id.clone(), gap);
        Ok(())
    }

    pub(super) fn close_gap(&mut self, id: &ItemId) -> Result<(), Halt> {
        if self.ledger.remove(id).is_some() {
            self.writer.resolve_gap(id);
            self.is_substantive = true;
        }
        Ok(())
    }

    /// An item that the source names, finds and still does not hand out.
    pub(super) fn record_contradiction(
        &mut self,
        id: &ItemId,
        folder: &FolderId,
    ) -> Result<(), Halt> {
        let failure = ItemFailure {
            class: FailureClass::ItemGone,
            code: "found_but_gone".into(),
            request_id: None,
        };
        self.record_failure(id, folder, failure)
    }
}
