//! Mail: made from a seed, loaded from files, or written by a restore.

pub(crate) mod blob;
pub(crate) mod compose;
pub(crate) mod draw;
mod encode;
pub(crate) mod files;
mod headers;
mod html;
mod lexicon;
mod lexicon_foreign;
pub(crate) mod mail;
mod mime;
mod odd;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod real;
pub(crate) mod segment;
pub(crate) mod words;
