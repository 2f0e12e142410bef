//! The demonstration, step by step.

use mailkeep_cli::Exit;
use mailkeep_cli::args::UnlockArgs;
use mailkeep_engine::browse;
use mailkeep_model::WellKnownFolder;
use mailkeep_vault::{ItemFilter, Mailbox, MailboxView};

use crate::place::Place;
use crate::shell::{Shell, heading};
use crate::tenant::{self, Damaged};
use crate::{Args, Failure, next};

/// What the vault holds that the later steps talk about.
pub(crate) struct Chosen {
    /// A mailbox with mail.
    pub(crate) mailbox: String,
    /// Another mailbox.
    pub(crate) other: String,
    /// A folder of the first one.
    pub(crate) folder: String,
    /// An item of the first one.
    pub(crate) item: String,
    /// The restore point after the first backup.
    pub(crate) first: u64,
}

/// Tells the whole story.
pub(crate) async fn tell(args: &Args) -> Result<(), Failure> {
    let place = Place::choose(args.keep.as_deref())?;
    let shell = Shell::new(&place);
    let clock = shell.session()?.clock;
    let start = clock.monotonic();
    let step = |text: &str| heading(clock.monotonic().saturating_sub(start), text);

    step("A simulated Microsoft 365 tenant starts on this machine");
    let tenant = tenant::start(args).await?;
    let admin = tenant.admin();
    let addresses = tenant::addresses(&admin);
    let items: u64 = admin.mailboxes().iter().map(|mailbox| mailbox.items).sum();
    println!(
        "{} with {} mailboxes and {items} items. Its service throttles and fails now and then, and \
         one item is damaged.\nEverything goes to {}.\n",
        tenant.base_url(),
        addresses.len(),
        place.root().display()
    );
    let damaged = Damaged::one(&admin)?;

    step("A vault, its keys, and a connection to the tenant");
    let (key, recovery) = (shown(place.key()), shown(place.recovery_key()));
    shell
        .run_without_key(&[
            "init",
            "--new-key-file",
            &key,
            "--recovery-key-file",
            &recovery,
        ])
        .await?;
    connect(&shell, &place, &tenant).await?;

    step("The first backup: every mailbox");
    expect(shell.run(&["backup"]).await?, &[Exit::Done, Exit::Gaps])?;
    let chosen = choose(&shell, &addresses).await?;

    step("A day passes at the tenant, and the damaged item is healed");
    if let Some(damaged) = &damaged {
        damaged.heal(&admin)?;
    }
    let evolved = tenant::evolve(&admin)?;
    println!(
        "{} new mails, {} edited, {} moved, {} deleted, {} marked read, unread or flagged.\n",
        evolved.added, evolved.edited, evolved.moved, evolved.deleted, evolved.flagged
    );

    step("The second backup: only what changed, and what was missing");
    expect(shell.run(&["backup"]).await?, &[Exit::Done])?;

    step("Restore points, and what is different between them");
    shell.run(&["snapshots"]).await?;
    let first = chosen.first.to_string();
    shell
        .run(&["diff", "--mailbox", &chosen.mailbox, &first])
        .await?;

    step("Is everything in the vault, intact, and as much as the tenant has?");
    admin.clear_faults();
    expect(
        shell.run(&["verify", "--full", "--source"]).await?,
        &[Exit::Done, Exit::Gaps],
    )?;
    shell.run(&["stats"]).await?;

    step("One mail back, as a file");
    let one = shown(place.one_mail());
    let words = [
        "export",
        "--mailbox",
        &chosen.mailbox,
        "--item",
        &chosen.item,
        "--output",
        &one,
    ];
    expect(shell.run(&words).await?, &[Exit::Done])?;
    println!("It is {}\n", place.one_mail_file()?.display());

    step("One folder back, into another mailbox");
    let words = [
        "restore",
        "--mailbox",
        &chosen.mailbox,
        "--folder",
        &chosen.folder,
        "--to",
        &chosen.other,
    ];
    let plan: Vec<_> = words.iter().copied().chain(["--dry-run"]).collect();
    expect(shell.run(&plan).await?, &[Exit::Done])?;
    expect(shell.run(&words).await?, &[Exit::Done])?;
    let sent = admin.sent().len();
    println!("Mail that the restore sent to anyone: {sent}.\n");

    step("The tenant is gone; the vault stays");
    // The connection would lead nowhere now.
    shell.run(&["connection", "rm", "simulated"]).await?;
    tenant.shutdown().await;
    next::print(&place, &chosen);
    Ok(())
}

async fn connect(
    shell: &Shell,
    place: &Place,
    tenant: &exchange_sim::SimTenant,
) -> Result<(), Failure> {
    let file = place.client_secret();
    std::fs::write(&file, &tenant.client_secret)?;
    let path = shown(file.clone());
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let words = [
        "connection",
        "add",
        "simulated",
        "--tenant",
        &tenant.tenant_id,
        "--client-id",
        &tenant.client_id,
        "--login-url",
        tenant.base_url(),
        "--graph-url",
        tenant.base_url(),
        "--client-secret-file",
        &path,
    ];
    let added = shell.run(&words).await;
    // The vault holds it now.
    std::fs::remove_file(&file)?;
    expect(added?, &[Exit::Done])?;
    expect(
        shell.run(&["connection", "test", "simulated"]).await?,
        &[Exit::Done],
    )
}

/// A step that ends otherwise than it should ends the demonstration.
fn expect(exit: Exit, wanted: &[Exit]) -> Result<(), Failure> {
    if wanted.contains(&exit) {
        Ok(())
    } else {
        Err(format!("the last command ended with exit code {}", exit.code()).into())
    }
}

/// Looks for a folder of bearable size and an item in it.
async fn choose(shell: &Shell, addresses: &[String]) -> Result<Chosen, Failure> {
    let engine = shell.session()?.engine(&UnlockArgs::default()).await?;
    for address in addresses {
        let Ok(mailbox) = browse::find_mailbox(&engine, address).await else {
            continue;
        };
        let view = mailbox.view().await?;
        let Some((folder, item)) = choose_folder(&mailbox, &view).await? else {
            continue;
        };
        return Ok(Chosen {
            mailbox: address.clone(),
            other: addresses
                .iter()
                .find(|other| *other != address)
                .cloned()
                .unwrap_or_default(),
            folder,
            item,
            first: view.sequence(),
        });
    }
    Err("no folder with mail was backed up".into())
}

/// The smallest folder with at least 5 items, else the fullest one. The Inbox comes last: it
/// changes in this story.
async fn choose_folder(
    mailbox: &Mailbox,
    view: &MailboxView,
) -> Result<Option<(String, String)>, Failure> {
    let rank = |total: u64, is_inbox: bool| match total {
        0 => u64::MAX,
        1..5 => u64::MAX - total,
        total if is_inbox => total.saturating_add(1_000_000_000),
        total => total,
    };
    let mut folders: Vec<_> = view
        .folders()
        .iter()
        .filter(|stored| !stored.deleted)
        .collect();
    folders.sort_by_key(|stored| {
        let is_inbox = stored.folder.well_known == Some(WellKnownFolder::Inbox);
        rank(stored.folder.total_items.unwrap_or(0), is_inbox)
    });
    for stored in folders {
        let filter = ItemFilter {
            folders: Some(vec![stored.folder.id.clone()]),
            ..ItemFilter::default()
        };
        let page = view.items(&filter, None, 1).await?;
        if let Some(version) = page.items.first() {
            debug_assert!(!mailbox.realm().is_empty());
            return Ok(Some((stored.path.to_string(), version.key.to_string())));
        }
    }
    Ok(None)
}

fn shown(path: std::path::PathBuf) -> String {
    path.display().to_string()
}
