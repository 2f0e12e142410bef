//! Who may know whom.

use crate::tree::{Member, assert_none, members};

/// What a crate may depend on.
struct Layer {
    name: &'static str,
    /// Crates of this workspace.
    knows: &'static [&'static str],
    /// Crates of others that it must do without, because they belong to another layer.
    never: &'static [&'static str],
}

/// I/O, runtimes and protocols, for crates that are pure.
const IMPURE: &[&str] = &[
    "async-trait",
    "aws-config",
    "aws-sdk-dynamodb",
    "aws-sdk-kms",
    "aws-sdk-s3",
    "aws-sdk-secretsmanager",
    "aws-sdk-sesv2",
    "aws-sdk-sns",
    "aws-sdk-sqs",
    "axum",
    "futures",
    "getrandom",
    "http",
    "hyper",
    "oauth2",
    "rand",
    "reqwest",
    "rpassword",
    "tempfile",
    "tokio",
    "tokio-util",
    "tracing",
    "url",
];
/// For crates that reach the world through ports only.
const NO_WORLD: &[&str] = &[
    "aws-config",
    "aws-sdk-dynamodb",
    "aws-sdk-kms",
    "aws-sdk-s3",
    "aws-sdk-secretsmanager",
    "aws-sdk-sesv2",
    "aws-sdk-sns",
    "aws-sdk-sqs",
    "axum",
    "getrandom",
    "http",
    "hyper",
    "oauth2",
    "reqwest",
    "rpassword",
    "rusqlite",
    "tempfile",
    "url",
];
/// For functions on AWS.
const NO_FUNCTION: &[&str] = &[
    "axum",
    "getrandom",
    "hyper",
    "oauth2",
    "reqwest",
    "rpassword",
    "rusqlite",
    "tempfile",
];
const MODEL: &str = "mailkeep-model";
const CONTENT: &str = "mailkeep-content";
const PORTS: &str = "mailkeep-ports";
const VAULT: &str = "mailkeep-vault";
const EXCHANGE: &str = "mailkeep-exchange";
const ENGINE: &str = "mailkeep-engine";
const SETUP: &str = "mailkeep-setup";
const API: &str = "mailkeep-api";
const LOCAL: &str = "mailkeep-local";
const AWS: &str = "mailkeep-aws";
const CLI: &str = "mailkeep-cli";
const FUNCTION: &str = "mailkeep-function";
const SIM: &str = "exchange-sim";
const ALL: &[&str] = &[
    MODEL, CONTENT, PORTS, VAULT, EXCHANGE, ENGINE, SETUP, API, LOCAL, AWS, CLI, SIM,
];

const LAYERS: &[Layer] = &[
    Layer {
        name: MODEL,
        knows: &[],
        never: IMPURE,
    },
    Layer {
        name: CONTENT,
        knows: &[MODEL],
        never: IMPURE,
    },
    Layer {
        name: PORTS,
        knows: &[],
        never: NO_WORLD,
    },
    Layer {
        name: VAULT,
        knows: &[MODEL, CONTENT, PORTS],
        never: NO_WORLD,
    },
    Layer {
        name: EXCHANGE,
        knows: &[MODEL, CONTENT, PORTS],
        never: &["axum", "getrandom", "rpassword", "rusqlite", "tempfile"],
    },
    Layer {
        name: ENGINE,
        knows: &[MODEL, CONTENT, PORTS, VAULT, EXCHANGE],
        never: NO_WORLD,
    },
    Layer {
        name: SETUP,
        knows: &[MODEL, PORTS, VAULT, EXCHANGE, ENGINE],
        never: NO_WORLD,
    },
    // HTTP is its business; what serves it, and where things are kept, is not.
    Layer {
        name: API,
        knows: &[MODEL, PORTS, VAULT, EXCHANGE, ENGINE, SETUP],
        never: &[
            "aws-config",
            "aws-sdk-dynamodb",
            "aws-sdk-kms",
            "aws-sdk-s3",
            "aws-sdk-secretsmanager",
            "aws-sdk-sesv2",
            "aws-sdk-sns",
            "aws-sdk-sqs",
            "getrandom",
            "oauth2",
            "reqwest",
            "rpassword",
            "rusqlite",
            "tempfile",
        ],
    },
    Layer {
        name: LOCAL,
        knows: &[MODEL, PORTS],
        never: &["axum", "hyper", "oauth2"],
    },
    Layer {
        name: AWS,
        knows: &[MODEL, PORTS],
        never: &["axum", "hyper", "oauth2", "reqwest", "rusqlite"],
    },
    Layer {
        name: CLI,
        knows: &[
            MODEL, CONTENT, PORTS, VAULT, EXCHANGE, ENGINE, SETUP, API, LOCAL, AWS,
        ],
        never: &["axum", "getrandom", "hyper", "reqwest", "rusqlite"],
    },
    // Functions do without the adapters of one machine but for its clock, mail and webhooks.
    Layer {
        name: FUNCTION,
        knows: &[MODEL, PORTS, VAULT, EXCHANGE, ENGINE, SETUP, LOCAL, AWS],
        never: NO_FUNCTION,
    },
    Layer {
        name: "mailkeep-scheduler",
        knows: &[MODEL, PORTS, ENGINE, LOCAL, FUNCTION],
        never: NO_FUNCTION,
    },
    Layer {
        name: "mailkeep-worker",
        knows: &[MODEL, PORTS, EXCHANGE, ENGINE, FUNCTION],
        never: NO_FUNCTION,
    },
    Layer {
        name: "mailkeep-retention",
        knows: &[PORTS, VAULT, ENGINE, FUNCTION],
        never: NO_FUNCTION,
    },
    Layer {
        name: "mailkeep-notifier",
        knows: &[MODEL, PORTS, ENGINE, LOCAL, AWS, FUNCTION],
        never: NO_FUNCTION,
    },
    Layer {
        name: "mailkeep-api-function",
        knows: &[PORTS, API, FUNCTION],
        never: &[
            "getrandom",
            "oauth2",
            "reqwest",
            "rpassword",
            "rusqlite",
            "tempfile",
        ],
    },
    // Shares no code with what it tests.
    Layer {
        name: SIM,
        knows: &[],
        never: &["reqwest"],
    },
    Layer {
        name: "mailkeep-demo",
        knows: ALL,
        never: &[],
    },
    Layer {
        name: "mailkeep-e2e",
        knows: ALL,
        never: &[],
    },
    Layer {
        name: "mailkeep-benchmark",
        knows: ALL,
        never: &[],
    },
    Layer {
        name: "mailkeep-fuzz",
        knows: &[CONTENT, EXCHANGE, VAULT],
        never: &[],
    },
    Layer {
        name: "mailkeep-tidy",
        knows: &[],
        never: &[],
    },
];

fn layer(member: &Member) -> &'static Layer {
    let layer = LAYERS.iter().find(|layer| layer.name == member.name());
    layer.unwrap_or_else(|| panic!("{} has no layer yet: give it one here", member.name()))
}

fn is_ours(name: &str) -> bool {
    name == SIM || name.starts_with("mailkeep")
}

#[test]
fn crates_know_only_those_below_them() {
    let mut findings = Vec::new();
    for member in members() {
        let layer = layer(&member);
        for table in ["dependencies", "build-dependencies"] {
            for name in member.dependencies(table) {
                let is_known = layer.knows.contains(&name.as_str());
                if (is_ours(&name) && !is_known) || layer.never.contains(&name.as_str()) {
                    findings.push(format!("{} [{table}] {name}", member.folder));
                }
            }
        }
    }
    assert_none("forbidden dependencies", &findings);
}

/// A crate's tests may also use the simulated tenant, and nothing that it may not use itself.
#[test]
fn tests_know_no_more_than_their_crate_and_the_simulator() {
    let mut findings = Vec::new();
    for member in members().iter().filter(|m| m.folder.starts_with("shared/")) {
        let layer = layer(member);
        for name in member.dependencies("dev-dependencies") {
            if is_ours(&name) && name != SIM && !layer.knows.contains(&name.as_str()) {
                findings.push(format!("{} [dev-dependencies] {name}", member.folder));
            }
        }
    }
    assert_none("forbidden dependencies of tests", &findings);
}

#[test]
fn layers_name_every_crate_once() {
    let mut names: Vec<_> = LAYERS.iter().map(|layer| layer.name).collect();
    let mut members: Vec<_> = members().iter().map(|m| m.name().to_owned()).collect();
    names.sort_unstable();
    members.sort_unstable();
    assert_eq!(names, members);
}

#[test]
fn every_crate_takes_lints_and_versions_from_the_workspace() {
    let mut findings = Vec::new();
    for member in members() {
        let lints = member
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            findings.push(format!(
                "{}: [lints] workspace = true is missing",
                member.folder
            ));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let listed = member.manifest.get(table).and_then(toml::Value::as_table);
            for (name, value) in listed.into_iter().flatten() {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    findings.push(format!(
                        "{}: {name} has a version of its own",
                        member.folder
                    ));
                }
            }
        }
    }
    assert_none("settings outside the workspace", &findings);
}
