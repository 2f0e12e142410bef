//! Export of stored items as EML and mbox, byte for byte.

mod name;
mod run;
pub mod sink;

pub use run::{ExportFormat, ExportRequest, ExportSummary, message, run};
pub use sink::{ExportSink, SinkError};
