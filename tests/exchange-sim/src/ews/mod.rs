//! The tenant as an Exchange organisation on premises: Exchange Web Services and Autodiscover over
//! the same mailboxes. Requests are checked against the published schema; what a client may not rely
//! on with real servers it cannot rely on here.

pub(crate) mod autodiscover;
mod context;
mod error;
pub(crate) mod exchange;
mod extended;
pub(crate) mod front;
pub(crate) mod ids;
pub(crate) mod login;
mod ntlm;
mod ops;
pub(crate) mod options;
mod out;
pub(crate) mod pages;
mod render;
mod restriction;
mod samples;
mod schema;
mod soap;
mod state;
mod stream;
mod version;
pub(crate) mod write;
pub(crate) mod xml;

pub(crate) use samples::{add_sample, fill};

#[cfg(test)]
mod tests;
