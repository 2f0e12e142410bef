use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailkeep_local::{LocalHooks, SystemClock};
use mailkeep_ports::conformance::{self, KnownHooks};
use mailkeep_ports::{HookCall, HookFault, HookRunner, HookTarget};

use crate::http::{Receiver, status};

fn shell(script: &str) -> HookTarget {
    HookTarget::Exec(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()])
}

fn call(target: HookTarget, seconds: u64) -> HookCall {
    HookCall {
        id: "01RUN-after".to_owned(),
        target,
        facts: vec![
            ("MAILKEEP_JOB_NAME".to_owned(), "a \"b\" $(c)".to_owned()),
            ("MAILKEEP_OUTCOME".to_owned(), "completed".to_owned()),
        ],
        timeout: Duration::from_secs(seconds),
    }
}

fn hooks() -> LocalHooks {
    LocalHooks::new(Arc::new(SystemClock::new()))
}

fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

/// What the init process of a container does not collect stays as a zombie, which is not alive.
async fn is_gone(pid: &str) -> bool {
    for _ in 0..200 {
        if !is_alive(pid) {
            return true;
        }
        tokio::task::spawn_blocking(|| std::process::Command::new("sleep").arg("0.02").status())
            .await
            .unwrap()
            .unwrap();
    }
    false
}

#[tokio::test]
async fn programs_keep_the_contract() {
    let known = KnownHooks {
        good: shell("echo hello"),
        bad: (shell("exit 7"), 7),
        endless: shell("trap '' TERM; while :; do sleep 0.1; done"),
        chatty: shell(
            "i=0; while [ $i -lt 4000 ]; do echo 0123456789; i=$((i+1)); done; echo the end",
        ),
        missing: HookTarget::Exec(vec!["/no/such/program".to_owned()]),
    };
    conformance::hooks(&hooks(), &known).await.unwrap();
}

#[tokio::test]
async fn webhooks_keep_the_contract() {
    let answer = |code: u16, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {code} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let good = Receiver::start(&[&answer(200, "hello")]).await;
    let bad = Receiver::start(&[&answer(503, "busy")]).await;
    let endless = Receiver::start(&[""]).await;
    let text = format!("{}the end", "0123456789".repeat(5_000));
    let chatty = Receiver::start(&[&answer(200, &text)]).await;
    let gone = Receiver::start(&[&answer(200, "")]).await;
    let target =
        |receiver: &Receiver| HookTarget::Webhook(format!("http://127.0.0.1:{}/x", receiver.port));
    let known = KnownHooks {
        good: target(&good),
        bad: (target(&bad), 503),
        endless: target(&endless),
        chatty: target(&chatty),
        missing: target(&gone),
    };
    drop(gone);
    tokio::task::yield_now().await;
    conformance::hooks(&hooks(), &known).await.unwrap();
}

#[tokio::test]
async fn a_program_gets_the_facts_and_nothing_of_our_environment() {
    let report = hooks()
        .run(&call(HookTarget::Exec(vec!["env".to_owned()]), 20))
        .await;
    assert_eq!(report.fault, None);
    let names: Vec<_> = report
        .output
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert!(
        names.contains(&"MAILKEEP_OUTCOME") && names.contains(&"PATH"),
        "{names:?}"
    );
    // Cargo sets many in this process.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let known = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
    for name in names {
        assert!(
            known.contains(&name) || name.starts_with("MAILKEEP_"),
            "{name} was passed on"
        );
    }
}

#[tokio::test]
async fn no_shell_reads_the_arguments() {
    let words = ["printf", "%s|", "$HOME", "`id`", "a b", "; exit 3"];
    let target = HookTarget::Exec(words.iter().map(|word| (*word).to_owned()).collect());
    let report = hooks().run(&call(target, 20)).await;
    assert_eq!(report.output, "$HOME|`id`|a b|; exit 3|");
}

#[tokio::test]
async fn what_ignores_the_request_to_end_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!(
        "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & echo $! > {0}; echo $$ >> {0}; while :; do sleep 0.1; done",
        file.display()
    );
    let report = hooks().run(&call(shell(&script), 1)).await;
    assert_eq!(report.fault, Some(HookFault::TimedOut));
    let pids = std::fs::read_to_string(file).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(is_gone(pid).await, "{pid} is alive");
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_and_does_not_hold_us_up() {
    let report = hooks().run(&call(shell("sleep 1000 & echo $!"), 20)).await;
    assert_eq!(report.fault, None);
    assert!(is_gone(&report.output).await);
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let task = tokio::spawn(async move { hooks().run(&call(shell(&script), 100)).await });
    let pid = loop {
        match std::fs::read_to_string(&file) {
            Ok(pid) if pid.ends_with('\n') => break pid,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(is_alive(&pid));
    task.abort();
    assert!(task.await.is_err());
    assert!(is_gone(&pid).await);
}

#[tokio::test]
async fn a_flood_of_output_takes_bounded_memory() {
    let script =
        "yes 0123456789012345678901234567890123456789 | head -c 50000000; echo; echo done >&2";
    let report = hooks().run(&call(shell(script), 60)).await;
    assert_eq!(report.fault, None);
    assert!(report.output.len() <= mailkeep_ports::hook::MAX_HOOK_OUTPUT);
    assert!(report.dropped_bytes > 49_900_000);
}

#[tokio::test]
async fn a_signal_and_a_file_that_may_not_be_executed_are_told() {
    let report = hooks().run(&call(shell("kill -9 $$"), 20)).await;
    assert_eq!(report.fault, Some(HookFault::Signal(9)));
    let file = tempfile::NamedTempFile::new().unwrap();
    let target = HookTarget::Exec(vec![file.path().display().to_string()]);
    let report = hooks().run(&call(target, 20)).await;
    let Some(HookFault::CannotStart(why)) = report.fault else {
        panic!("{report:?}");
    };
    assert!(why.contains("executed"), "{why}");
}

#[tokio::test]
async fn a_webhook_gets_the_facts_as_json_and_no_redirect_is_followed() {
    let elsewhere = Receiver::start(&[&status(200, "")]).await;
    let location = format!("location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    let receiver = Receiver::start(&[&status(307, &location)]).await;
    let address = format!("http://127.0.0.1:{}/x", receiver.port);
    let report = hooks().run(&call(HookTarget::Webhook(address), 20)).await;
    assert_eq!(report.fault, Some(HookFault::Code(307)));
    assert!(elsewhere.requests().is_empty());
    let request = receiver.requests().pop().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["schema"], 1);
    assert_eq!(body["id"], "01RUN-after");
    assert_eq!(body["job_name"], "a \"b\" $(c)");
    assert_eq!(body["outcome"], "completed");
}
