//! The program is killed at odd moments: run again, it finishes, and nothing is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;

use exchange_sim::{MailProfile, SimTenant};
use support::{World, files_below};

/// Kills the program once it has written so many objects more. True if it had to be killed.
async fn killed_after(world: &World, objects: usize) -> bool {
    let before = files_below(&world.vault()).len();
    let mut command = world.command(&["backup"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = command.spawn().unwrap();
    loop {
        if program.try_wait().unwrap().is_some() {
            return false;
        }
        if files_below(&world.vault()).len() >= before + objects {
            // SIGKILL: nothing is tidied up.
            program.kill().await.unwrap();
            return true;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_nothing() {
    let builder = SimTenant::builder().mailboxes(4).items_per_mailbox(60);
    let builder = builder.profile(MailProfile::Small).unusual_mail(false);
    let world = World::ready(builder.other_accounts(false).rebuild_mime(false)).await;
    let admin = world.tenant.admin();
    let mut kills = 0;
    for objects in [1, 2, 3, 1, 2] {
        kills += u32::from(killed_after(&world, objects).await);
    }
    assert!(kills >= 2, "it was only killed {kills} times");
    world.run(&["backup"]).await.expect(0);

    // A day later, again.
    admin.evolve(40);
    for objects in [1, 1, 2] {
        killed_after(&world, objects).await;
    }
    world.run(&["backup"]).await.expect(0);
    world.run(&["verify", "--full", "--source"]).await.expect(0);
    let mut counted = 0;
    for mailbox in admin.mailboxes() {
        let out = world.path(&mailbox.id);
        let address = mailbox.address.unwrap();
        let to = out.to_str().unwrap();
        world
            .run(&["export", "--mailbox", &address, "--output", to])
            .await
            .expect(0);
        let read = |path: &std::path::PathBuf| std::fs::read(path).unwrap();
        let exported: Vec<Vec<u8>> = files_below(&out).iter().map(read).collect();
        assert_eq!(exported.len() as u64, mailbox.items, "of {address}");
        let exported: BTreeSet<Vec<u8>> = exported.into_iter().collect();
        let folders = admin.folders(&mailbox.id).unwrap();
        let hidden: BTreeSet<_> = folders
            .into_iter()
            .filter(|folder| folder.is_hidden)
            .map(|folder| folder.id)
            .collect();
        for item in admin.items(&mailbox.id).unwrap() {
            if !hidden.contains(&item.folder) {
                let raw = admin.raw(&mailbox.id, &item.id).unwrap();
                assert!(exported.contains(&raw), "{} of {address}", item.id);
                counted += 1;
            }
        }
    }
    assert!(counted > 200);
}
