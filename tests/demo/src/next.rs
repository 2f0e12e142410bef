//! What to try next with the vault that stays.

use crate::place::Place;
use crate::shell::{typed, typed_path};
use crate::story::Chosen;

/// How the program is started from the repository, without installing it.
const PROGRAM: &str = "cargo run -q --release --bin mailkeep --";

/// Prints commands that work as they are printed, in the folder that the demonstration ran in.
pub(crate) fn print(place: &Place, chosen: &Chosen) {
    println!(
        "Left in {}: the vault, its key file, its recovery key, and one mail as a file.\n\
         Try next, in this folder:\n",
        place.root().display()
    );
    println!("  export MAILKEEP_VAULT={}", typed_path(&place.vault()));
    println!("  export MAILKEEP_KEY_FILE={}", typed_path(&place.key()));
    for words in commands(place, chosen) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        println!("  {PROGRAM} {}", typed(&words));
    }
    println!("\nTo remove everything: rm -r {}", typed_path(place.root()));
}

fn commands(place: &Place, chosen: &Chosen) -> Vec<Vec<String>> {
    let mailbox = chosen.mailbox.as_str();
    let exported = place.root().join("exported").display().to_string();
    let recovery = place.recovery_key().display().to_string();
    let lines: [&[&str]; 9] = [
        &["mailbox", "ls"],
        &["ls", "--mailbox", mailbox],
        &["ls", "--mailbox", mailbox, &chosen.folder, "--limit", "10"],
        &[
            "find",
            "--has-attachment",
            "--min-size",
            "100K",
            "--limit",
            "5",
        ],
        &["cat", "--mailbox", mailbox, &chosen.item, "--headers"],
        &["snapshots", "--mailbox", mailbox, "--json"],
        &[
            "export",
            "--mailbox",
            mailbox,
            "--format",
            "mbox",
            "--output",
            &exported,
        ],
        &["verify", "--full"],
        &["stats", "--recovery-key-file", &recovery],
    ];
    lines
        .iter()
        .map(|line| line.iter().map(|word| (*word).to_owned()).collect())
        .collect()
}
