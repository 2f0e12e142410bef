//! Faults of the service that must not be seen outside.

use exchange_sim::{Fault, FaultKind};
use mailkeep_exchange::Source;
use mailkeep_model::FailureClass;

use crate::setup::{World, present};

#[tokio::test]
async fn passing_faults_are_outlasted() {
    for kind in [
        FaultKind::EmptyError { status: 503 },
        FaultKind::EmptyError { status: 504 },
        FaultKind::EmptyError { status: 404 },
        FaultKind::Error {
            status: 500,
            code: "ErrorInternalServerTransientError".into(),
        },
        FaultKind::TruncateJson,
        FaultKind::LostAnswer,
        FaultKind::ControlCharacters,
    ] {
        let world = World::start(20).await;
        world.source.mailboxes(None).await.unwrap();
        world.sim.admin().inject(Fault::new(kind.clone(), 2));
        let known = world.first_run().await;
        let items = world.sim.admin().items(world.id()).unwrap();
        assert_eq!(known.items.len(), items.len(), "{kind:?}");
    }
}

#[tokio::test]
async fn random_faults_lose_nothing() {
    let world = World::start(120).await;
    world.sim.admin().set_random_faults(60);
    let known = world.first_run().await;
    world.sim.admin().clear_faults();
    let items = world.sim.admin().items(world.id()).unwrap();
    assert_eq!(known.items.len(), items.len());
}

#[tokio::test]
async fn control_characters_are_read() {
    let world = World::start(5).await;
    world.source.mailboxes(None).await.unwrap();
    let fault = Fault::new(FaultKind::ControlCharacters, 20).only("messages/delta");
    world.sim.admin().inject(fault);
    let (changes, _) = world.read(&world.folder("inbox"), None).await.unwrap();
    assert!(!present(&changes).is_empty());
    assert_eq!(world.source.metrics(Some(&world.mailbox)).retries, 0);
}

#[tokio::test]
async fn links_to_another_host_are_not_followed() {
    let world = World::start(5).await;
    for _ in 0..3 {
        world.sim.admin().add_mail(world.id(), "inbox").unwrap();
    }
    let fault = Fault::new(FaultKind::ForeignLink, 1).only("messages/delta");
    world.sim.admin().inject(fault);
    let error = world.read(&world.folder("inbox"), None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Transient);
    assert_eq!(error.code, "foreign_link");
}

#[tokio::test]
async fn a_fault_that_stays_ends_in_bounds() {
    let world = World::start(5).await;
    world.source.mailboxes(None).await.unwrap();
    let fault = Fault::new(FaultKind::EmptyError { status: 503 }, 10_000).only("messages/delta");
    world.sim.admin().inject(fault);
    let error = world.read(&world.folder("inbox"), None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::MailboxBusy);
    assert!(world.sim.admin().http_requests() < 60);
}
