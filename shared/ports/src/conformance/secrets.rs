//! The suite of [`Secrets`].

use super::{Broken, broken, check};
use crate::{SecretError, Secrets};

/// Names that the adapter under test was prepared with.
pub struct KnownSecrets<'a> {
    /// Secrets that are there, with their values.
    pub present: &'a [(&'a str, &'a [u8])],
    /// Names under which nothing is.
    pub missing: &'a [&'a str],
    /// Names or values that are no good.
    pub invalid: &'a [&'a str],
}

/// Every clause of the contract of [`Secrets`].
///
/// # Errors
/// The first clause that does not hold.
pub async fn secrets(secrets: &dyn Secrets, known: &KnownSecrets<'_>) -> Result<(), Broken> {
    for (name, value) in known.present {
        let clause = "a secret is read, as often as wanted";
        for _ in 0..2 {
            let read = secrets.read(name).await;
            let read = read.map_err(|error| broken(clause, error.to_string()))?;
            // Not shown, even here.
            check(read.as_slice() == *value, clause, || {
                format!("{name} has another value of {} bytes", read.len())
            })?;
        }
    }
    for name in known.missing {
        let error = secrets.read(name).await.err();
        let is_right = matches!(&error, Some(SecretError::Missing { name: n, next_step })
            if n == name && !next_step.is_empty());
        check(
            is_right,
            "a missing secret is Missing, with its name and a next step",
            || format!("{name}: {error:?}"),
        )?;
    }
    for name in known.invalid {
        let error = secrets.read(name).await.err();
        let is_right = matches!(&error, Some(SecretError::Invalid { name: n, .. }) if n == name);
        check(
            is_right,
            "an unusable secret is Invalid, with its name",
            || format!("{name}: {error:?}"),
        )?;
    }
    Ok(())
}
