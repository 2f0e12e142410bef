//! The samples that are checked in: `corpus/<target>/<number>`.

use std::path::{Path, PathBuf};

/// Samples of a target that are kept at most, and their longest.
const KEPT: usize = 6;
const LONGEST: usize = 4 << 10;

/// Where they lie.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

/// The samples of a target, in the order of their names.
///
/// # Panics
/// When there is none.
pub fn read(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(target));
    let files = files.unwrap_or_else(|error| panic!("no samples for {target}: {error}"));
    let mut names: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty(), "no samples for {target}");
    names
        .iter()
        .map(|name| std::fs::read(name).unwrap())
        .collect()
}

/// Writes samples anew from what this program writes. Those that are there stay: a decoder must read
/// what it once read.
///
/// # Panics
/// When a file cannot be written.
pub async fn write() {
    let mut samples = mailkeep_vault::fuzzing::samples::samples().await.unwrap();
    samples.extend(mail());
    samples.extend(crate::exchange::samples());
    samples.retain(|(_, bytes)| bytes.len() <= LONGEST);
    for target in crate::targets() {
        let folder = folder(target);
        std::fs::create_dir_all(&folder).unwrap();
        let mut own: Vec<&Vec<u8>> = samples
            .iter()
            .filter(|(name, _)| name == target)
            .map(|(_, bytes)| bytes)
            .collect();
        own.sort_by_key(|bytes| bytes.len());
        own.dedup();
        // Some of each length.
        let step = own.len().div_ceil(KEPT).max(1);
        for (number, bytes) in own.iter().rev().step_by(step).enumerate() {
            let file = folder.join(format!("{number}"));
            if !file.exists() {
                std::fs::write(file, bytes).unwrap();
            }
        }
    }
}

fn mail() -> Vec<(String, Vec<u8>)> {
    let lines = format!("{}\r\n", "QUJD".repeat(19)).repeat(20);
    let attachment = format!(
        "\x09From: ann@example.com\r\nSubject: =?utf-8?B?w6Q=?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nhello =C3=A4\r\n--b\r\n\
         Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename*=utf-8''a.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{lines}--b--\r\n"
    );
    let plain = "\x01Subject: x\n\nFrom here on\nno structure\n";
    let mbox = "From ada@example.com Thu Jan  1 00:00:00 1970\nSubject: 1\n\n>From you\n\n\
                From bob@example.com Thu Jan  1 00:00:01 1970\r\nSubject: 2\r\n\r\n>>From me\r\n";
    vec![
        ("mime".into(), attachment.into_bytes()),
        ("mime".into(), plain.into()),
        ("mbox".into(), mbox.into()),
    ]
}
