//! How the program ends: 0 done, 1 error, 2 usage, 3 gaps, 4 authentication; and what keys do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::time::Duration;

use exchange_sim::{Fault, FaultKind, MailboxState, SimTenant, SimTenantBuilder};
use support::{CONNECTION, Run, World, run};

fn small() -> SimTenantBuilder {
    SimTenant::builder().mailboxes(2).items_per_mailbox(12)
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2() {
    let world = World::ready(small()).await;
    for words in [
        &["frobnicate"][..],
        &["backup", "--no-such-option"],
        &["verify", "--full", "--sample", "5%"],
        &["find", "--since", "yesterday"],
        &[
            "connection",
            "add",
            "x y",
            "--tenant",
            "t",
            "--client-id",
            "c",
        ],
        &["restore", "--mailbox", "x", "--item", "1", "--subject", "y"],
    ] {
        let mut command = world.command(words);
        command.env("MAILKEEP_CLIENT_SECRET", "x");
        run(command).await.expect(2);
    }
    let mut no_vault = world.bare();
    no_vault.arg("stats");
    let no_vault = run(no_vault).await.expect(2);
    assert!(
        no_vault.stderr.contains("MAILKEEP_VAULT"),
        "{}",
        no_vault.stderr
    );
    let mut help = world.bare();
    help.args(["help", "restore"]);
    let help = run(help).await.expect(0);
    assert!(help.text().contains("--on-conflict") && help.text().contains("Examples:"));
    for shell in ["bash", "zsh", "fish"] {
        let mut completions = world.bare();
        completions.args(["completions", shell]);
        assert!(run(completions).await.expect(0).text().contains("mailkeep"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_ends_with_1() {
    let world = World::ready(small()).await;
    world.run(&["backup"]).await.expect(0);
    let ann = world.addresses().remove(0);
    for words in [
        &["ls", "--mailbox", "nobody@x.example"][..],
        &["ls", "--mailbox", &ann, "No such folder"],
        &["ls", "--mailbox", &ann, "--snapshot", "999"],
        &["cat", "--mailbox", &ann, "3k7p2m9qx4w2a"],
        &["connection", "test", "nowhere"],
        &["restore", "--mailbox", &ann, "--to", "nobody@x.example"],
    ] {
        let failed = world.run(words).await.expect(1);
        assert!(failed.stderr.starts_with("mailkeep: "), "{}", failed.stderr);
        assert!(
            !failed.stderr.contains("nobody"),
            "an address: {}",
            failed.stderr
        );
    }
    let mut elsewhere = world.command(&["stats", "--json", "--vault", "/no/such/vault"]);
    elsewhere.env_remove("MAILKEEP_VAULT");
    let elsewhere = run(elsewhere).await.expect(1);
    let error: serde_json::Value = serde_json::from_str(&elsewhere.stderr).unwrap();
    assert_eq!(
        (&error["type"], &error["exit_code"]),
        (&"error".into(), &1.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_end_with_3_until_a_later_run_heals_them() {
    let world = World::ready(small()).await;
    let admin = world.tenant.admin();
    let ann = world.addresses().remove(0);
    let item = admin.items(&ann).unwrap()[4].id.clone();
    admin.corrupt_item(&ann, &item).unwrap();
    let first = world.json(&["backup"]).await.expect(3);
    assert_eq!(first.object("run_finished")["outcome"], "with_gaps");
    let gaps = world.json(&["verify"]).await.expect(3);
    let kinds: Vec<_> = gaps
        .objects("finding")
        .iter()
        .map(|one| one["kind"].clone())
        .collect();
    assert_eq!(kinds, ["gap"]);
    world.run(&["backup"]).await.expect(3);
    admin.heal_item(&ann, &item).unwrap();
    world.run(&["backup"]).await.expect(0);
    world.run(&["verify", "--full", "--source"]).await.expect(0);
    // One mailbox that does not let us in, beside one that does: a gap, too.
    admin.set_mailbox_state(&ann, MailboxState::Denied).unwrap();
    let partial = world.json(&["backup"]).await.expect(3);
    assert_eq!(partial.object("run_finished")["outcome"], "partial");
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_ends_with_4() {
    let world = World::ready(small()).await;
    let admin = world.tenant.admin();
    admin.set_roles(&["User.Read.All", "MailboxSettings.Read"]);
    let test = world
        .json(&["connection", "test", CONNECTION])
        .await
        .expect(4);
    let missing = test.objects("permission").into_iter();
    let missing: Vec<_> = missing.filter(|one| one["granted"] == false).collect();
    let mail = missing
        .iter()
        .find(|one| one["permission"] == "Mail.Read")
        .unwrap();
    assert!(
        world
            .addresses()
            .iter()
            .any(|address| mail["mailbox"] == address.as_str())
    );
    admin.expire_secret(true);
    admin.revoke_tokens();
    world
        .run(&["connection", "test", CONNECTION])
        .await
        .expect(4);
    let backup = world.run(&["backup"]).await.expect(4);
    assert!(
        !backup.stderr.contains(&world.tenant.client_secret),
        "{}",
        backup.stderr
    );
    // A key that does not fit is authentication as well, and so is none.
    let wrong = world.path("wrong.key");
    std::fs::write(&wrong, format!("mailkeep-key-1 {}\n", "00".repeat(32))).unwrap();
    world
        .run(&["stats", "--key-file", wrong.to_str().unwrap()])
        .await
        .expect(4);
    let mut none = world.command(&["stats"]);
    none.env_remove("MAILKEEP_KEY_FILE");
    run(none).await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_keys_that_work_and_touches_nothing_that_is_there() {
    let world = World::start(small()).await;
    let (vault, recovery) = (world.vault(), world.path("recovery.key"));
    let init = |passphrase: &'static str| {
        let mut command = world.bare();
        command.arg("init").arg("--vault").arg(world.vault());
        command
            .arg("--recovery-key-file")
            .arg(world.path("recovery.key"));
        command.env("MAILKEEP_PASSPHRASE", passphrase);
        run(command)
    };
    std::fs::create_dir(&vault).unwrap();
    std::fs::write(vault.join("mine"), "x").unwrap();
    init("correct horse").await.expect(2);
    assert!(!recovery.exists());
    std::fs::remove_file(vault.join("mine")).unwrap();
    std::fs::write(&recovery, "mine").unwrap();
    init("correct horse").await.expect(2);
    assert_eq!(std::fs::read(&recovery).unwrap(), b"mine");
    std::fs::remove_file(&recovery).unwrap();
    // A folder cannot forbid deleting; that is said, and no vault is made.
    let mut locked = world.bare();
    locked.arg("init").arg("--vault").arg(world.path("locked"));
    locked
        .arg("--recovery-key-file")
        .arg(world.path("locked.key"));
    locked.args(["--lock-mode", "compliance", "--lock-days", "30"]);
    locked.env("MAILKEEP_PASSPHRASE", "correct horse");
    let locked = run(locked).await.expect(1);
    assert!(
        locked.stderr.contains("no Object Lock"),
        "{}",
        locked.stderr
    );
    assert!(!world.path("locked").join("vault").exists());
    let made = init("correct horse").await.expect(0);
    assert!(made.text().contains("lost for good"), "{}", made.text());
    init("correct horse").await.expect(2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&recovery).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let open = |passphrase: Option<&'static str>, recovery: bool| {
        let mut command = world.bare();
        command.arg("stats").arg("--vault").arg(world.vault());
        if let Some(passphrase) = passphrase {
            command.env("MAILKEEP_PASSPHRASE", passphrase);
        }
        if recovery {
            command
                .arg("--recovery-key-file")
                .arg(world.path("recovery.key"));
        }
        run(command)
    };
    open(Some("correct horse"), false).await.expect(0);
    open(None, true).await.expect(0);
    open(Some("wrong horse"), false).await.expect(4);
    open(None, false).await.expect(4);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_commits_and_the_next_run_goes_on() {
    let world = World::ready(SimTenant::builder().mailboxes(1).items_per_mailbox(150)).await;
    let admin = world.tenant.admin();
    let slow = FaultKind::Slow { millis: 60 };
    admin.inject(Fault::new(slow, 100_000).only("GET").after(30));
    let mut command = world.command(&["backup", "--json"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id().unwrap().to_string();
    while admin.http_requests() < 60 {
        #[expect(clippy::disallowed_methods, reason = "waits for another process")]
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kill = tokio::process::Command::new("kill")
        .args(["-INT", &id])
        .status()
        .await;
    assert!(kill.unwrap().success());
    let stopped = Run::of(child.wait_with_output().await.unwrap()).expect(1);
    let outcome = &stopped.object("run_finished");
    assert_eq!(outcome["outcome"], "stopped");
    let kept = outcome["counters"]["items_stored"].as_u64().unwrap();
    assert!(kept > 0 && kept < 150, "{kept}");
    admin.clear_faults();
    let rest = world
        .json(&["backup"])
        .await
        .expect(0)
        .object("run_finished");
    let all = admin.mailboxes()[0].items;
    assert_eq!(
        rest["counters"]["items_stored"].as_u64().unwrap() + kept,
        all
    );
    world.run(&["verify", "--full", "--source"]).await.expect(0);
}
