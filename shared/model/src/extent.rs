//! How much of a mailbox is taken.

use serde::{Deserialize, Serialize};

/// What is taken of a mailbox beside its visible folders and the portable form of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Extent {
    /// The archive mailbox, as a folder tree of its own.
    pub archive: bool,
    /// Recoverable Items, as a folder tree of its own; with `archive` those of the archive, too.
    pub recoverable_items: bool,
    /// Exchange's own lossless form of each item, beside its message and properties.
    pub export_streams: bool,
}

impl Extent {
    /// True when nothing more than usual is taken.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What of it `offered` does not have, in words.
    #[must_use]
    pub fn missing(&self, offered: Self) -> Vec<&'static str> {
        let parts = [
            (self.archive, offered.archive, "the archive mailbox"),
            (
                self.recoverable_items,
                offered.recoverable_items,
                "Recoverable Items",
            ),
            (
                self.export_streams,
                offered.export_streams,
                "export streams",
            ),
        ];
        let missing = parts.into_iter().filter(|(wanted, has, _)| *wanted && !has);
        missing.map(|(_, _, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_and_not_offered_is_named() {
        let all = Extent {
            archive: true,
            recoverable_items: true,
            export_streams: true,
        };
        let offered = Extent {
            recoverable_items: true,
            ..Extent::default()
        };
        assert_eq!(
            all.missing(offered),
            ["the archive mailbox", "export streams"]
        );
        assert!(Extent::default().missing(offered).is_empty());
        assert!(Extent::default().is_usual() && !all.is_usual());
    }
}
