//! Names of jobs.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::FieldErrors;

/// Most characters of a name.
pub const MAX_NAME: usize = 200;

/// What two names have in common when they count as the same: case, white space at the ends and in
/// rows, and the way that Unicode writes a character make no difference.
#[must_use]
pub fn name_key(name: &str) -> String {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    // Upper case first, so that "ß" and "SS" meet; a change of case can undo the normal form.
    let folded = normalizer.normalize(name).to_uppercase().to_lowercase();
    let words: Vec<_> = folded.split_whitespace().collect();
    normalizer.normalize(&words.join(" ")).into_owned()
}

pub(super) fn check(name: &str, errors: &mut FieldErrors) {
    errors.require(
        !name_key(name).is_empty(),
        "name",
        "empty; give the job a name",
    );
    errors.require(
        name.chars().count() <= MAX_NAME,
        "name",
        format!("longer than {MAX_NAME} characters"),
    );
    errors.require(
        !name.chars().any(char::is_control),
        "name",
        "holds a control character",
    );
}
