//! What mailkeep does: backup, restore, export, verify, over ports.
