//! The run that deletes, compared with what must be restorable.

mod beside;
mod crashes;
mod points;
mod rules;
mod world;
