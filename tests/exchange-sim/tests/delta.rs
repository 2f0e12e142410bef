//! A client that follows change feeds knows the truth after every round.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;

use std::collections::{BTreeMap, BTreeSet};

use client::Client;
use exchange_sim::{Admin, Anomalies, SimTenant, TokenLoss};
use proptest::prelude::*;
use serde_json::Value;

/// What a client knows: for every folder its items with their change keys.
#[derive(Default)]
struct Copy {
    links: BTreeMap<String, String>,
    items: BTreeMap<String, BTreeMap<String, String>>,
}

impl Copy {
    /// Follows the tree and all folders once.
    async fn follow(&mut self, client: &Client, user: &str) {
        let tree: Vec<String> = client
            .folder_delta(user)
            .await
            .iter()
            .filter(|one| one["@odata.type"] != "#microsoft.graph.mailSearchFolder")
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        self.items.retain(|folder, _| tree.contains(folder));
        self.links.retain(|folder, _| tree.contains(folder));
        for folder in tree {
            let start = self.links.get(&folder).cloned().unwrap_or_else(|| {
                format!(
                    "/users/{user}/mailFolders/{folder}/messages/delta?$select=changeKey,isRead"
                )
            });
            let (lines, link) = client.round(&start).await;
            let known = self.items.entry(folder.clone()).or_default();
            for line in lines {
                let id = line["id"].as_str().unwrap().to_owned();
                if line["@removed"].is_object() {
                    known.remove(&id);
                } else {
                    known.insert(id, line["changeKey"].as_str().unwrap().to_owned());
                }
            }
            self.links.insert(folder, link);
        }
    }
}

fn truth(admin: &Admin, user: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = admin
        .folders(user)
        .unwrap()
        .into_iter()
        .filter(|folder| !folder.is_hidden && !folder.is_search)
        .map(|folder| (folder.id, BTreeMap::new()))
        .collect();
    for item in admin.items(user).unwrap() {
        if let Some(folder) = all.get_mut(&item.folder) {
            folder.insert(item.id, item.change_key);
        }
    }
    all
}

/// One change; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Change {
    Add(usize),
    Edit(usize),
    Read(usize),
    Move(usize, usize),
    MoveAndBack(usize, usize),
    Delete(usize),
    CreateFolder(usize),
    DeleteFolder(usize),
    MoveFolder(usize, usize),
}

fn apply(admin: &Admin, user: &str, change: &Change, counter: usize) {
    let items: Vec<String> = admin
        .items(user)
        .unwrap()
        .into_iter()
        .map(|item| item.id)
        .collect();
    let folders: Vec<(String, bool)> = admin
        .folders(user)
        .unwrap()
        .into_iter()
        .filter(|one| !one.is_hidden && !one.is_search)
        .map(|one| (one.id, one.well_known.is_some()))
        .collect();
    let item = |n: &usize| items[n % items.len()].as_str();
    let folder = |n: &usize| folders[n % folders.len()].0.as_str();
    match change {
        Change::Add(f) => {
            admin.add_mail(user, folder(f)).unwrap();
        }
        Change::Edit(n) => admin.edit_body(user, item(n)).unwrap(),
        Change::Read(n) => admin
            .set_read(user, item(n), counter.is_multiple_of(2))
            .unwrap(),
        Change::Move(n, f) => admin.move_mail(user, item(n), folder(f)).unwrap(),
        Change::MoveAndBack(n, f) => {
            let all = admin.items(user).unwrap();
            let home = all[n % all.len()].folder.clone();
            admin.move_mail(user, item(n), folder(f)).unwrap();
            admin.move_mail(user, item(n), &home).unwrap();
        }
        Change::Delete(n) => admin.delete_mail(user, item(n)).unwrap(),
        Change::CreateFolder(f) => {
            admin
                .create_folder(user, folder(f), &format!("new {counter}"))
                .unwrap();
        }
        Change::DeleteFolder(f) => {
            let (id, is_well_known) = &folders[f % folders.len()];
            if !is_well_known {
                admin.delete_folder(user, id).unwrap();
            }
        }
        Change::MoveFolder(a, b) => {
            let (id, is_well_known) = &folders[a % folders.len()];
            if !is_well_known {
                let _ = admin.move_folder(user, id, folder(b));
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let n = 0_usize..1000;
    let one = prop_oneof![
        n.clone().prop_map(Change::Add),
        n.clone().prop_map(Change::Edit),
        n.clone().prop_map(Change::Read),
        (n.clone(), n.clone()).prop_map(|(a, b)| Change::Move(a, b)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Change::MoveAndBack(a, b)),
        n.clone().prop_map(Change::Delete),
        n.clone().prop_map(Change::CreateFolder),
        n.clone().prop_map(Change::DeleteFolder),
        (n.clone(), n).prop_map(|(a, b)| Change::MoveFolder(a, b)),
    ];
    prop::collection::vec(prop::collection::vec(one, 0..12), 1..5)
}

async fn small_tenant() -> SimTenant {
    SimTenant::builder()
        .mailboxes(1)
        .items_per_mailbox(60)
        .folders_per_mailbox(5)
        .other_accounts(false)
        .start()
        .await
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_client_that_follows_the_feeds_knows_the_truth(
        rounds in changes(),
        page_size in 1_usize..40,
        repeats in any::<bool>(),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let sim = small_tenant().await;
            let admin = sim.admin();
            let user = admin.mailboxes()[0].id.clone();
            admin.set_anomalies(&user, Anomalies {
                repeats_and_empty_pages: repeats,
                ..Anomalies::default()
            }).unwrap();
            let mut client = Client::login(&sim).await;
            client.page_size = page_size;
            let mut copy = Copy::default();
            copy.follow(&client, &user).await;
            let mut counter = 0;
            for round in &rounds {
                for change in round {
                    counter += 1;
                    apply(&admin, &user, change, counter);
                }
                copy.follow(&client, &user).await;
                assert_eq!(copy.items, truth(&admin, &user));
            }
        });
    }
}

#[tokio::test]
async fn changes_between_pages_are_not_lost() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let mut client = Client::login(&sim).await;
    client.page_size = 3;
    let inbox = client
        .get(&format!("/users/{user}/mailFolders/inbox"))
        .await
        .body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut link = format!("/users/{user}/mailFolders/inbox/messages/delta?$select=changeKey");
    let mut known = BTreeMap::new();
    let mut pages = 0;
    let mut rounds = 0;
    while rounds < 4 {
        let page = client.get(&link).await;
        for line in page.body["value"].as_array().unwrap() {
            let id = line["id"].as_str().unwrap().to_owned();
            if line["@removed"].is_object() {
                known.remove(&id);
            } else {
                known.insert(id, line["changeKey"].as_str().unwrap().to_owned());
            }
        }
        pages += 1;
        if pages < 14 {
            apply(&admin, &user, &Change::Move(pages * 7, pages), pages);
            apply(&admin, &user, &Change::MoveAndBack(pages * 5, pages), pages);
            apply(&admin, &user, &Change::Delete(pages * 3), pages);
            admin.add_mail(&user, "inbox").unwrap();
        }
        link = match page.body["@odata.nextLink"].as_str() {
            Some(next) => next.to_owned(),
            None => {
                if pages >= 14 {
                    rounds += 1;
                }
                page.body["@odata.deltaLink"].as_str().unwrap().to_owned()
            }
        };
    }
    assert_eq!(known, truth(&admin, &user)[&inbox]);
}

#[tokio::test]
async fn a_move_keeps_the_immutable_id_and_changes_the_ordinary_one() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let client = Client::login(&sim).await;
    let item = admin.add_mail(&user, "inbox").unwrap();
    let ordinary = client
        .post(
            &format!("/users/{user}/translateExchangeIds"),
            serde_json::json!({
                "inputIds": [item],
                "sourceIdType": "restImmutableEntryId",
                "targetIdType": "restId",
            }),
        )
        .await
        .body["value"][0]["targetId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(ordinary.len() >= 140);
    let by = |id: &str| format!("/users/{user}/messages/{id}?$select=id");
    assert_eq!(client.get(&by(&ordinary)).await.status, 200);
    admin.move_mail(&user, &item, "archive").unwrap();
    assert_eq!(client.get(&by(&ordinary)).await.status, 404);
    assert_eq!(client.get(&by(&item)).await.body["id"], item.as_str());
    let swapped: String = item
        .chars()
        .map(|c| match c {
            'q' => 'Q',
            'Q' => 'q',
            other => other,
        })
        .collect();
    assert_ne!(client.get(&by(&swapped)).await.body["id"], item.as_str());
}

#[tokio::test]
async fn known_faults_of_the_feeds_can_be_switched_on() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let client = Client::login(&sim).await;
    let item = admin.add_mail(&user, "inbox").unwrap();
    let (_, inbox) = client.first_round(&user, "inbox", "id").await;
    let (_, archive) = client.first_round(&user, "archive", "id").await;
    admin
        .set_anomalies(
            &user,
            Anomalies {
                hide_returns: true,
                ..Anomalies::default()
            },
        )
        .unwrap();
    admin.move_mail(&user, &item, "archive").unwrap();
    let home = client
        .get(&format!("/users/{user}/mailFolders/inbox?$select=id"))
        .await;
    admin
        .move_mail(&user, &item, home.body["id"].as_str().unwrap())
        .unwrap();
    let (lines, inbox) = client.round(&inbox).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0]["@removed"].is_object());
    assert!(client.round(&archive).await.0.is_empty());
    // Only touching it again shows it.
    admin.set_read(&user, &item, true).unwrap();
    let (lines, _) = client.round(&inbox).await;
    assert_eq!(lines[0]["id"], item.as_str());
    assert!(lines[0].get("@removed").is_none());
}

#[tokio::test]
async fn tokens_are_strict_and_can_be_lost() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let client = Client::login(&sim).await;
    let (_, link) = client.first_round(&user, "inbox", "id").await;
    let with_more = client.get(&format!("{link}&$select=id")).await;
    assert_eq!(with_more.status, 400);
    let capped = client
        .get(&format!(
            "/users/{user}/mailFolders/inbox/messages/delta?$top=5"
        ))
        .await;
    assert_eq!(capped.status, 400);
    // Without the preference for immutable ids the same token is refused.
    let mixed = client
        .send(client.http.get(&link).bearer_auth(&client.token))
        .await;
    assert_eq!((mixed.status, mixed.code()), (400, "SyncStateInvalid"));
    for (answer, status, code) in [
        (TokenLoss::GoneWithLocation, 410, "syncStateNotFound"),
        (TokenLoss::Gone, 410, "resyncRequired"),
        (TokenLoss::NotFound, 400, "syncStateNotFound"),
        (TokenLoss::Invalid, 400, "SyncStateInvalid"),
    ] {
        let (_, link) = client.first_round(&user, "inbox", "id").await;
        let (_, other) = client.first_round(&user, "archive", "id").await;
        admin
            .expire_delta_tokens(&user, Some("inbox"), answer)
            .unwrap();
        let lost = client.get(&link).await;
        assert_eq!((lost.status, lost.code()), (status, code));
        assert_eq!(
            lost.headers.contains_key("location"),
            answer == TokenLoss::GoneWithLocation
        );
        assert_eq!(client.get(&other).await.status, 200);
    }
}

#[tokio::test]
async fn the_folder_feed_shows_changes_and_removals_once() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let client = Client::login(&sim).await;
    let (all, link) = client
        .round(&format!("/users/{user}/mailFolders/delta"))
        .await;
    let ids: BTreeSet<&str> = all.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let visible = admin
        .folders(&user)
        .unwrap()
        .iter()
        .filter(|one| !one.is_hidden)
        .count();
    assert_eq!((all.len(), ids.len()), (visible, visible));
    let made = admin.create_folder(&user, "inbox", "Neu").unwrap();
    let gone = admin.create_folder(&user, "inbox", "Weg").unwrap();
    admin.delete_folder(&user, &gone).unwrap();
    let (lines, link) = client.round(&link).await;
    let removed: Vec<&Value> = lines
        .iter()
        .filter(|one| one["@removed"].is_object())
        .collect();
    assert_eq!(removed.len(), 1);
    assert!(lines.iter().any(|one| one["id"] == made.as_str()));
    assert!(client.round(&link).await.0.is_empty());
}

#[tokio::test]
async fn mail_that_comes_during_the_first_round_and_goes_again_is_not_left_behind() {
    let sim = small_tenant().await;
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let mut client = Client::login(&sim).await;
    client.page_size = 2;
    let first = client
        .get(&format!(
            "/users/{user}/mailFolders/inbox/messages/delta?$select=id"
        ))
        .await;
    let item = admin.add_mail(&user, "inbox").unwrap();
    let (rest, link) = client
        .round(first.body["@odata.nextLink"].as_str().unwrap())
        .await;
    let is_shown = |lines: &[Value]| {
        lines
            .iter()
            .rfind(|line| line["id"] == item.as_str())
            .map(|line| line.get("@removed").is_none())
    };
    let mut known = is_shown(&rest);
    admin.delete_mail(&user, &item).unwrap();
    let (lines, _) = client.round(&link).await;
    known = is_shown(&lines).or(known);
    assert_ne!(known, Some(true));
}
