//! `mailkeep serve`: planner and workers in one process.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_engine::hooks::{HookCaller, HookOrder};
use mailkeep_engine::ledger::{JobError, Ledger};
use mailkeep_engine::news::Desk;
use mailkeep_engine::operation::{OperationSite, VaultOperations};
use mailkeep_engine::plan::{PlanSettings, Planner};
use mailkeep_engine::run_log::{LogKeep, RunLogs};
use mailkeep_engine::work::{Site, VaultSite, WorkSettings, Worked, Worker};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_local::{Database, FolderLogs, LocalHooks};
use mailkeep_model::news::NotificationSettings;
use mailkeep_ports::{Clock, Queue, Store};
use mailkeep_setup::VaultConnections;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::http::Http;
use super::notify;
use super::operation::{MAX_RECEIVES, QUEUE};
use crate::args::ServeArgs;
use crate::output::Output;
use crate::session::Session;
use crate::{CliError, Exit, interrupt};

/// How long planner and workers rest when there is nothing to do: so late is a command of another
/// process heard.
const REST: Duration = Duration::from_secs(1);
/// How long they rest after the job database failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(15);
/// How long scripts of jobs may go on when this process is told to end.
const HOOK_GRACE: Duration = Duration::from_secs(30);
/// Logs of runs that are kept of each job.
const LOGS: LogKeep = LogKeep {
    runs: 1_000,
    days: 90,
};
/// How often expired records are removed.
const CLEANING: Duration = Duration::from_secs(3_600);

/// Carries out the verb.
///
/// # Errors
/// When the vault or the job database cannot be opened.
pub(super) async fn run(session: &Session, args: &ServeArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let database = session.database(&args.database)?;
    let exports = session.exports(&args.exports, &args.database).await?;
    let http = Http::open(session, args, &engine, &database, &exports).await?;
    let (clock, rng) = (Arc::clone(&session.clock), Arc::clone(&session.rng));
    let connections = VaultConnections::new(engine, &args.storage, clock.clone(), rng.clone());
    let connections = Arc::new(connections);
    let operations = VaultOperations::new(connections.clone(), exports.clone(), clock, rng);
    let mut site = VaultSite::new(connections, Arc::new(Quiet));
    if let Some(folder) = &args.log {
        let logs = FolderLogs::open(folder).map_err(CliError::file("making", folder))?;
        site = site.with_logs(RunLogs::new(
            Arc::new(logs),
            Arc::clone(&session.clock),
            LOGS,
        ));
    }
    let site: Arc<dyn Site> = Arc::new(site);
    let service = Service {
        ledger: session.ledger(&database),
        queue: Arc::new(database.queue(QUEUE, MAX_RECEIVES)),
        clock: Arc::clone(&session.clock),
        news: Arc::new(Notify::new()),
        stop: StopSignal::new(),
        site,
        operations: Arc::new(operations),
        exports,
        database,
    };
    let messenger = Messenger::new(session, args, &service).await?;
    let mut output = session.output();
    output.object(&serde_json::json!({
        "type": "serving", "workers": args.workers, "jobs": service.database.path(),
        "listen": http.as_ref().map(|http| http.address),
    }))?;
    output.line(format!(
        "Running jobs of {} with {} workers. Ctrl-C stops after a last commit.",
        service.database.path().display(),
        args.workers
    ))?;
    if let Some(http) = &http {
        output.line(format!("The API is at http://{}/v1.", http.address))?;
    }
    output.flush()?;
    let watch = interrupt::watch(service.stop.clone());
    let telling = tokio::spawn(messenger.work());
    let answering = http.map(|http| tokio::spawn(http.serve(service.stop.clone())));
    let served = service.serve(args, &mut output).await;
    service.stop.stop();
    // It tells of what has just ended before it ends.
    let _ = telling.await;
    if let Some(answering) = answering {
        let _ = answering.await;
    }
    served?;
    drop(watch);
    output.object(&serde_json::json!({"type": "stopped"}))?;
    output.line("Stopped; everything is committed.")?;
    output.flush()?;
    Ok(Exit::Done)
}

/// Tells people and programs what became of jobs.
struct Messenger {
    desk: Desk,
    settings: NotificationSettings,
    notify: Arc<dyn mailkeep_ports::Notify>,
    clock: Arc<dyn Clock>,
    stop: StopSignal,
}

impl Messenger {
    async fn new(session: &Session, args: &ServeArgs, service: &Service) -> Result<Self, CliError> {
        // Without settings nobody is told, but everything is listed.
        let settings = match &args.notifications {
            Some(path) => notify::settings(path)?,
            None => NotificationSettings::new(),
        };
        let table = Arc::new(service.database.table());
        let clock = Arc::clone(&session.clock);
        Ok(Self {
            desk: Desk::new(table, Arc::clone(&clock), &*session.rng),
            notify: notify::notify(session, &settings).await?,
            settings,
            clock,
            stop: service.stop.clone(),
        })
    }

    async fn work(self) {
        loop {
            let is_last = self.stop.is_stopped();
            let worked = self.desk.work(&self.settings, &*self.notify).await;
            if let Err(error) = &worked {
                tracing::error!(%error, "news cannot be dealt with; trying again");
            }
            if is_last {
                return;
            }
            let rest = if worked.is_ok() {
                REST
            } else {
                REST_AFTER_FAILURE
            };
            self.clock.sleep(rest).await;
        }
    }
}

/// What planner and workers share.
struct Service {
    ledger: Ledger,
    queue: Arc<dyn Queue>,
    site: Arc<dyn Site>,
    operations: Arc<dyn OperationSite>,
    /// Where exports are until they are downloaded.
    exports: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    database: Database,
    /// A worker ended something: the planner has work.
    news: Arc<Notify>,
    stop: StopSignal,
}

impl Service {
    async fn serve(&self, args: &ServeArgs, output: &mut Output) -> Result<(), CliError> {
        let lease = Duration::from_secs(u64::from(args.lease));
        let settings = WorkSettings {
            lease,
            ..WorkSettings::default()
        };
        let mut running = JoinSet::new();
        for number in 1..=args.workers {
            let worker = Worker::numbered(
                number,
                self.ledger.clone(),
                self.queue.clone(),
                self.site.clone(),
                settings,
            );
            let worker = worker.with_operations(self.operations.clone());
            let (news, stop, clock) = (self.news.clone(), self.stop.clone(), self.clock.clone());
            running.spawn(async move { work(&worker, &stop, &*clock, &news).await });
        }
        let settings = PlanSettings {
            capacity: u32::from(args.workers),
            // Later than a message comes back by itself.
            resend: lease * 5 / 2,
            hook_lease: lease,
            ..PlanSettings::default()
        };
        let (ledger, queue) = (self.ledger.clone(), self.queue.clone());
        let planner = Planner::new(ledger, queue, self.site.clone(), settings);
        let planner = planner.with_exports(self.exports.clone());
        let runner = Arc::new(LocalHooks::new(self.clock.clone()));
        let caller = HookCaller::new(self.ledger.clone(), runner, lease, HOOK_GRACE);
        let mut hooks = JoinSet::new();
        self.plan(&planner, &Arc::new(caller), &mut hooks, output)
            .await?;
        while hooks.join_next().await.is_some() {}
        // Workers end by themselves, each after its last commit.
        while running.join_next().await.is_some() {}
        Ok(())
    }

    async fn plan(
        &self,
        planner: &Planner,
        caller: &Arc<HookCaller>,
        hooks: &mut JoinSet<()>,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let mut cleaned_at = None;
        while !self.stop.is_stopped() {
            let now = self.clock.monotonic();
            if cleaned_at.is_none_or(|at| now.saturating_sub(at) >= CLEANING) {
                cleaned_at = Some(now);
                self.clean().await;
            }
            let rest = match planner.tick().await {
                Ok(tick) => {
                    for (job, failure) in &tick.failures {
                        tracing::error!(%job, failure, "a job could not be planned");
                    }
                    for (operation, failure) in &tick.operation_failures {
                        tracing::error!(%operation, failure, "an operation could not be looked after");
                    }
                    while hooks.try_join_next().is_some() {}
                    for order in tick.hooks {
                        hooks.spawn(self.call(caller.clone(), order));
                    }
                    for ended in &tick.ended {
                        output.object(&serde_json::json!({
                            "type": "run_ended",
                            "job": ended.name,
                            "run": ended.cycle,
                            "state": ended.state.code(),
                            "reason": ended.state.reason().map(|reason| reason.code()),
                        }))?;
                        let (name, cycle) = (&ended.name, ended.cycle);
                        output.line(format!("{name}, run {cycle}: {}", ended.state.code()))?;
                    }
                    output.flush()?;
                    let is_due = tick.next_at.is_some_and(|at| at <= self.clock.now());
                    if is_due { Duration::ZERO } else { REST }
                }
                Err(error) => {
                    tracing::error!(%error, "the job database cannot be used; trying again");
                    REST_AFTER_FAILURE
                }
            };
            self.rest(rest).await;
        }
        Ok(())
    }

    /// Calls a hook; the planner has work when it has ended.
    fn call(
        &self,
        caller: Arc<HookCaller>,
        order: HookOrder,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (stop, news) = (self.stop.clone(), self.news.clone());
        async move {
            if let Err(error) = caller.call(&order, &stop).await {
                tracing::error!(%error, "what came of a script could not be written down");
            }
            news.notify_one();
        }
    }

    /// Removes expired records, some at a time so that others may write in between.
    async fn clean(&self) {
        let table = self.database.table();
        loop {
            match table.remove_expired().await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    return tracing::warn!(%error, "expired records were not removed");
                }
            }
        }
    }

    /// Waits, or until a worker ended something.
    async fn rest(&self, rest: Duration) {
        let (sleep, news) = (self.clock.sleep(rest), self.news.notified());
        futures::pin_mut!(news);
        futures::future::select(sleep, news).await;
    }
}

async fn work(worker: &Worker, stop: &StopSignal, clock: &dyn Clock, news: &Notify) {
    while !stop.is_stopped() {
        match worker.work_once(stop).await {
            Ok(Worked::Nothing) => clock.sleep(REST).await,
            Ok(_) => news.notify_one(),
            Err(error) => {
                report(&error);
                clock.sleep(REST_AFTER_FAILURE).await;
            }
        }
    }
}

fn report(error: &JobError) {
    tracing::error!(%error, "a result could not be written down; its task is handed out again");
}
