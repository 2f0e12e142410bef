//! What the functions on AWS share: how they start, what wakes them, how long they may run, and what they
//! tell. Each function is a library whose handler takes plain values, and a program of a few lines.

mod connections;
mod context;
mod deadline;
mod environment;
mod error;
mod logs;
mod metrics;
mod start;
mod trigger;

pub use connections::LateConnections;
pub use context::Context;
pub use deadline::Deadline;
pub use environment::Environment;
pub use error::FunctionError;
pub use metrics::{MetricLine, Metrics, Unit};
pub use start::{Function, start};
pub use trigger::{FailedMessages, MessageTrigger, Trigger};
