//! The run that deletes, compared with what must be restorable.

mod beside;
mod carriers;
mod crashes;
mod long;
mod points;
mod rules;
mod schedules;
mod world;
