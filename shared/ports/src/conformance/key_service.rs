//! The suite of [`KeyService`].

use super::{Broken, broken, check};
use crate::key_service::{KeyService, KeyServiceErrorKind, ServiceSecret};

/// Every clause of the contract of [`KeyService`]. `other` seals with another key; without one, neither that
/// nor damage is tried, for emulators of services that do not look.
///
/// # Errors
/// The first clause that does not hold.
pub async fn key_service(
    service: &dyn KeyService,
    other: Option<&dyn KeyService>,
) -> Result<(), Broken> {
    let secret = ServiceSecret::new([7; 32]);
    let clause = "what was sealed is opened with the same context, as often as wanted";
    let failed = |error| broken(clause, format!("{error:?}"));
    let sealed = service.seal(&secret, "vault 1").await.map_err(failed)?;
    let again = service.seal(&secret, "vault 1").await.map_err(failed)?;
    for _ in 0..2 {
        for sealed in [&sealed, &again] {
            let opened = service.open(sealed, "vault 1").await.map_err(failed)?;
            check(opened == secret, clause, || "it is another key".to_owned())?;
        }
    }
    let differs = sealed != again;
    check(differs, "sealing twice gives two results", || {
        "they are the same".to_owned()
    })?;
    let hides = !sealed.windows(8).any(|part| part == [7; 8]);
    check(hides, "what is sealed does not show", || {
        "the key lies open".to_owned()
    })?;
    let mut wrong = vec![
        ("another context", sealed.clone(), "vault 2"),
        ("no context", sealed.clone(), ""),
        ("nothing sealed", vec![], "vault 1"),
    ];
    if let Some(other) = other {
        let foreign = other.seal(&secret, "vault 1").await.map_err(failed)?;
        wrong.push(("another key", foreign, "vault 1"));
        let mut damaged = sealed;
        if let Some(last) = damaged.last_mut() {
            *last ^= 1;
        }
        wrong.push(("damage", damaged, "vault 1"));
    }
    for (what, sealed, context) in wrong {
        let clause = format!("{what} is WrongKey");
        match service.open(&sealed, context).await {
            Ok(_) => return Err(broken(&clause, "it opened")),
            Err(error) => check(error.kind == KeyServiceErrorKind::WrongKey, &clause, || {
                format!("{:?}: {error}", error.kind)
            })?,
        }
    }
    Ok(())
}
