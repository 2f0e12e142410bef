//! What somebody wants to know.

/// Days of a month.
pub(super) const DAYS: f64 = 30.44;

/// A tenant and how it is backed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Mailboxes.
    pub mailboxes: u64,
    /// What one mailbox holds on average at the start, as Exchange counts it.
    pub mailbox_bytes: u64,
    /// The average item.
    pub item_bytes: u64,
    /// New and changed items of one mailbox each day, on average.
    pub items_per_day: f64,
    /// Passes over all mailboxes each day.
    pub passes_per_day: f64,
    /// Which part of the mailboxes a pass finds something new in, when that is known; else it follows from
    /// the items, as if they came at random.
    pub changed_part: Option<f64>,
    /// Jobs that the mailboxes are divided among.
    pub jobs: u64,
    /// Mailboxes that are worked on at once, over all jobs.
    pub workers: u32,
    /// Memory of a worker.
    pub worker_megabytes: u32,
    /// Storage class of the content of mail.
    pub storage_class: String,
    /// The month that is estimated is so many months after the first backup: what came since is stored, too.
    pub months: u32,
    /// Mailboxes that are restored at once, when all are.
    pub restores: u32,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            mailboxes: 100,
            mailbox_bytes: 5_000_000_000,
            item_bytes: 75_000,
            items_per_day: 100.0,
            passes_per_day: 1.0,
            changed_part: None,
            jobs: 1,
            workers: 20,
            worker_megabytes: 1_024,
            storage_class: "STANDARD".to_owned(),
            months: 12,
            restores: 16,
        }
    }
}

impl Question {
    pub(super) fn mailboxes(&self) -> f64 {
        super::float(self.mailboxes)
    }

    /// Passes in a month.
    pub(super) fn passes(&self) -> f64 {
        self.passes_per_day * DAYS
    }

    /// Which part of the mailboxes a pass finds something new in.
    pub(super) fn changed(&self) -> f64 {
        let by_chance = || 1.0 - (-self.items_per_day / self.passes_per_day.max(0.001)).exp();
        self.changed_part.unwrap_or_else(by_chance).clamp(0.0, 1.0)
    }

    /// New items that a pass over a changed mailbox finds.
    pub(super) fn items_per_change(&self) -> f64 {
        let changed = self.changed();
        if changed == 0.0 {
            return 0.0;
        }
        self.items_per_day / self.passes_per_day.max(0.001) / changed
    }

    /// Items of all mailboxes at the start.
    pub(super) fn first_items(&self) -> f64 {
        self.mailboxes() * self.items_of_one()
    }

    /// Items of one mailbox at the start.
    pub(super) fn items_of_one(&self) -> f64 {
        super::float(self.mailbox_bytes) / super::float(self.item_bytes.max(1))
    }

    /// Bytes at the source after so many months, all versions together.
    pub(super) fn source_bytes(&self) -> f64 {
        let grown =
            self.items_per_day * DAYS * f64::from(self.months) * super::float(self.item_bytes);
        self.mailboxes() * (super::float(self.mailbox_bytes) + grown)
    }
}
