//! The Graph surface, version 1.0.

pub(crate) mod attachments;
pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod cursor;
pub(crate) mod delta;
pub(crate) mod dispatch;
pub(crate) mod failure;
pub(crate) mod folders;
pub(crate) mod gate;
pub(crate) mod groups;
pub(crate) mod input;
pub(crate) mod json;
pub(crate) mod login;
pub(crate) mod messages;
pub(crate) mod odata;
pub(crate) mod organizer;
pub(crate) mod render;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod svep;
pub(crate) mod upload;
pub(crate) mod users;
pub(crate) mod write;
