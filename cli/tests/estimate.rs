//! `mailkeep estimate` needs no vault, and its figures are those of the program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn estimate(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailkeep"));
    command.env_remove("MAILKEEP_VAULT").arg("estimate");
    let output = command.args(words).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn json(words: &[&str]) -> Vec<Value> {
    let (code, out, error) = estimate(&[words, &["--json"]].concat());
    assert_eq!(code, 0, "{error}");
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn summary(words: &[&str]) -> Value {
    json(words).pop().unwrap()
}

#[test]
fn the_lines_of_a_month_add_up_and_more_of_anything_costs_more() {
    let words = ["--mailboxes", "10000", "--changed", "1"];
    let mut lines = json(&words);
    let all = lines.pop().unwrap();
    assert_eq!(all["type"], "estimate");
    let of_month = lines.iter().filter(|line| line["of"] == "month");
    let sum: f64 = of_month.map(|line| line["cost"].as_f64().unwrap()).sum();
    let told = all["cost_per_month"].as_f64().unwrap();
    assert!(told > 10.0 && (sum - told).abs() < 0.01, "{sum} {told}");
    for more in [
        ["--mailboxes", "20000", "--changed", "1"],
        ["--mailboxes", "10000", "--changed", "2"],
    ] {
        assert!(summary(&more)["cost_per_month"].as_f64().unwrap() > told);
    }
    let often = summary(&[&words[..], &["--passes-per-day", "24"]].concat());
    assert!(often["cost_per_month"].as_f64().unwrap() > told);
    assert_eq!(all["tasks_per_month"], 10_000.0 * 30.44);
}

#[test]
fn a_restore_takes_as_long_as_the_service_says() {
    // 150 MB in five minutes, base64: 5 GB take 3.7 hours whatever else is done.
    let words = ["--mailboxes", "10", "--months", "0", "--mailbox-size", "5G"];
    let told = summary(&words);
    let seconds = told["restore_mailbox_seconds"].as_f64().unwrap();
    let least = f64::from(5 << 20) * 1024.0 * 4.0 / 3.0 / 500_000.0;
    assert!((seconds - least).abs() < 1.0, "{seconds} {least}");
    let all = told["restore_seconds"].as_f64().unwrap();
    assert!((all - seconds).abs() < 1.0);
    let one_by_one = summary(&[&words[..], &["--restores", "1"]].concat());
    let all = one_by_one["restore_seconds"].as_f64().unwrap();
    assert!((all - 10.0 * seconds).abs() < 1.0);
}

#[test]
fn text_names_prices_and_assumptions() {
    let (code, out, _) = estimate(&[
        "--mailboxes",
        "100000",
        "--passes-per-day",
        "1440",
        "--workers",
        "200",
    ]);
    assert_eq!(code, 0);
    for expected in [
        "us-east-1",
        "decided by the planner",
        "there will be fewer",
        "Assumed",
    ] {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
}

#[test]
fn prices_may_come_from_a_file_and_what_is_wrong_with_them_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.toml");
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/prices.toml");
    let text = std::fs::read_to_string(known).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let words = ["--mailboxes", "100", "--prices", &file];

    let dear = text.replace("lambda_gb_second = 0", "lambda_gb_second = 9");
    std::fs::write(&path, dear.replace("us-east-1", "mars-1")).unwrap();
    let told = summary(&words);
    assert_eq!(told["region"], "mars-1");
    let usual = summary(&["--mailboxes", "100"]);
    assert!(told["cost_per_month"].as_f64() > usual["cost_per_month"].as_f64());

    std::fs::write(&path, text.replace("[s3.GLACIER_IR]", "[s3.DEEP]")).unwrap();
    let cold = [&words[..], &["--storage-class", "GLACIER_IR"]].concat();
    let (code, _, error) = estimate(&cold);
    assert!(code == 2 && error.contains("GLACIER_IR"), "{code} {error}");
    std::fs::write(&path, text.replace("alarm_month", "alarms")).unwrap();
    let (code, _, error) = estimate(&words);
    assert!(code == 2 && error.contains("alarms"), "{code} {error}");
    assert_eq!(estimate(&["--mailboxes", "0"]).0, 2);
}
