//! Policies, holds and the plan of a retention, as typed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use exchange_sim::SimTenant;
use support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_follows_policies_and_holds() {
    let world = World::ready(SimTenant::builder().mailboxes(2).items_per_mailbox(12)).await;
    world.run(&["backup", "--quiet"]).await.expect(0);
    let accounts = world.tenant.admin().mailboxes();
    let account = accounts
        .iter()
        .find(|it| it.has_mailbox && it.items > 0)
        .unwrap();
    let (mailbox, address) = (account.id.clone(), account.address.clone().unwrap());
    let gone = world.tenant.admin().items(&mailbox).unwrap()[0].id.clone();
    world.tenant.admin().delete_mail(&mailbox, &gone).unwrap();
    world.run(&["backup", "--quiet"]).await.expect(0);

    let plan = async |expected: u64, held: u64| {
        let run = world
            .json(&["retain", "--dry-run", "--mailbox", &address])
            .await;
        let line = run.expect(0).object("retention");
        assert_eq!(line["dropped_versions"], expected, "{line}");
        assert_eq!(line["held_versions"], held, "{line}");
        assert_eq!(line["dropped_bytes"].as_u64().unwrap() > 0, expected > 0);
    };
    plan(0, 0).await;
    world
        .run(&["policy", "set", "--keep", "0d"])
        .await
        .expect(0);
    plan(1, 0).await;
    world
        .run(&["policy", "set", "--keep", "30d", "--mailbox", &address])
        .await
        .expect(0);
    plan(0, 0).await;
    let shown = world.json(&["policy", "show"]).await.expect(0).lines();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[1]["address"], address.as_str());
    assert_eq!(shown[1]["policy"]["keep_days"], 30);
    world
        .run(&["policy", "reset", "--mailbox", &address])
        .await
        .expect(0);
    world
        .run(&["hold", "add", "case 7", "--mailbox", &address])
        .await
        .expect(0);
    world
        .run(&["hold", "add", "case 7", "--all-mailboxes"])
        .await
        .expect(1);
    plan(0, 1).await;
    let holds = world.run(&["hold", "ls"]).await.expect(0).text();
    assert!(holds.contains("case 7") && holds.contains("everything"));
    world.run(&["hold", "rm", "case 7"]).await.expect(0);
    world.run(&["hold", "rm", "case 7"]).await.expect(1);
    plan(1, 0).await;
    let told = world.run(&["retain", "--dry-run"]).await.expect(0).text();
    assert!(told.contains("keep 0 d") && told.contains("Nothing was changed."));
    let again = world.run(&["retain"]).await.expect(2);
    assert!(again.stderr.contains("--yes"), "{}", again.stderr);
    let run = world.json(&["retain", "--yes"]).await.expect(0);
    let lines = run.objects("retained");
    let dropped = |line: &serde_json::Value| line["dropped_versions"].as_u64().unwrap();
    assert_eq!(lines.iter().map(dropped).sum::<u64>(), 1);
    let line = lines
        .iter()
        .find(|line| line["address"] == address.as_str())
        .unwrap();
    assert_eq!(dropped(line), 1);
    plan(0, 0).await;
    // With nothing to lose nobody is asked, and what is there is whole.
    let told = world.run(&["retain"]).await.expect(0).text();
    assert!(told.contains("WAITING"), "{told}");
    world.run(&["verify", "--full"]).await.expect(0);
    for wrong in [
        &["retain", "--dry-run", "--yes"][..],
        &["retain", "--grace", "1d"],
        &["hold", "add", "x"],
        &["policy", "set"],
        &["policy", "set", "--keep", "90"],
        &["policy", "set", "--keep", "forever", "--daily", "9d"],
    ] {
        world.run(wrong).await.expect(2);
    }
}
