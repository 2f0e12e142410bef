//! Mailboxes by group and by attribute.

use std::collections::BTreeSet;

use mailkeep_exchange::{Cursor, MailboxPage, Source, SourceError};
use mailkeep_model::job::{Attribute, Rule};
use mailkeep_model::{FailureClass, MailboxKind};

use crate::setup::{World, small};

/// All pages together, as addresses.
async fn all<F>(mut page: impl FnMut(Option<Cursor>) -> F) -> Result<BTreeSet<String>, SourceError>
where
    F: Future<Output = Result<MailboxPage, SourceError>>,
{
    let (mut found, mut next) = (BTreeSet::new(), None);
    loop {
        let read = page(next).await?;
        found.extend(read.mailboxes.into_iter().map(|mailbox| mailbox.address));
        next = read.next;
        if next.is_none() {
            return Ok(found);
        }
    }
}

impl World {
    async fn of_group(&self, group: &str) -> Result<BTreeSet<String>, SourceError> {
        all(async |next: Option<Cursor>| self.source.members(group, next.as_ref()).await).await
    }

    async fn of_rule(&self, attribute: Attribute, equals: &str) -> BTreeSet<String> {
        self.by(&Rule::equals(attribute, equals)).await
    }

    async fn by(&self, rule: &Rule) -> BTreeSet<String> {
        let found =
            all(async |next: Option<Cursor>| self.source.matching(rule, next.as_ref()).await);
        found.await.unwrap()
    }

    fn addresses(&self) -> Vec<String> {
        let all = self.sim.admin().mailboxes().into_iter();
        all.filter(|mailbox| mailbox.has_mailbox)
            .filter_map(|mailbox| mailbox.address)
            .collect()
    }
}

fn set(addresses: &[&String]) -> BTreeSet<String> {
    addresses.iter().map(|address| (*address).clone()).collect()
}

#[tokio::test]
async fn members_of_nested_groups_are_found_by_address_id_and_name() {
    let world = World::from(small(1).mailboxes(6)).await;
    let (admin, who) = (world.sim.admin(), world.addresses());
    let sales = admin.new_group("Sales", Some("sales@sim.example"));
    let north = admin.new_group("Sales north, O'Neill's", None);
    let empty = admin.new_group("Nobody", None);
    admin.add_member(&sales, &who[0]).unwrap();
    admin.add_member(&sales, &north).unwrap();
    admin.add_member(&north, &who[1]).unwrap();
    // Named twice, and by a room and a shared mailbox; and groups may be members of each other.
    for member in [&who[0], &who[3], &who[5], &sales] {
        admin.add_member(&north, member).unwrap();
    }
    let all = set(&[&who[0], &who[1], &who[3], &who[5]]);
    for name in [
        "sales@sim.example",
        "SALES@sim.example",
        "sales",
        &sales,
        "Sales north, O'Neill's",
    ] {
        assert_eq!(world.of_group(name).await.unwrap(), all, "{name}");
    }
    assert!(world.of_group(&empty).await.unwrap().is_empty());
    let page = world.source.members(&sales, None).await.unwrap();
    let kinds: BTreeSet<_> = page
        .mailboxes
        .iter()
        .map(|one| format!("{:?}", one.kind))
        .collect();
    let wanted = [MailboxKind::Room, MailboxKind::Shared, MailboxKind::User];
    assert_eq!(kinds, wanted.map(|kind| format!("{kind:?}")).into());
    // Membership is looked up anew each time.
    admin.remove_member(&sales, &north).unwrap();
    assert_eq!(world.of_group("sales").await.unwrap(), set(&[&who[0]]));
    admin.remove_mailbox(&who[0]).unwrap();
    assert!(world.of_group("sales").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_group_of_many_comes_in_pages() {
    let world = World::from(small(0).mailboxes(1_010).other_accounts(false)).await;
    let admin = world.sim.admin();
    let group = admin.new_group("Everybody", None);
    for mailbox in admin.mailboxes() {
        admin.add_member(&group, &mailbox.id).unwrap();
    }
    let first = world.source.members(&group, None).await.unwrap();
    assert!(first.next.is_some(), "one page would show nothing");
    let found = world.of_group(&group).await.unwrap();
    let wanted: BTreeSet<_> = world.addresses().into_iter().collect();
    assert!(found == wanted, "{} of {}", found.len(), wanted.len());
}

#[tokio::test]
async fn a_group_that_is_not_there_or_not_alone_or_not_allowed_waits_for_a_person() {
    let world = World::start(1).await;
    let admin = world.sim.admin();
    for _ in 0..2 {
        admin.new_group("Twins", None);
    }
    for (name, code, class) in [
        (
            "nobody@sim.example",
            "no_such_group",
            FailureClass::Configuration,
        ),
        ("Nothing", "no_such_group", FailureClass::Configuration),
        (
            "11111111-2222-3333-4444-555555555555",
            "no_such_group",
            FailureClass::Configuration,
        ),
        ("Twins", "several_groups", FailureClass::Configuration),
    ] {
        let error = world.of_group(name).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.class), (code, class), "{name}");
        assert!(!error.to_string().contains('@'), "{error}");
    }
    // A token keeps its roles, so this is asked with the first one.
    let world = World::start(1).await;
    let admin = world.sim.admin();
    admin.set_roles(&["User.Read.All", "Mail.Read", "MailboxSettings.Read"]);
    let error = world.of_group("Twins").await.unwrap_err();
    assert_eq!(error.class, FailureClass::AuthConsent);
    assert!(
        error.to_string().contains("GroupMember.Read.All"),
        "{error}"
    );
}

#[tokio::test]
async fn attributes_choose_mailboxes_whatever_their_case() {
    let world = World::from(small(1).mailboxes(4)).await;
    let (admin, who) = (world.sim.admin(), world.addresses());
    admin.set_attribute(&who[0], "department", "Sales").unwrap();
    admin
        .set_attribute(&who[1], "department", "sales ")
        .unwrap();
    admin
        .set_attribute(&who[2], "department", "Sales and more")
        .unwrap();
    admin.set_attribute(&who[2], "city", "Gdańsk").unwrap();
    admin
        .set_attribute(&who[3], "extensionAttribute7", "backup")
        .unwrap();
    admin
        .set_attribute(&who[0], "extensionAttribute1", "backup")
        .unwrap();
    let found = world.of_rule(Attribute::Department, " SALES").await;
    assert_eq!(found, set(&[&who[0], &who[1]]));
    assert_eq!(
        world.of_rule(Attribute::City, "gdańSK").await,
        set(&[&who[2]])
    );
    let found = world
        .of_rule(Attribute::ExtensionAttribute7, "Backup")
        .await;
    assert_eq!(found, set(&[&who[3]]));
    assert!(world.of_rule(Attribute::Country, "x").await.is_empty());
    admin
        .set_attribute(&who[3], "extensionAttribute7", "")
        .unwrap();
    let found = world
        .of_rule(Attribute::ExtensionAttribute7, "Backup")
        .await;
    assert!(found.is_empty(), "looked up anew");
}

#[tokio::test]
async fn several_conditions_choose_mailboxes_together() {
    let world = World::from(small(1).mailboxes(4)).await;
    let (admin, who) = (world.sim.admin(), world.addresses());
    for (one, department, city) in [
        (0, "Sales North", "Hamburg"),
        (1, "Sales South", "Wien"),
        (2, "Research", "Wien"),
        (3, "Sales", ""),
    ] {
        let set = |name, value| admin.set_attribute(&who[one], name, value).unwrap();
        set("department", department);
        set("city", city);
    }
    admin
        .set_attribute(&who[3], "extensionAttribute1", "keep")
        .unwrap();
    let sales = Rule {
        attribute: Some(Attribute::Department),
        starts_with: Some("sales".to_owned()),
        ..Rule::default()
    };
    let found = world.by(&sales).await;
    assert_eq!(found, set(&[&who[0], &who[1], &who[3]]));
    let rule = Rule {
        all: vec![
            sales,
            Rule {
                any: vec![
                    Rule {
                        attribute: Some(Attribute::City),
                        contains: Some("IE".to_owned()),
                        ..Rule::default()
                    },
                    Rule::equals(Attribute::ExtensionAttribute1, "Keep"),
                    // Nobody has this, and it spoils nothing.
                    Rule::equals(Attribute::ExtensionAttribute2, "Keep"),
                ],
                ..Rule::default()
            },
        ],
        ..Rule::default()
    };
    assert_eq!(world.by(&rule).await, set(&[&who[1], &who[3]]));
    // What every mailbox has needs no property more.
    let address = Rule::equals(Attribute::Address, who[2].to_uppercase());
    assert_eq!(world.by(&address).await, set(&[&who[2]]));
}
