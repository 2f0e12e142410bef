//! On-premises Exchange (2013 to Subscription Edition) through Exchange Web Services.
//!
//! Architecture invariant: knows nothing of vaults, jobs or command lines. Every call goes through
//! [`EwsClient`], which keeps to each mailbox's budget; no address, subject, password or token
//! reaches an error or a log. Long content is never held whole.

mod answer;
mod autodiscover;
mod call;
mod client;
mod connection;
mod content;
mod cookies;
mod create;
mod describe;
mod encode;
mod error_map;
mod export;
mod extended;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod groups;
mod item_row;
mod items;
mod lookahead;
mod ntlm;
mod public;
mod rebuild;
mod restore_xml;
mod shape;
mod source;
mod sync;
mod target;
mod tree;
mod trees;
mod upload;
mod wire;
pub(crate) mod xml;

pub use autodiscover::{Discovered, EwsAutodiscover, discover};
pub use client::{EwsClient, EwsOptions};
pub use connection::{EwsConnection, EwsLogin, MailboxAccess};
pub(crate) use extended::KEPT_OF_OTHERS;
pub(crate) use item_row::parse_time;
pub use source::EwsSource;
pub use target::EwsTarget;
