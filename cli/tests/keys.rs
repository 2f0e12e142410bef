//! Keys of a vault: another key, a new root key, a drill of the recovery key, a person erased.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use exchange_sim::{MailProfile, SimTenant};
use support::World;

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_and_the_mail_stays() {
    let builder = SimTenant::builder().mailboxes(2).items_per_mailbox(8);
    let world = World::ready(builder.profile(MailProfile::Small)).await;
    world.run(&["backup", "--json"]).await.expect(0);
    let addresses = world.addresses();

    let recovery = world.path("recovery.key");
    let recovery = recovery.to_str().unwrap();
    let drill = ["drill", "--recovery-key-file", recovery, "--json"];
    let before = world.run(&drill).await.expect(0).object("drill");
    assert_eq!(before["key_epoch"], 1);
    assert_eq!(before["mailboxes"], 2);
    assert!(before["item"]["bytes"].as_u64().unwrap() > 0);

    // A second key file opens the vault; the rotation to it makes the first one useless.
    let second = world.path("second.key");
    let second = second.to_str().unwrap();
    let rotate = ["key", "rotate", "--new-key-file", second, "--json"];
    let rotated = world.run(&rotate).await.expect(0);
    let rotated = rotated.object("keys_rotated");
    assert_eq!(rotated["epoch"], 2);
    assert_eq!(rotated["mailbox_keys"], 2);
    world.run(&["stats"]).await.expect(4);
    let with_second = |words: &[&str]| {
        let mut command = world.bare();
        command.args(words).arg("--vault").arg(world.vault());
        command.arg("--key-file").arg(world.path("second.key"));
        support::run(command)
    };
    with_second(&["verify", "--full"]).await.expect(0);
    // The recovery key was sealed again without being there.
    let after = world.run(&drill).await.expect(0).object("drill");
    assert_eq!(after["key_epoch"], 2);

    // Erasing asks for a decision, then the mailbox is gone and the other one stays.
    let erased = &addresses[0];
    with_second(&["erase", erased, "--yes"]).await.expect(0);
    let left = with_second(&["ls", "--mailbox", &addresses[1], "--json"]).await;
    left.expect(0);
    let gone = with_second(&["ls", "--mailbox", erased]).await;
    assert_ne!(gone.code, 0, "an erased mailbox must not open");
    let after = world.run(&drill).await.expect(0).object("drill");
    assert_eq!(after["erased"], 1);
}
