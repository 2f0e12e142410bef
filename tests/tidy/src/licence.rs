//! Licence expressions (SPDX), as far as crates use them.

/// True when the terms can be kept with the `allowed` licences alone; false also for what is no
/// expression. `/` is the old way to write `OR`; an exception only gives more rights, so `X WITH Y`
/// is `X`.
pub(crate) fn is_satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().rev().collect::<Vec<_>>();
    any_of(&mut words, allowed) == Some(true) && words.is_empty()
}

/// `AND` binds more tightly than `OR`. Words are taken from the end.
fn any_of(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut result = all_of(words, allowed)?;
    while words.last() == Some(&"OR") {
        words.pop();
        result |= all_of(words, allowed)?;
    }
    Some(result)
}

fn all_of(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut result = one(words, allowed)?;
    while words.last() == Some(&"AND") {
        words.pop();
        result &= one(words, allowed)?;
    }
    Some(result)
}

fn one(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let result = any_of(words, allowed)?;
        return (words.pop() == Some(")")).then_some(result);
    }
    if words.last() == Some(&"WITH") {
        words.truncate(words.len().saturating_sub(2));
    }
    Some(allowed.contains(&word))
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "ISC"];
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/GPL-2.0",
        "Unlicense / MIT",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0 AND LGPL-2.1 OR MIT",
        "ISC AND (Apache-2.0 OR ISC) AND (GPL-3.0 OR MIT)",
    ] {
        assert!(is_satisfied(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "MIT OR",
        "(MIT",
        "MIT ISC",
        "MIT AND (GPL-3.0 OR LGPL-2.1)",
        "GPL-2.0 WITH Classpath-exception-2.0",
    ] {
        assert!(!is_satisfied(bad, &allowed), "{bad}");
    }
}
