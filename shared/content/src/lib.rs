//! Mail content without I/O: MIME split and join, canonical digest, metadata, EML and mbox.
