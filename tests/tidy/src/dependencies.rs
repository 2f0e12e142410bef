//! What others wrote and we build in.

use std::collections::{BTreeMap, BTreeSet};

use crate::licence::is_satisfied;
use crate::tree::{assert_none, cargo};

/// Licences that ask for no more than their text and a notice.
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "CC0-1.0",
];

/// Name, version and licence of all crates that are built for Linux, by the features that are
/// really on. (`Cargo.lock` and `cargo metadata` also list what no feature asks for.)
fn built(arguments: &[&str]) -> Vec<[String; 3]> {
    let mut found = BTreeSet::new();
    for target in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        let fixed = [
            "tree",
            "--locked",
            "--prefix=none",
            "--format={p}|{l}",
            "--target",
            target,
        ];
        for line in cargo(&[&fixed[..], arguments].concat()).lines() {
            let (package, licence) = line.rsplit_once('|').unwrap_or((line, ""));
            let mut words = package.split_whitespace();
            if let (Some(name), Some(version)) = (words.next(), words.next()) {
                // Crates that were shown before have a mark behind their licence.
                let licence = licence.trim_end_matches("(*)").trim();
                found.insert([name, version, licence].map(str::to_owned));
            }
        }
    }
    assert!(found.len() > 5, "{arguments:?} found {found:?}");
    found.into_iter().collect()
}

fn everything() -> Vec<[String; 3]> {
    built(&["--workspace", "--edges=normal,build,dev"])
}

#[test]
fn licences_are_on_the_list() {
    let all = everything();
    let bad = all
        .iter()
        .filter(|[_, _, licence]| !is_satisfied(licence, ALLOWED));
    let findings: Vec<_> = bad.map(|crate_| crate_.join(" ")).collect();
    assert_none("licences that are not on the list", &findings);
}

#[test]
fn there_is_one_tls_stack_and_one_crypto_provider() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for [name, _, _] in everything() {
        *versions.entry(name).or_default() += 1;
    }
    for name in ["rustls", "aws-lc-rs", "aws-lc-sys"] {
        assert_eq!(
            versions.get(name),
            Some(&1),
            "{name} is built in this many versions"
        );
    }
    let others = [
        "aws-lc-fips-sys",
        "boring",
        "boring-sys",
        "native-tls",
        "openssl",
        "openssl-sys",
        "ring",
        "rustls-openssl",
        "rustls-rustcrypto",
        "s2n-tls",
        "schannel",
        "security-framework",
        "webpki-roots",
        "wolfssl-sys",
    ];
    let findings: Vec<_> = others
        .into_iter()
        .filter(|name| versions.contains_key(*name))
        .map(str::to_owned)
        .collect();
    assert_none(
        "a second TLS stack, crypto provider or list of roots",
        &findings,
    );
}

#[test]
fn the_production_binary_carries_nothing_that_is_for_tests() {
    let built = built(&["--package=mailkeep-cli", "--edges=normal,build"]);
    let for_tests = ["exchange-sim", "proptest", "mailkeep-demo", "mailkeep-e2e"];
    let found = built
        .iter()
        .filter(|[name, _, _]| for_tests.contains(&name.as_str()));
    let findings: Vec<_> = found.map(|crate_| crate_.join(" ")).collect();
    assert_none("crates for tests in the production binary", &findings);
}
