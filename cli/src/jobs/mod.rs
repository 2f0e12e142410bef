//! What the job verbs share: definitions in files, and connections for the workers.

pub mod connections;
pub mod file;
