//! Maildirs, also with the subfolders of Maildir++ (`.Name.Inner`) and flags in file names.

use std::path::Path;

use super::{Found, LoadError, modified, read_error};
use crate::content::blob::Blob;
use crate::store::mailbox::bits;

/// Whether a folder is a Maildir.
pub(crate) fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() && path.join("new").is_dir()
}

/// Reads a Maildir with its subfolders.
pub(crate) fn read(path: &Path, add: &mut impl FnMut(Found)) -> Result<(), LoadError> {
    read_below(path, &[], add)
}

/// Reads a Maildir into a folder.
pub(crate) fn read_below(
    path: &Path,
    folders: &[String],
    add: &mut impl FnMut(Found),
) -> Result<(), LoadError> {
    messages(path, folders, add)?;
    let failed = |cause| read_error(path, cause);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .map_err(failed)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.len() > 1 && name.starts_with('.'))
        .collect();
    names.sort();
    for name in names {
        let inner = path.join(&name);
        if inner.join("cur").is_dir() {
            let mut below = folders.to_vec();
            below.extend(name.split('.').skip(1).map(decoded));
            messages(&inner, &below, add)?;
        }
    }
    Ok(())
}

fn messages(path: &Path, folders: &[String], add: &mut impl FnMut(Found)) -> Result<(), LoadError> {
    for part in ["cur", "new"] {
        let inner = path.join(part);
        if !inner.is_dir() {
            continue;
        }
        let failed = |cause| read_error(&inner, cause);
        let mut entries: Vec<_> = std::fs::read_dir(&inner)
            .map_err(failed)?
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let file = entry.path();
            // Of what a link leads to.
            let about = std::fs::metadata(&file).map_err(|cause| read_error(&file, cause))?;
            if about.is_file() {
                add(Found {
                    folders: folders.to_vec(),
                    bytes: Blob::Path {
                        path: file,
                        offset: 0,
                        bytes: about.len(),
                    },
                    state: state(&entry.file_name().to_string_lossy()),
                    date: modified(&about),
                });
            }
        }
    }
    Ok(())
}

/// The flags behind `:2,` (or `;2,` where colons are not allowed).
fn state(name: &str) -> u32 {
    let flags = name
        .rsplit_once(":2,")
        .or_else(|| name.rsplit_once(";2,"))
        .map_or("", |(_, flags)| flags);
    let mut state = 0;
    for (letter, bit) in [('S', bits::READ), ('F', bits::FLAGGED), ('D', bits::DRAFT)] {
        if flags.contains(letter) {
            state |= bit;
        }
    }
    state
}

/// Decodes the modified UTF-7 of folder names; names that are not valid stay as they are.
fn decoded(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let Some((code, after)) = behind.split_once('-') else {
            return name.to_owned();
        };
        if code.is_empty() {
            out.push('&');
        } else {
            let text = code.replace(',', "/");
            let Ok(bytes) = base64_simd::STANDARD_NO_PAD.decode_to_vec(text.as_bytes()) else {
                return name.to_owned();
            };
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
                .collect();
            out.push_str(&String::from_utf16_lossy(&units));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_and_flags_are_read() {
        assert_eq!(decoded("Entw&APw-rfe"), "Entwürfe");
        assert_eq!(decoded("A &- B"), "A & B");
        assert_eq!(decoded("broken &"), "broken &");
        assert_eq!(state("1.host:2,FS"), bits::READ | bits::FLAGGED);
        assert_eq!(state("1.host"), 0);
    }
}
