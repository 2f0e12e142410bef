//! Credentials, tokens and permissions.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use exchange_sim::SimTenant;
use mailkeep_exchange::Source;
use mailkeep_exchange::graph::{Credential, GraphConnection, GraphSource};
use mailkeep_model::FailureClass;
use mailkeep_ports::SeededRng;

use crate::setup::{World, clock, connection, small};

fn source(connection: &GraphConnection) -> GraphSource {
    GraphSource::new(connection, clock(), Arc::new(SeededRng::new(3))).unwrap()
}

async fn class(connection: &GraphConnection) -> FailureClass {
    source(connection).mailboxes(None).await.unwrap_err().class
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = vec![tag, 0x82, length[0], length[1]];
    out.extend_from_slice(content);
    out
}

/// A certificate that holds nothing but a key.
fn certificate(key: &KeyPair) -> Vec<u8> {
    let key: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let empty = der(0x30, &[]);
    let body = [
        der(0x02, &[1]),
        empty.clone(),
        empty.clone(),
        empty.clone(),
        empty,
        key.as_ref().to_vec(),
    ]
    .concat();
    der(0x30, &der(0x30, &body))
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64_simd::STANDARD.encode_to_string(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[tokio::test]
async fn a_certificate_signs_in() {
    let sim = small(1).start().await.unwrap();
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let certificate = certificate(&key);
    let with_certificate = GraphConnection {
        credential: Credential::Certificate {
            certificate_pem: pem("CERTIFICATE", &certificate),
            private_key_pem: pem("PRIVATE KEY", pkcs8.as_ref()).into(),
        },
        ..connection(&sim)
    };
    assert_eq!(class(&with_certificate).await, FailureClass::AuthCredential);
    sim.admin().register_certificate(&certificate);
    source(&with_certificate).mailboxes(None).await.unwrap();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let sim = small(1).start().await.unwrap();
    let mut wrong = connection(&sim);
    wrong.credential = Credential::Secret("wrong".to_owned().into());
    assert_eq!(class(&wrong).await, FailureClass::AuthCredential);
    let mut wrong = connection(&sim);
    wrong.tenant_id = "00000000-0000-0000-0000-000000000000".into();
    assert_eq!(class(&wrong).await, FailureClass::Configuration);
    let mut wrong = connection(&sim);
    wrong.client_id = "00000000-0000-0000-0000-000000000000".into();
    assert_eq!(class(&wrong).await, FailureClass::Configuration);
    sim.admin().expire_secret(true);
    let error = source(&connection(&sim)).mailboxes(None).await.unwrap_err();
    assert_eq!(error.code, "AADSTS7000222");
    assert!(error.message.contains("expired"));
    sim.admin().expire_secret(false);
    sim.admin().refuse_logins(Some(53_003));
    assert_eq!(class(&connection(&sim)).await, FailureClass::AuthConsent);
}

#[tokio::test]
async fn tokens_are_shared_and_renewed_early() {
    let world = World::start(10).await;
    let known = world.first_run().await;
    let tokens = |sim: &SimTenant| {
        let counters = sim.admin().counters();
        let posts = counters.iter().filter(|(name, _)| name.contains("oauth2"));
        posts.map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(tokens(&world.sim), 1, "one token for everything");
    let hour = std::time::Duration::from_secs(3_500);
    world.clock.advance(hour);
    world.sim.admin().advance(hour);
    let reads = known.items.values().take(8).map(|item| async {
        world
            .source
            .content(&world.mailbox, &item.item)
            .await
            .map(|_| ())
    });
    for outcome in futures::future::join_all(reads).await {
        outcome.unwrap();
    }
    assert_eq!(tokens(&world.sim), 2, "one early renewal for eight callers");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let world = World::start(10).await;
    let known = world.first_run().await;
    world.sim.admin().revoke_tokens();
    world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    world.sim.admin().revoke_tokens();
    world.sim.admin().expire_secret(true);
    let error = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::AuthCredential);
}

#[tokio::test]
async fn missing_permissions_are_named() {
    let world = World::start(10).await;
    let missing = |checks: Vec<mailkeep_exchange::PermissionCheck>| -> Vec<String> {
        let failed = checks.into_iter().filter(|check| check.failure.is_some());
        failed.map(|check| check.permission).collect()
    };
    let mailbox = Some(&world.mailbox);
    let all = [
        "User.Read.All",
        "Mail.Read",
        "MailboxSettings.Read",
        "Contacts.Read",
        "Calendars.Read",
        "Tasks.Read.All",
        "Contacts.ReadWrite",
        "Calendars.ReadWrite",
        "Tasks.ReadWrite.All",
        "Mail.ReadWrite",
    ];
    for lacking in all {
        // The right to write includes the right to read.
        let writing = lacking.replace("Read", "ReadWrite");
        let is_granted = |role: &&str| *role != lacking && *role != writing;
        let granted: Vec<&str> = all.into_iter().filter(is_granted).collect();
        world.sim.admin().set_roles(&granted);
        let checks = source(&connection(&world.sim))
            .check_permissions(mailbox)
            .await
            .unwrap();
        let found = missing(checks);
        assert_eq!(found[0], lacking);
        let has_both = all.contains(&writing.as_str());
        assert_eq!(found.len(), if has_both { 2 } else { 1 }, "{found:?}");
    }
    world.sim.admin().set_roles(&all);
    let checks = source(&connection(&world.sim))
        .check_permissions(mailbox)
        .await
        .unwrap();
    assert!(
        checks.iter().all(|check| check.failure.is_none()),
        "{checks:?}"
    );
    assert!(checks.iter().any(|check| check.restore_only));
}
