//! Export of stored items as EML and mbox.

pub mod sink;

pub use sink::{ExportSink, SinkError};
