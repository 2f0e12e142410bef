//! Cycles of jobs and their tasks: what is kept of them, and how their states change.

mod landing;
mod progress;
mod record;
mod scope;
mod task;
mod worktime;

pub(crate) use landing::{Landing, Place, begin_state, land, stillborn};
pub use progress::RunProgress;
pub use record::{Listing, RunRecord, StepOfRun};
pub use scope::RunScope;
pub use task::{TaskRecord, Wait};
pub use worktime::WorkTime;
