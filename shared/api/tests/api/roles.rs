//! Who may do what, route by route, and that routes and document agree.

use mailkeep_api::auth::Role;
use serde_json::{Value, json};

use crate::support::World;

/// Every operation of the document: method, path with made-up parts, least role, name.
fn operations() -> Vec<(String, String, Option<Role>, String)> {
    let document = mailkeep_api::openapi();
    let mut found = vec![];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let role = serde_json::from_value(operation["x-least-role"].clone()).unwrap();
            let name = operation["operationId"].as_str().unwrap().to_owned();
            found.push((method.to_uppercase(), made_up(path), role, name));
        }
    }
    found
}

/// Puts something into the variable parts of a path.
fn made_up(path: &str) -> String {
    let part = |part: &str| match part {
        "{run}" | "{version}" | "{part}" => "1".to_owned(),
        part if part.starts_with('{') => "x".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_the_roles_that_its_rule_names_and_nobody_else() {
    let world = World::start().await;
    let mut checked = 0;
    for (method, path, least, name) in operations() {
        for wrong in [None, Some("Bearer mk_x_y"), Some("Basic YTpi"), Some("x")] {
            let answer = world.ask_as(wrong, &method, &path).json(&json!({}));
            let status = answer.send().await.status.as_u16();
            match least {
                Some(_) => assert_eq!(status, 401, "{name} {wrong:?}"),
                None => assert_eq!(status, 200, "{name} {wrong:?}"),
            }
        }
        for role in Role::ALL {
            let answer = world.ask(role, &method, &path).json(&json!({}));
            let answer = answer.send().await;
            let may = least.is_none_or(|least| role.includes(least));
            let status = answer.status.as_u16();
            assert_eq!(status != 403, may, "{name} {role}: {status}");
            assert_ne!(status, 401, "{name} {role}");
            assert!(status < 500, "{name} {role}: {status}");
            if !may {
                answer.problem(403, "forbidden");
            }
            checked += 1;
        }
    }
    assert!(checked >= 100, "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_and_document_agree() {
    let world = World::start().await;
    let operations = operations();
    let served = world.get("/v1/openapi.json").await.expect(200).json();
    assert_eq!(served, mailkeep_api::openapi());
    for (_, path, _, _) in &operations {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let is_documented = operations
                .iter()
                .any(|(other, at, _, _)| other == method && at == path);
            let answer = world
                .ask(Role::Administrator, method, path)
                .json(&json!({}));
            let answer = answer.send().await;
            if is_documented {
                assert_ne!(answer.status.as_u16(), 405, "{method} {path}");
                assert!(!is_unknown(&answer.bytes), "{method} {path}");
            } else {
                let allow = answer.header("allow").to_owned();
                assert!(!allow.is_empty(), "{method} {path}");
                answer.problem(405, "method_not_allowed");
            }
        }
    }
    world
        .get("/v1/nothing")
        .await
        .problem(404, "no_such_resource");
    world.get("/").await.problem(404, "no_such_resource");
    // Every reference of the document leads somewhere, and every name is used once.
    let text = served.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(served.pointer(pointer).is_some(), "{pointer}");
    }
    let mut names: Vec<_> = operations.iter().map(|it| it.3.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), operations.len());
}

fn is_unknown(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["code"] == "no_such_resource"
}

/// The table in the documentation is the one of the program.
#[test]
fn the_documented_roles_are_those_of_the_routes() {
    let documented = include_str!("../../../../docs/api.md");
    let document = mailkeep_api::openapi();
    let mut expected = String::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let role = operation["x-least-role"].as_str().unwrap_or("everybody");
            let summary = operation["summary"].as_str().unwrap();
            let method = method.to_uppercase();
            expected += &format!("| `{method} {path}` | {role} | {summary} |\n");
        }
    }
    assert!(
        documented.contains(&expected),
        "docs/api.md must hold this table:\n{expected}"
    );
}
