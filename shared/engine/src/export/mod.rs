//! Export of stored items as EML and mbox, byte for byte.

mod name;
mod plan;
mod run;
pub mod sink;

pub use plan::plan;
pub use run::{ExportFormat, ExportRequest, ExportSummary, Exported, go_on, message, run};
pub use sink::{ExportSink, SinkError};
