//! Exchange Online through Microsoft Graph.
//!
//! Architecture invariant: knows nothing of vaults, jobs or command lines. Every call goes through
//! [`GraphClient`], which keeps to each mailbox's budget; no address, subject or token reaches an
//! error or a log.

mod answer;
mod batch;
mod call;
mod client;
mod connection;
mod content;
mod create;
mod cursor;
mod describe;
mod error_map;
mod fallback;
mod feed;
mod folder_row;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod groups;
mod json;
mod links;
mod message_json;
mod organizer;
mod permissions;
mod properties;
mod restore_json;
mod source;
mod sync;
mod target;
mod tree;
mod tree_changes;
mod upload;
mod users;

pub(crate) use answer::connection_words;
pub use client::{GraphClient, GraphOptions};
pub(crate) use connection::configuration;
pub use connection::{Cloud, Credential, GraphConnection};
pub use source::GraphSource;
pub use target::GraphTarget;
