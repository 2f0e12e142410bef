//! What an open mailbox can be asked for.

use crate::error::VaultError;
use crate::index::view::MailboxView;
use crate::index::writer::{MailboxWriter, WriterLimits};
use crate::mailbox::Mailbox;

impl Mailbox {
    /// The mailbox as of its newest commit.
    ///
    /// # Errors
    /// When the log cannot be read, is damaged or has a hole.
    pub async fn view(&self) -> Result<MailboxView, VaultError> {
        MailboxView::open(self.core.clone(), None).await
    }

    /// The mailbox as it was right after commit `sequence`; 0 is the empty mailbox.
    ///
    /// # Errors
    /// As [`view`](Self::view); `Missing` when there is no such commit yet, or when retention let go of
    /// something that it showed.
    pub async fn view_at(&self, sequence: u64) -> Result<MailboxView, VaultError> {
        let view = MailboxView::open(self.core.clone(), Some(sequence)).await?;
        view.check_whole(sequence)?;
        Ok(view)
    }

    /// Opens the mailbox for writing. Several writers at once are safe, if wasteful: each commit is
    /// decided by one conditional write.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub async fn writer(&self) -> Result<MailboxWriter, VaultError> {
        MailboxWriter::open(self.core.clone(), WriterLimits::default()).await
    }
}
