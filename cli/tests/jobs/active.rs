//! A job that is at work is edited and deleted.

use crate::support::World;
use crate::{end, serve_with, tenant, wait_for, write};

/// At work for as long as there is no file `gate`.
fn definition(world: &World, more: &str) -> String {
    let gate = world.path("gate");
    let script = format!("while [ ! -e {} ]; do sleep 0.05; done\n", gate.display());
    let script = write(world, "wait.sh", &script);
    format!(
        "name = \"Busy\"\nconnection = \"simulated\"\nstorage = \"main\"\nidle_time = \"90:00:00\"\n\
         start_on_create = true\n{more}\n[hooks.before]\ncall = {{ exec = [\"sh\", \"{script}\"] }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_at_work_is_edited_only_when_one_says_how() {
    let world = World::ready(tenant(1, 1)).await;
    let file = write(&world, "job.toml", &definition(&world, ""));
    world
        .run(&["job", "create", "--file", &file])
        .await
        .expect(0);
    let child = serve_with(&world, "60", &[]);
    wait_for(&world, "Busy", |job| job["state"]["code"] == "running").await;
    let changed = write(&world, "changed.toml", &definition(&world, "priority = 1"));
    let words = ["job", "edit", "Busy", "--file", &changed];
    let refused = world.run(&words).await.expect(1);
    assert!(refused.stderr.contains("is active"), "{}", refused.stderr);
    let job = crate::named(&world, "Busy").await;
    assert_eq!(
        (&job["definition"], &job["newest_definition"]),
        (&1.into(), &1.into()),
        "nothing is changed"
    );
    // After this cycle: the cycle keeps its definition, the next one has the new one.
    world
        .run(&[&words[..], &["--after-cycle"]].concat())
        .await
        .expect(0);
    let job = crate::named(&world, "Busy").await;
    assert_eq!(
        (&job["definition"], &job["newest_definition"]),
        (&1.into(), &2.into())
    );
    std::fs::write(world.path("gate"), "").unwrap();
    let job = wait_for(&world, "Busy", |job| job["last"]["cycle"] == 1).await;
    assert_eq!(job["definition"], 2);
    let runs = world
        .json(&["job", "runs", "Busy"])
        .await
        .expect(0)
        .objects("run");
    assert_eq!(
        (&runs[0]["definition"], &runs[0]["ended"]),
        (&1.into(), &1.into())
    );
    // Stopped first: the cycle ends, and the job goes on with the new definition.
    std::fs::remove_file(world.path("gate")).unwrap();
    world.run(&["job", "start", "Busy"]).await.expect(0);
    wait_for(&world, "Busy", |job| job["runs"] == 2).await;
    let again = write(&world, "again.toml", &definition(&world, "priority = 5"));
    let words = ["job", "edit", "Busy", "--file", &again, "--stop-first"];
    world.run(&words).await.expect(0);
    std::fs::write(world.path("gate"), "").unwrap();
    let stopped = |job: &serde_json::Value| job["last"]["cycle"] == 2 && job["definition"] == 3;
    wait_for(&world, "Busy", stopped).await;
    end(child).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_at_work_is_deleted_after_it_stopped_and_its_backups_stay() {
    let world = World::ready(tenant(1, 2)).await;
    let file = write(&world, "job.toml", &definition(&world, ""));
    world
        .run(&["job", "create", "--file", &file])
        .await
        .expect(0);
    std::fs::write(world.path("gate"), "").unwrap();
    let child = serve_with(&world, "60", &[]);
    wait_for(&world, "Busy", |job| job["last"]["cycle"] == 1).await;
    std::fs::remove_file(world.path("gate")).unwrap();
    world.run(&["job", "start", "Busy"]).await.expect(0);
    wait_for(&world, "Busy", |job| job["runs"] == 2).await;
    world.run(&["job", "rm", "Busy"]).await.expect(1);
    world
        .run(&["job", "rm", "Busy", "--stop-first"])
        .await
        .expect(0);
    // Nobody can start it any more, and it is still there while it ends.
    world.run(&["job", "start", "Busy"]).await.expect(1);
    let all = world.json(&["job", "ls"]).await.expect(0);
    assert_eq!(all.objects("job").len(), 1);
    std::fs::write(world.path("gate"), "").unwrap();
    for _ in 0..300 {
        if world
            .json(&["job", "ls"])
            .await
            .expect(0)
            .objects("job")
            .is_empty()
        {
            break;
        }
    }
    end(child).await;
    assert!(
        world
            .json(&["job", "ls"])
            .await
            .expect(0)
            .objects("job")
            .is_empty()
    );
    let address = &world.addresses()[0];
    let kept = world.json(&["snapshots", "--mailbox", address]).await;
    assert!(!kept.expect(0).objects("snapshot").is_empty());
    // Its name is free.
    world
        .run(&["job", "create", "--file", &file])
        .await
        .expect(0);
}
