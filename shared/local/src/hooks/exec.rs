//! Programs.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mailkeep_ports::{Clock, HookCall, HookFault, HookReport};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::output::Tail;

/// What a program gets of our environment.
const PASSED_ON: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// From the request to end to the end.
const GRACE: Duration = Duration::from_secs(3);
/// For output that is still in the pipes when everything has ended.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) async fn run(clock: &dyn Clock, words: &[String], call: &HookCall) -> HookReport {
    let tail = Arc::new(Tail::default());
    let mut child = match start(words, call) {
        Ok(child) => child,
        Err(cause) => return tail.report(Some(HookFault::CannotStart(cause))),
    };
    // Kills what is left, whether this function comes to its end or is dropped.
    let group = Group(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let mut readers = JoinSet::new();
    read(&mut readers, child.stdout.take(), &tail);
    read(&mut readers, child.stderr.take(), &tail);
    let fault = end(clock, &mut child, &group, call.timeout).await;
    drop(group);
    tokio::select! {
        () = async { while readers.join_next().await.is_some() {} } => {}
        // Somebody left the group and holds the pipes.
        () = clock.sleep(DRAIN) => {}
    }
    tail.report(fault)
}

fn start(words: &[String], call: &HookCall) -> Result<Child, String> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in &call.facts {
        command.env(name, value);
    }
    command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such program on this machine".to_owned(),
        ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => format!("the system refuses: {error}"),
    })
}

/// Waits for the end, and brings it about at the timeout.
async fn end(
    clock: &dyn Clock,
    child: &mut Child,
    group: &Group,
    timeout: Duration,
) -> Option<HookFault> {
    tokio::select! {
        ended = child.wait() => return match ended {
            Ok(status) => fault(status),
            Err(error) => Some(HookFault::CannotStart(format!("its end was lost: {error}"))),
        },
        () = clock.sleep(timeout) => {}
    }
    group.signal(Signal::TERM);
    tokio::select! {
        _ = child.wait() => {}
        () = clock.sleep(GRACE) => {
            group.signal(Signal::KILL);
            // A killed process ends; the wait is bounded all the same.
            tokio::select! {
                _ = child.wait() => {}
                () = clock.sleep(GRACE) => {}
            }
        }
    }
    Some(HookFault::TimedOut)
}

fn fault(status: ExitStatus) -> Option<HookFault> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(HookFault::Code(code)),
        (None, Some(signal)) => Some(HookFault::Signal(signal)),
        (None, None) => Some(HookFault::Code(-1)),
    }
}

fn read(
    readers: &mut JoinSet<()>,
    pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
    tail: &Arc<Tail>,
) {
    let Some(mut pipe) = pipe else { return };
    let tail = tail.clone();
    readers.spawn(async move {
        let mut buffer = vec![0; 8 << 10];
        while let Ok(length) = pipe.read(&mut buffer).await {
            match buffer.get(..length) {
                Some(bytes) if length > 0 => tail.push(bytes),
                _ => return,
            }
        }
    });
}

/// A group of processes, killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // No error: it may be empty already.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
