//! The vault: encrypted, append-only mailbox storage over a Store.
