//! Links to the files of an export.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::state::State;
use mailkeep_ports::{Key, Links};

use super::{ExportPart, OperationError, OperationId, OperationRecord, Operations};
use crate::ledger::Versioned;

/// A link to one file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartLink {
    /// The file.
    pub part: ExportPart,
    /// Where it can be downloaded by anybody: a secret.
    pub url: String,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Operations {
    /// One file of an export that can be downloaded.
    ///
    /// # Errors
    /// `Refused` when the export has no files, or their time is over; `NoSuchPart`.
    pub async fn part(
        &self,
        id: &OperationId,
        number: u32,
    ) -> Result<(OperationRecord, ExportPart), OperationError> {
        let operation = self.get(id).await?.value;
        let now = self.ledger.clock().now();
        let is_ready = operation.state == State::LinkReady
            && operation.link_until.is_some_and(|until| until > now);
        if !is_ready {
            return Err(OperationError::Refused {
                id: id.clone(),
                why: "has no files to download; they are there when it is complete, for some days",
            });
        }
        let part: Option<Versioned<ExportPart>> = self.ledger.read(&id.part(number)?).await?;
        let part = part.filter(|part| part.value.number <= operation.parts);
        let part = part.ok_or_else(|| OperationError::NoSuchPart {
            id: id.clone(),
            number,
            parts: operation.parts,
        })?;
        Ok((operation, part.value))
    }

    /// A link to one file of an export. It works for as long as is asked for, and not longer than the
    /// files are kept.
    ///
    /// # Errors
    /// As [`part`](Self::part), and when the store makes no link.
    pub async fn link(
        &self,
        id: &OperationId,
        number: u32,
        links: &dyn Links,
        valid_for: Duration,
    ) -> Result<PartLink, OperationError> {
        let (operation, part) = self.part(id, number).await?;
        let now = self.ledger.clock().now();
        let asked = TimeDelta::from_std(valid_for).unwrap_or(TimeDelta::MAX);
        let left = operation.link_until.map_or(asked, |until| until - now);
        let valid = asked.min(left);
        let key = Key::new(part.key.clone())?;
        let length = valid.to_std().unwrap_or_default();
        let url = links.link(&key, length, &part.file_name).await?;
        Ok(PartLink {
            part,
            url,
            until: now + valid,
        })
    }
}
