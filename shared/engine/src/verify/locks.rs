//! Whether everything is still locked for as long as the vault promises.

use mailkeep_vault::{LockFinding, Vault, VaultError};

use super::{Finding, FindingKind, VerifyReport};

/// Looks at the lock of every live object of a vault that has Object Lock.
pub(super) async fn check(vault: &Vault, report: &mut VerifyReport) -> Result<(), VaultError> {
    if vault.info().object_lock.is_none() {
        return Ok(());
    }
    for finding in vault.check_locks().await?.findings {
        report.add(of(&finding));
    }
    Ok(())
}

fn of(finding: &LockFinding) -> Finding {
    let now = match finding.found {
        Some(found) => format!("only until {}", found.until.format("%Y-%m-%d %H:%MZ")),
        None => "not at all".to_owned(),
    };
    Finding {
        mailbox: finding
            .mailbox
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        address: None,
        item: None,
        folder: None,
        kind: FindingKind::Unprotected,
        message: format!(
            "object {} is locked {now}, the vault promises until {}; the next backup extends it, look at its log if this stays",
            finding.object,
            finding.promised.format("%Y-%m-%d %H:%MZ")
        ),
    }
}
