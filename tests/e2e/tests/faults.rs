//! What goes wrong at the service: the summary tells the truth, and the next run heals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exchange_sim::{Admin, Fault, FaultKind, MailboxState, RetryAfter, TokenLoss};
use futures::TryStreamExt;
use mailkeep_e2e::{Rig, of, small, stored, truth};
use mailkeep_engine::backup::backup;
use mailkeep_engine::{EngineError, Event, Observer, StopSignal};
use mailkeep_model::{FailureClass, MailboxOutcome, Representation, RunSummary};

fn throttle(retry_after: RetryAfter, times: u32) -> Fault {
    Fault::new(FaultKind::Throttle { retry_after }, times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_throttling_is_waited_out() {
    let rig = Rig::start(small(2, 30)).await;
    for retry_after in [
        RetryAfter::Seconds(7),
        RetryAfter::Fraction("2.128".into()),
        RetryAfter::Date(30),
        RetryAfter::Absent,
    ] {
        rig.admin.inject(throttle(retry_after.clone(), 15));
        rig.admin
            .inject(throttle(retry_after.clone(), 15).only("$value").after(5));
        let before = rig.clock.0.unix_millis();
        let run = rig.back_up_complete().await;
        assert!(run.counters().throttles > 0, "{retry_after:?}");
        assert!(rig.clock.0.unix_millis() > before + 1_000);
        rig.rest();
        rig.admin.evolve(30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_of_every_kind_are_tried_again() {
    let rig = Rig::start(small(2, 20)).await;
    let error = |status, code: &str| FaultKind::Error {
        status,
        code: code.into(),
    };
    for (kind, only) in [
        (FaultKind::EmptyError { status: 503 }, ""),
        (FaultKind::EmptyError { status: 504 }, ""),
        (FaultKind::EmptyError { status: 502 }, "$batch"),
        (error(500, "ErrorInternalServerError"), "messages"),
        (error(503, "ErrorMailboxStoreUnavailable"), "delta"),
        (FaultKind::TruncateJson, ""),
        (FaultKind::TruncateJson, "delta"),
        (FaultKind::CutStream { after: 900 }, "$value"),
        (FaultKind::CutStream { after: 0 }, "$value"),
        (FaultKind::ControlCharacters, "delta"),
        (FaultKind::LostAnswer, ""),
    ] {
        rig.admin.inject(Fault::new(kind.clone(), 4).only(only));
        let run = rig.back_up().await;
        assert_eq!(run.exit_code(), 0, "{kind:?} {only}: {run:?}");
        rig.check().await;
        rig.admin.clear_faults();
        rig.rest();
        rig.admin.evolve(30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_by_chance_never_make_the_summary_lie() {
    for seed in 1..=5 {
        let rig = Rig::start(small(2, 40).seed(seed)).await;
        rig.admin.set_random_faults(60 * seed);
        for _ in 0..3 {
            match rig.try_back_up(&rig.engine(), rig.request()).await {
                Ok(run) if run.exit_code() == 0 => rig.check().await,
                Ok(run) => tells_its_gaps(&rig, &run).await,
                Err(EngineError::Source(_)) => {}
                Err(error) => panic!("{error}"),
            }
            rig.rest();
            rig.admin.evolve(10);
        }
        rig.admin.clear_faults();
        rig.back_up_complete().await;
    }
}

/// Whatever a run could not take is named: by a gap, an incomplete folder or a failed mailbox.
async fn tells_its_gaps(rig: &Rig, run: &RunSummary) {
    for mailbox in &run.mailboxes {
        if matches!(mailbox.outcome, MailboxOutcome::Complete) {
            let id = mailbox.mailbox.as_str();
            let held = stored(&rig.view(id).await, false).await;
            held.expect(&truth(&rig.admin, id, false), id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_cursors_cost_a_listing_and_nothing_else() {
    let rig = Rig::start(small(1, 80)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    for loss in [
        TokenLoss::GoneWithLocation,
        TokenLoss::Gone,
        TokenLoss::NotFound,
        TokenLoss::Invalid,
    ] {
        rig.rest();
        rig.admin.expire_delta_tokens(&first, None, loss).unwrap();
        rig.count_anew();
        let run = rig.back_up_complete().await;
        let counters = &of(&run, &first).counters;
        assert!(counters.resyncs > 0, "{loss:?}");
        assert_eq!((counters.items_stored, counters.items_updated), (0, 0));
        assert_eq!((counters.bytes_read, rig.content_reads()), (0, 0));
        let written: u64 = rig.mailbox_writes().iter().map(|call| call.bytes).sum();
        // Cursors are new; the service's are long and cannot be compressed.
        let cursors = 1_500 * rig.view(&first).await.folders().len() as u64;
        // Each commit carries some of those before it.
        let carried = 48 * 1024 * rig.mailbox_writes().len() as u64;
        assert!(written < cursors + carried, "{loss:?}: {written} bytes");
        // With changes that nobody told of.
        let items = rig.items(&first);
        rig.admin.delete_mail(&first, &items[0].id).unwrap();
        rig.admin
            .move_mail(&first, &items[1].id, "archive")
            .unwrap();
        let new = rig.admin.add_mail(&first, "inbox").unwrap();
        rig.admin.expire_delta_tokens(&first, None, loss).unwrap();
        rig.count_anew();
        rig.back_up_complete().await;
        assert!(rig.content_reads() <= 2, "{new}: {}", rig.content_reads());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_item_is_a_gap_until_it_is_healed() {
    let rig = Rig::start(small(2, 60)).await;
    let first = rig.first();
    let items = rig.items(&first);
    let (old, other) = (items[20].id.clone(), items[40].id.clone());
    for item in [&old, &other] {
        rig.admin.corrupt_item(&first, item).unwrap();
    }
    let run = rig.back_up().await;
    assert_eq!(
        of(&run, &first).outcome,
        MailboxOutcome::WithGaps { gaps: 2 }
    );
    assert_eq!(run.exit_code(), 3);
    let view = rig.view(&first).await;
    let mut gaps: Vec<_> = view.gaps().into_iter().map(|gap| gap.item.0).collect();
    gaps.sort();
    let mut wanted = vec![old.clone(), other.clone()];
    wanted.sort();
    assert_eq!(gaps, wanted);
    let held = stored(&view, false).await;
    let mut truth = truth(&rig.admin, &first, false);
    truth.facts.items.retain(|id, _| *id != old && *id != other);
    held.expect(&truth, "all but the corrupt ones");

    // It stays a gap, and the summary goes on to say so.
    let again = rig.back_up().await;
    assert_eq!(again.exit_code(), 3);
    rig.admin.heal_item(&first, &old).unwrap();
    let run = rig.back_up().await;
    assert_eq!(
        of(&run, &first).outcome,
        MailboxOutcome::WithGaps { gaps: 1 }
    );
    rig.admin.heal_item(&first, &other).unwrap();
    rig.count_anew();
    rig.back_up_complete().await;
    assert!(rig.content_reads() <= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_without_mime_is_rebuilt_and_says_so() {
    let rig = Rig::start(small(1, 0).unusual_mail(false)).await;
    let first = rig.first();
    let raw = b"From: Ann <ann@x.example>\r\nTo: bob@x.example\r\nSubject: Angebot\r\n\
        Message-ID: <m1@x.example>\r\nDate: Mon, 2 Nov 2026 07:00:00 +0000\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
        Guten Tag\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
        Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        QUJDREVGRw==\r\n--b--\r\n";
    let item = rig.admin.add_raw_mail(&first, "inbox", raw).unwrap();
    rig.admin.break_mime(&first, &item).unwrap();
    let run = rig.back_up().await;
    assert_eq!(
        of(&run, &first).outcome,
        MailboxOutcome::Complete,
        "{run:?}"
    );
    let view = rig.view(&first).await;
    let page = view.items(&Default::default(), None, 10).await.unwrap();
    let reader = view.content(&page.items[0]).await.unwrap();
    assert_eq!(reader.representation(), Representation::MimeRebuilt);
    assert!(reader.rebuilt_because().is_some());
    let pieces: Vec<_> = reader.mime().try_collect().await.unwrap();
    let text = String::from_utf8(pieces.concat()).unwrap();
    for wanted in [
        "<m1@x.example>",
        "Angebot",
        "Guten Tag",
        "a.pdf",
        "QUJDREVGRw==",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_is_refused_does_not_stop_the_others() {
    let rig = Rig::start(small(3, 15)).await;
    let first = rig.first();
    for (state, class) in [
        (MailboxState::Denied, FailureClass::AuthScope),
        (MailboxState::Moving, FailureClass::MailboxBusy),
        (MailboxState::NotEnabled, FailureClass::MailboxUnavailable),
    ] {
        rig.admin.set_mailbox_state(&first, state).unwrap();
        let run = rig.back_up().await;
        assert_eq!(run.exit_code(), 3, "{run:?}");
        for mailbox in rig.mailboxes() {
            let outcome = &of(&run, &mailbox).outcome;
            if mailbox == first {
                let is_told =
                    matches!(outcome, MailboxOutcome::Failed { class: c, .. } if *c == class);
                assert!(is_told, "{outcome:?}");
            } else {
                assert_eq!(*outcome, MailboxOutcome::Complete);
            }
        }
        rig.rest();
    }
    rig.admin
        .set_mailbox_state(&first, MailboxState::Available)
        .unwrap();
    rig.back_up_complete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_mailbox_leaves_no_trace_when_the_service_fails() {
    let rig = Rig::start(small(1, 5)).await;
    let all = rig.admin.mailboxes().into_iter();
    for account in all.filter(|account| !account.has_mailbox) {
        let fails = Fault::new(FaultKind::EmptyError { status: 503 }, 1_000);
        rig.admin
            .inject(fails.only("mailFolders").for_mailbox(&account.id));
    }
    rig.back_up().await;
    assert_eq!(rig.vault.mailboxes().await.unwrap().len(), 1);
    rig.admin.clear_faults();
    rig.back_up_complete().await;
}

/// Does something to the tenant each time that a run goes on.
struct Saboteur<F>(AtomicU64, F);

impl<F: Fn(u64) + Send + Sync + 'static> Observer for Saboteur<F> {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Progress { .. }) {
            (self.1)(self.0.fetch_add(1, Ordering::SeqCst));
        }
    }
}

async fn sabotaged(
    rig: &Rig,
    work: impl Fn(&Admin, u64) + Send + Sync + 'static,
) -> Result<RunSummary, EngineError> {
    let admin = rig.admin.clone();
    let observer = Arc::new(Saboteur(AtomicU64::new(0), move |n| work(&admin, n)));
    let (engine, stop) = (rig.engine(), StopSignal::new());
    backup(&engine, rig.source(), rig.request(), observer, stop).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_end_in_the_middle_are_renewed() {
    let rig = Rig::start(small(2, 60)).await;
    let run = sabotaged(&rig, |admin, n| match n {
        // Far apart: a call that is refused three times in a row gives up, as it should.
        2 | 80 => admin.advance(std::time::Duration::from_secs(2 * 3_600)),
        40 => admin.revoke_tokens(),
        _ => {}
    })
    .await
    .unwrap();
    assert_eq!(run.exit_code(), 0, "{run:?}");
    rig.check().await;
    let counters = rig.admin.counters();
    let renewals = counters["POST /{tenant}/oauth2/v2.0/token 200"];
    assert!(renewals > 2, "{renewals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_no_good_ends_with_exit_code_4() {
    let rig = Rig::start(small(2, 40)).await;
    rig.admin.expire_secret(true);
    let run = rig.try_back_up(&rig.engine(), rig.request()).await;
    let error = run.unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(!error.to_string().contains(&rig.sim.client_secret));
    rig.admin.expire_secret(false);

    // In the middle of a run.
    let run = sabotaged(&rig, |admin, n| {
        if n == 1 {
            admin.expire_secret(true);
            admin.revoke_tokens();
        }
    })
    .await
    .unwrap();
    assert_eq!(run.exit_code(), 4, "{run:?}");
    rig.admin.expire_secret(false);
    rig.back_up_complete().await;

    rig.admin.refuse_logins(Some(53_003));
    let error = rig
        .try_back_up(&rig.engine(), rig.request())
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_to_another_host_are_not_followed() {
    let rig = Rig::start(small(2, 30)).await;
    let first = rig.first();
    let fault = Fault::new(FaultKind::ForeignLink, 10_000).only("delta");
    rig.admin.inject(fault.for_mailbox(&first));
    let run = rig.back_up().await;
    // One mailbox says so; the others are none the worse.
    assert_ne!(run.exit_code(), 0, "{run:?}");
    let others = run.mailboxes.iter().filter(|one| one.mailbox.0 != first);
    assert!(others.clone().count() > 0);
    for other in others {
        assert_eq!(other.outcome, MailboxOutcome::Complete, "{other:?}");
    }
    let outcome = &of(&run, &first).outcome;
    let is_told = matches!(outcome, MailboxOutcome::Failed { code, .. } if code == "foreign_link");
    assert!(is_told, "{outcome:?}");
    rig.admin.clear_faults();
    rig.back_up_complete().await;
}
