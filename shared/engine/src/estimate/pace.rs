//! How fast a pass over all mailboxes goes, and what holds it up.

use super::amounts::{Amounts, seconds};
use super::costs::{self, per_batch, per_thousand};
use super::{Question, float};

/// One pass over all mailboxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How long it takes.
    pub seconds: f64,
    /// What decides that.
    pub bound: Bound,
    /// Seconds of all workers together.
    pub worker_seconds: f64,
    /// Seconds of the planner.
    pub planner_seconds: f64,
    /// How often the planner looks.
    pub ticks: f64,
    /// Mailboxes per second that the planner can hand out at most, over all jobs.
    pub handed_out_per_second: f64,
    /// Requests to the source.
    pub source_requests: f64,
}

/// What decides how long a pass takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The number of workers.
    Workers,
    /// The planner, which lists mailboxes and hands them out one after the other.
    Planner,
}

impl Pace {
    pub(super) fn of(question: &Question) -> Self {
        let mailboxes = question.mailboxes();
        let changed = mailboxes * question.changed();
        let of_items = question.items_per_change() * item_seconds(question);
        let worker_seconds =
            (mailboxes - changed) * unchanged_seconds() + changed * (changed_seconds() + of_items);
        let (listing, handing_out) = (
            seconds(&costs::LISTED_THOUSAND) * per_thousand(1.0),
            seconds(&costs::HANDED_OUT_TEN) * per_batch(1.0),
        );
        let at_once = float(question.mailboxes).min(f64::from(question.workers));
        let tick = Amounts::of(&costs::TICK, 1.0).seconds()
            + Amounts::of(&costs::TICK_OF_ONE_IN_FLIGHT, at_once).seconds();
        // It looks at what is in flight each time before it hands out.
        let planner_seconds = mailboxes * (listing + handing_out) * (1.0 + tick);
        let by_workers = worker_seconds / at_once.max(1.0);
        let seconds = by_workers.max(planner_seconds);
        let content = changed * question.items_per_change();
        Self {
            seconds,
            bound: if by_workers >= planner_seconds {
                Bound::Workers
            } else {
                Bound::Planner
            },
            worker_seconds,
            planner_seconds,
            ticks: (seconds / tick.max(costs::SECONDS_BETWEEN_TICKS)).max(1.0),
            handed_out_per_second: 1.0 / (handing_out * (1.0 + tick)),
            source_requests: mailboxes * float(costs::SOURCE_REQUESTS) + content,
        }
    }
}

/// Of a worker, for a mailbox in which nothing changed.
pub(super) fn unchanged_seconds() -> f64 {
    float(costs::SOURCE_REQUESTS) * costs::SOURCE_SECONDS + seconds(&costs::UNCHANGED_MAILBOX)
}

/// Of a worker, for a mailbox in which something changed, without the items.
pub(super) fn changed_seconds() -> f64 {
    float(costs::SOURCE_REQUESTS) * costs::SOURCE_SECONDS + seconds(&costs::CHANGED_MAILBOX)
}

/// Of a worker, for one item: it is read over one of four calls at once, then split, compressed and encrypted.
pub(super) fn item_seconds(question: &Question) -> f64 {
    let processors = f64::from(question.worker_megabytes) / costs::MEGABYTES_PER_PROCESSOR;
    let work = float(question.item_bytes) / 1e9 * costs::PROCESSOR_SECONDS_PER_GB;
    costs::SOURCE_SECONDS / float(costs::SOURCE_CALLS_AT_ONCE) + work / processors.max(0.1)
}
