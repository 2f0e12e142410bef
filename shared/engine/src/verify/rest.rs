//! The objects of the vault as a whole: keys, dictionary, documents, records of runs.

use mailkeep_vault::{Vault, VaultError};

use super::objects::in_words;
use super::{Finding, FindingKind, VerifyReport};

/// Reads each of them.
pub(super) async fn check(vault: &Vault, report: &mut VerifyReport) -> Result<(), VaultError> {
    let found = vault.check_rest().await?;
    report.objects += found.objects;
    for finding in found.findings {
        let (kind, what) = in_words(&finding.defect);
        let object = finding.object;
        report.add(of(
            kind,
            format!("object {object} {what}; {}", remedy(&object)),
        ));
    }
    for error in &found.newer {
        report.add(of(FindingKind::TooNew, error.to_string()));
    }
    Ok(())
}

fn remedy(object: &str) -> &'static str {
    let kind = object.split('/').next().unwrap_or_default();
    match kind {
        "keys" => {
            "whoever it was for cannot open the vault any more: add that recipient again (`mailkeep key add`)"
        }
        "dict" => "no mail is hit; `mailkeep repair` puts it back",
        "doc" => {
            "restore it from a replica or an older version of the bucket, or set again what it held (a connection, a policy, a hold)"
        }
        _ => "no mail is hit; restore it from a replica or an older version of the bucket",
    }
}

fn of(kind: FindingKind, message: String) -> Finding {
    Finding {
        mailbox: String::new(),
        address: None,
        item: None,
        folder: None,
        kind,
        message,
    }
}
