//! Options that choose items; shared by `find`, `export` and `restore`.

use clap::Args;

use super::values::{SizeArg, TimeArg};

/// Which items.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which items")]
pub struct QueryArgs {
    /// Only items in this folder and below, for example Inbox or "Projects/2026" (repeatable)
    #[arg(long = "folder", value_name = "PATH")]
    pub folders: Vec<String>,
    /// Sender's name or address contains this
    #[arg(long, value_name = "TEXT")]
    pub from: Option<String>,
    /// A recipient's name or address contains this
    #[arg(long, value_name = "TEXT")]
    pub recipient: Option<String>,
    /// Subject contains this
    #[arg(long, value_name = "TEXT")]
    pub subject: Option<String>,
    /// Received on or after this day, time or age (2026-03-01, "2026-03-01 14:30", 30d)
    #[arg(long, value_name = "TIME")]
    pub since: Option<TimeArg>,
    /// Received before this time or age, or on this day at the latest
    #[arg(long, value_name = "TIME")]
    pub until: Option<TimeArg>,
    /// At least this large (500, 64K, 10M)
    #[arg(long, value_name = "SIZE")]
    pub min_size: Option<SizeArg>,
    /// At most this large
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<SizeArg>,
    /// Only items with attachments
    #[arg(long)]
    pub has_attachment: bool,
    /// Only unread items
    #[arg(long)]
    pub unread: bool,
    /// Only items of this category
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Also items that were deleted at the source
    #[arg(long)]
    pub deleted: bool,
}

impl QueryArgs {
    /// True when nothing was asked for, so that every item is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.folders.is_empty()
            && self.from.is_none()
            && self.recipient.is_none()
            && self.subject.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.min_size.is_none()
            && self.max_size.is_none()
            && !self.has_attachment
            && !self.unread
            && self.category.is_none()
    }
}
