//! What the job verbs share: definitions in files.

pub mod file;
