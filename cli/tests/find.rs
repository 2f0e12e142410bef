//! `find` finds what its options say, no more and no less; `export` and `restore` choose alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::collections::BTreeSet;

use exchange_sim::SimTenant;
use serde_json::Value;
use support::{World, files_below};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn named(address: &Value, needle: &str) -> bool {
    text(&address["name"]).contains(needle) || text(&address["address"]).contains(needle)
}

fn ids<'a>(items: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let items = items.into_iter();
    items
        .map(|item| item["item"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_chooses_what_it_says() {
    let world = World::ready(SimTenant::builder().mailboxes(1).items_per_mailbox(60)).await;
    let ann = world.addresses().remove(0);
    let admin = world.tenant.admin();
    for item in admin.items(&ann).unwrap().iter().take(4) {
        admin.set_categories(&ann, &item.id, &["Grün"]).unwrap();
    }
    world.run(&["backup"]).await.expect(0);
    let all = world.json(&["find", "--mailbox", &ann]).await.expect(0);
    let all = all.objects("item");
    let one = all
        .iter()
        .find(|item| {
            text(&item["subject"]).chars().count() > 6 && !text(&item["from"]["name"]).is_empty()
        })
        .unwrap();
    let mut sizes: Vec<u64> = all
        .iter()
        .map(|item| item["size_bytes"].as_u64().unwrap())
        .collect();
    sizes.sort_unstable();
    let middle = sizes[sizes.len() / 2];
    let size = middle.to_string();
    let upper = |value: &Value| value.as_str().unwrap().to_uppercase();
    let (sender, subject) = (upper(&one["from"]["name"]), upper(&one["subject"]));
    let recipient = upper(&all.iter().find_map(|item| item["to"].get(0)).unwrap()["address"]);
    let folder = one["folder"].as_str().unwrap();
    let at = |item: &Value| {
        let times = ["received_at", "sent_at"];
        let mut times = times.iter().filter_map(|name| item[*name].as_str());
        times.next().unwrap_or_default()[..10].to_owned()
    };
    let mut days: Vec<String> = all.iter().map(&at).collect();
    days.sort_unstable();
    let day = days[days.len() / 2].clone();
    type Rule<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let recipients = |item: &Value, needle: &str| {
        let lists = ["to", "cc", "bcc"];
        let mut all = lists
            .iter()
            .flat_map(|list| item[*list].as_array().unwrap().clone());
        all.any(|address| named(&address, needle))
    };
    let cases: Vec<(Vec<&str>, Rule<'_>)> = vec![
        (
            vec!["--from", &sender],
            Box::new(|it| named(&it["from"], &sender.to_lowercase())),
        ),
        (
            vec!["--recipient", &recipient],
            Box::new(|it| recipients(it, &recipient.to_lowercase())),
        ),
        (
            vec!["--subject", &subject],
            Box::new(|it| text(&it["subject"]).contains(&subject.to_lowercase())),
        ),
        (vec!["--since", &day], Box::new(|it| at(it) >= day)),
        (vec!["--until", &day], Box::new(|it| at(it) <= day)),
        (
            vec!["--min-size", &size],
            Box::new(|it| it["size_bytes"].as_u64().unwrap() >= middle),
        ),
        (
            vec!["--max-size", &size],
            Box::new(|it| it["size_bytes"].as_u64().unwrap() <= middle),
        ),
        (
            vec!["--has-attachment"],
            Box::new(|it| it["has_attachments"] == true),
        ),
        (vec!["--unread"], Box::new(|it| it["is_read"] == false)),
        (
            vec!["--category", "grün"],
            Box::new(|it| it["categories"].to_string().contains("Grün")),
        ),
        (
            vec!["--folder", folder],
            Box::new(|it| it["folder"].as_str().unwrap().starts_with(folder)),
        ),
        (
            vec!["--unread", "--min-size", &size, "--since", &day],
            Box::new(|it| {
                it["is_read"] == false
                    && it["size_bytes"].as_u64().unwrap() >= middle
                    && at(it) >= day
            }),
        ),
    ];
    for (options, rule) in &cases {
        let words = [&["find", "--mailbox", ann.as_str()], options.as_slice()].concat();
        let found = world.json(&words).await.expect(0).objects("item");
        let wanted = ids(all.iter().filter(|item| rule(item)));
        assert_eq!(ids(&found), wanted, "{options:?}");
        if options.len() <= 2 {
            assert!(
                !wanted.is_empty() && wanted.len() < all.len(),
                "{options:?} tells nothing apart"
            );
        }
    }

    // The same choice for an export and for the plan of a restore.
    let options = ["--max-size", size.as_str(), "--unread"];
    let wanted = all
        .iter()
        .filter(|item| item["is_read"] == false && item["size_bytes"].as_u64().unwrap() <= middle);
    let wanted = wanted.count();
    let out = world.path("out");
    let export = [
        "export",
        "--mailbox",
        &ann,
        "--output",
        out.to_str().unwrap(),
    ];
    world
        .run(&[&export[..], &options[..]].concat())
        .await
        .expect(0);
    assert_eq!(files_below(&out).len(), wanted);
    let plan = ["restore", "--mailbox", &ann, "--dry-run"];
    let plan = world
        .json(&[&plan[..], &options[..]].concat())
        .await
        .expect(0);
    assert_eq!(plan.object("restore_plan")["items"], wanted);
}
