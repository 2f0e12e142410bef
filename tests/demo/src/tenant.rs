//! The simulated tenant of the demonstration, and what happens in it.

use exchange_sim::{Admin, Fault, FaultKind, RetryAfter, SimClock, SimTenant};

use crate::{Args, Failure};

/// Calls out of a thousand that fail in some way, as they do on a bad day.
const RANDOM_FAULTS: u64 = 3;

/// Starts the tenant, with a service that throttles now and then.
pub(crate) async fn start(args: &Args) -> Result<SimTenant, Failure> {
    let mut builder = SimTenant::builder()
        .seed(2026)
        .mailboxes(args.mailboxes)
        .items_per_mailbox(args.items)
        .clock(SimClock::real_time());
    if let Some(path) = &args.from {
        builder = builder.from_path(path);
    }
    let tenant = builder.start().await?;
    let admin = tenant.admin();
    admin.set_random_faults(RANDOM_FAULTS);
    for (number, address) in addresses(&admin).iter().enumerate().take(2) {
        let wait = RetryAfter::Seconds(2);
        let fault = Fault::new(FaultKind::Throttle { retry_after: wait }, 3);
        let pause = if number == 0 { 20 } else { 60 };
        admin.inject(fault.only("GET").for_mailbox(address).after(pause));
    }
    Ok(tenant)
}

/// The addresses of the accounts that have a mailbox.
pub(crate) fn addresses(admin: &Admin) -> Vec<String> {
    let mailboxes = admin.mailboxes().into_iter();
    mailboxes
        .filter(|mailbox| mailbox.has_mailbox)
        .filter_map(|mailbox| mailbox.address)
        .collect()
}

/// One item that the service cannot read until it is healed.
pub(crate) struct Damaged {
    mailbox: String,
    item: String,
}

impl Damaged {
    /// Damages one item of the last mailbox that has several.
    pub(crate) fn one(admin: &Admin) -> Result<Option<Self>, Failure> {
        for mailbox in addresses(admin).into_iter().rev() {
            let items = admin.items(&mailbox)?;
            if let Some(item) = items.get(items.len() / 2) {
                admin.corrupt_item(&mailbox, &item.id)?;
                let item = item.id.clone();
                return Ok(Some(Self { mailbox, item }));
            }
        }
        Ok(None)
    }

    /// Makes it whole again.
    pub(crate) fn heal(&self, admin: &Admin) -> Result<(), Failure> {
        Ok(admin.heal_item(&self.mailbox, &self.item)?)
    }
}

/// What happened in the tenant.
#[derive(Default)]
pub(crate) struct Evolved {
    pub(crate) added: u32,
    pub(crate) edited: u32,
    pub(crate) moved: u32,
    pub(crate) deleted: u32,
    pub(crate) flagged: u32,
}

/// A day in the office: new mail, edits, moves, deletions, flags, in every mailbox.
pub(crate) fn evolve(admin: &Admin) -> Result<Evolved, Failure> {
    let mut evolved = Evolved::default();
    for mailbox in addresses(admin) {
        let items = admin.items(&mailbox)?;
        for _ in 0..4 {
            admin.add_mail(&mailbox, "inbox")?;
            evolved.added += 1;
        }
        // Every kind of change hits items of its own, so that the counts are exact.
        for (index, item) in items.iter().enumerate().take(14) {
            match index {
                0..2 if !item.is_exact => {
                    admin.edit_body(&mailbox, &item.id)?;
                    evolved.edited += 1;
                }
                0..4 => {
                    admin.set_read(&mailbox, &item.id, !item.is_read)?;
                    evolved.flagged += 1;
                }
                4..7 => {
                    admin.set_flag(&mailbox, &item.id, !item.is_flagged)?;
                    evolved.flagged += 1;
                }
                7..11 => {
                    admin.move_mail(&mailbox, &item.id, "deleteditems")?;
                    evolved.moved += 1;
                }
                _ => {
                    admin.delete_mail(&mailbox, &item.id)?;
                    evolved.deleted += 1;
                }
            }
        }
    }
    Ok(evolved)
}
