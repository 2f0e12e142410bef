//! Long runs, and what a fuzzer with coverage starts: see `README.md` beside this crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mailkeep_fuzz::mutate::{Chance, mutate};
use mailkeep_fuzz::{corpus, run, targets};

const USAGE: &str =
    "usage: fuzz list | one TARGET <bytes | run TARGET|all [seconds [seed]] | corpus";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["list"] => {
            for target in targets() {
                println!("{target}");
            }
        }
        // One input, as AFL++ and honggfuzz give it; a panic is a finding.
        ["one", target] => {
            let mut bytes = vec![];
            std::io::stdin()
                .read_to_end(&mut bytes)
                .expect("standard input");
            run(target, &bytes);
        }
        ["run", target, rest @ ..] => {
            let number =
                |at: usize, or: u64| rest.get(at).map_or(or, |it| it.parse().expect("a number"));
            let (seconds, seed) = (number(0, 60), number(1, 1));
            let chosen = targets();
            let chosen: Vec<&str> = chosen
                .into_iter()
                .filter(|it| *target == "all" || it == target)
                .collect();
            let share = Duration::from_secs(seconds) / u32::try_from(chosen.len().max(1)).unwrap();
            return long(&chosen, share, seed);
        }
        ["corpus"] => corpus::write().await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn long(targets: &[&str], share: Duration, seed: u64) -> ExitCode {
    let mut failed = false;
    for target in targets {
        let samples = corpus::read(target);
        let mut chance = Chance::new(seed);
        let (begin, mut runs) = (Instant::now(), 0_u64);
        while begin.elapsed() < share {
            let sample = &samples[chance.below(samples.len())];
            let bytes = mutate(&mut chance, sample, &samples);
            runs += 1;
            if catch_unwind(AssertUnwindSafe(|| run(target, &bytes))).is_err() {
                let file = std::env::temp_dir().join(format!("mailkeep-fuzz-{target}-{runs}"));
                std::fs::write(&file, &bytes).unwrap();
                eprintln!("{target}: see {}", file.display());
                failed = true;
                break;
            }
        }
        println!("{target}: {runs} inputs");
    }
    ExitCode::from(u8::from(failed))
}
